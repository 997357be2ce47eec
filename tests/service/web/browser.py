"""Headless Chromium that looks at the pages as a person would: without JavaScript, and without a network."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

DESKTOP, PHONE = (1280, 900), (390, 844)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
QUIET += ["--disable-sync", "--no-first-run"]


def executable() -> str | None:
    """Where Chromium is; None where it is not installed (Debian: apt-get install chromium)."""
    return shutil.which("chromium")


@contextlib.contextmanager
def looking(size: tuple[int, int], *, dark: bool = False, scripts: bool = False) -> Iterator[Any]:
    """A page of a fresh browser; what the console says is in its list `complaints`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play, play.chromium.launch(executable_path=executable(), args=QUIET) as browser:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        yield page


def sign_in(page: Any, url: str, token: str) -> None:
    """Through the form, with the keyboard."""
    page.goto(url)
    page.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/")
