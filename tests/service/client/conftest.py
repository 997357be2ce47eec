"""Servers to speak to: a scripted one for bad weather, the real service for everything else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.client.scripted import Said, Scripted, Seen, answer

TOKEN = "isth_abc123_verysecretsecretsecret"


def steady(seen: Seen) -> Said:
    """A service that takes everything and always answers with the same mixture."""
    weights = {"a": 0.25, "b": 0.75}
    if seen.method == "POST" and seen.path == "/v1/allocations":
        return Said(201, {"id": "a-0123456789abcdef", "name": seen.body["name"], **answer(0, weights)})
    if seen.path.endswith("/reports"):
        last = seen.body[-1] if isinstance(seen.body, list) else seen.body
        return Said(200, answer(last["position"], weights))
    return Said(404, {"title": "Not found", "status": 404, "detail": "no such thing"})


@pytest.fixture
def weather() -> Iterator[Scripted]:
    server = Scripted(steady)
    yield server
    server.close()


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ISTHMUS_TOKEN", TOKEN)
    monkeypatch.delenv("ISTHMUS_URL", raising=False)
    monkeypatch.setattr("service.client.retry.FIRST_SECONDS", 0.02)
    return TOKEN
