"""The pages in a real browser, at the size of a desk and of a phone, light and dark, without JavaScript."""

from __future__ import annotations

import re

import pytest

from .browser import DESKTOP, PHONE, executable, looking, sign_in
from .conftest import Shown

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(executable() is None, reason="no Chromium is installed (Debian: apt-get install chromium)"),
]
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Letters of a figure as they come out on the screen, in pixels.
SMALLEST = """Math.min(...[...document.querySelectorAll('figure svg text')].map(
  t => parseFloat(t.getAttribute('font-size')) * t.ownerSVGElement.getBoundingClientRect().width
    / t.ownerSVGElement.viewBox.baseVal.width))"""
CUT = """[...document.querySelectorAll('figure svg text')].filter(t => {
  const a = t.getBoundingClientRect(), b = t.ownerSVGElement.getBoundingClientRect();
  return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1;
}).map(t => t.textContent)"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_fit_and_load_nothing(shown: Shown, size: tuple[int, int], dark: bool) -> None:
    token = shown.service.vault.create("brains", "read")[1]
    with looking(size, dark=dark) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        sign_in(page, shown.service.url, token)
        assert page.evaluate(TOO_WIDE) <= 0
        for id in (shown.ids["law"], shown.ids["evil"], shown.ids["begun"]):
            page.goto(f"{shown.service.url}/allocations/{id}")
            assert page.evaluate(TOO_WIDE) <= 0
            assert page.evaluate(CUT) == []
            assert page.evaluate(SMALLEST) >= 8
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(re.compile(r"/sign-in$"))
        assert page.evaluate(TOO_WIDE) <= 0
        assert page.complaints == []
        assert all(url.startswith(shown.service.url) for url in asked)


def test_the_full_report_draws_in_its_sandbox(shown: Shown) -> None:
    token = shown.service.vault.create("brains", "read")[1]
    with looking(DESKTOP, scripts=True) as page:
        sign_in(page, shown.service.url, token)
        page.goto(f"{shown.service.url}/allocations/{shown.ids['law']}")
        page.get_by_role("link", name="Full report").click()
        page.wait_for_selector("body[data-ready=yes]", timeout=30_000)
        assert page.evaluate("document.querySelectorAll('.main-svg').length") > 5
        assert page.evaluate("self.origin") == "null"
