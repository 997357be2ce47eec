from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.serving import Served, served


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    with served(f"sqlite:///{tmp_path / 'store.db'}") as found:
        yield found


@pytest.fixture
def client(service: Served) -> Iterator[httpx.Client]:
    """With a token of scope admin in project `brains`."""
    with service.client() as found:
        yield found
