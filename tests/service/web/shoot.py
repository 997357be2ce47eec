"""Pictures of the pages: `python -m tests.service.web.shoot FOLDER` makes all, `... FOLDER page` the README's alone.

Several simulated trainings are steered by `transfer_law` through the HTTP interface, then looked at in headless
Chromium. `page.png`, the desktop picture of one allocation, is what the README shows.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import httpx

from service.api import Settings
from tests.service.serving import Served, served
from tests.service.web.browser import DESKTOP, PHONE, looking, sign_in
from tests.service.web.runs import Run, train

PICTURED = Run("brain-and-body-vit-l", "hubs", 5, part=0.5)
RUNS = (
    Run("flat-check", "flat", 4, part=0.3, policy="uniform"),
    Run("islands <script>alert(1)</script> & co", "islands", 5, part=0.12),
    Run("small-pools-vit-b", "small_pools", 8, part=0.6),
    PICTURED,
    Run("hub-study-finished", "one_way_hubs", 4, seed=3),
    Run("just-begun", "hubs", 5, part=0.0),
)
SETTINGS = Settings(rate=1e6, strangers=1e6, mlflow="http://127.0.0.1:5000", dashboard="http://127.0.0.1:8265")


def shoot(service: Served, ids: dict[str, str], folder: Path) -> None:
    """Every page at both sizes, in both colour schemes."""
    text = service.vault.create("brains", "read")[1]
    for size, word in ((DESKTOP, "desktop"), (PHONE, "phone")):
        for dark in (False, True):
            with looking(size, dark=dark) as page:
                tone = "dark" if dark else "light"
                page.goto(f"{service.url}/sign-in")
                page.screenshot(path=folder / f"sign-in-{word}-{tone}.png")
                sign_in(page, service.url, text)
                page.screenshot(path=folder / f"home-{word}-{tone}.png", full_page=True)
                for number, id in enumerate(ids.values()):
                    page.goto(f"{service.url}/allocations/{id}")
                    page.screenshot(path=folder / f"run{number}-{word}-{tone}.png", full_page=True)


def picture(service: Served, id: str, folder: Path) -> None:
    """What the README shows."""
    with looking((1280, 1400)) as page:
        sign_in(page, service.url, service.vault.create("brains", "read")[1])
        page.goto(f"{service.url}/allocations/{id}")
        page.screenshot(path=folder / "page.png", clip={"x": 60, "y": 0, "width": 1160, "height": 1320})


def main(folder: Path, whole: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, served(f"sqlite:///{place}/s.db", SETTINGS) as service:
        client: httpx.Client = service.client()
        with client:
            ids = {run.name: train(client, run) for run in (RUNS if whole else [PICTURED])}
        if whole:
            shoot(service, ids, folder)
        picture(service, ids[PICTURED.name], folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] != ["page"])
