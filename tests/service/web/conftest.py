"""A service with allocations worth looking at, and browsers without a screen."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import httpx
import pytest

from service.api import Settings
from tests.service.serving import Served, begin, send, served

from .runs import Run, train

EVIL = "<script>alert('x')</script> \"& co"
SETTINGS = Settings(
    rate=1e6, strangers=1e6, mlflow="http://tracking.example:5000/", dashboard="https://ray.example/dash"
)


@dataclasses.dataclass
class Shown:
    """The service, and ids by what they are for."""

    service: Served
    ids: dict[str, str]


@contextlib.contextmanager
def signed_in(service: Served, scope: str = "read", project: str = "brains") -> Iterator[httpx.Client]:
    """A browser that has signed in with a new token."""
    token = service.vault.create(project, scope)[1]
    with httpx.Client(base_url=service.url, timeout=60) as browser:
        answer = browser.post("/sign-in", data={"token": token}, headers={"Origin": service.url})
        assert answer.status_code == 303, answer.text
        yield browser


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Read only: one with a law, one just begun, one with a hostile name, one archived, one of another project."""
    store = f"sqlite:///{tmp_path_factory.mktemp('web') / 's.db'}"
    with served(store, SETTINGS) as service, service.client() as client, service.client(project="hearts") as other:
        ids = {"law": train(client, Run("brain-and-body", "hubs", 3, part=0.3))}
        paths = {"begun": begin(client, "just-begun"), "evil": begin(client, EVIL), "old": begin(client, "old-one")}
        send(client, paths["evil"], 50, 150)
        mode = client.post(f"{paths['evil']}/mode", json={"mode": "advise", "pin": {"ct": 0.5}})
        assert mode.status_code == 200, mode.text
        client.delete(paths["old"])
        paths["foreign"] = begin(other, "foreign")
        yield Shown(service, ids | {word: path.rsplit("/", 1)[1] for word, path in paths.items()})


@pytest.fixture
def browser(shown: Shown) -> Iterator[httpx.Client]:
    """Signed in with a token of scope read in project `brains`."""
    with signed_in(shown.service) as found:
        yield found


@pytest.fixture
def stranger(shown: Shown) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shown.service.url, timeout=60) as found:
        yield found
