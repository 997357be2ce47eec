"""The run that was left in peace: the same courses through the same interface, and nobody kills anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from service.journal import Journal
from tests.faults.service.courses import INTERVAL, NAMES, Course, report
from tests.service.serving import served


def decisions(journal: Journal, allocation: str) -> dict[int, dict[str, Any]]:
    """By the report they answer; what took how long is left out."""
    found = journal.events(allocation, kinds=["decision"], active=True)
    return {event.position: {k: v for k, v in event.body.items() if k != "meta"} for event in found}


class Peace:
    """Goes as far as it is asked to, and remembers."""

    def __init__(self, client: httpx.Client, journal: Journal) -> None:
        self._client, self._journal = client, journal
        self._at: dict[str, tuple[str, int, dict[str, float], dict[str, float]]] = {}

    def decisions(self, course: Course, reports: int) -> dict[int, dict[str, Any]]:
        """Those after the first `reports` reports, and the one before them."""
        allocation, number, draws, weights = self._at.get(course.name) or self._begin(course)
        while number < reports:
            number += 1
            draws = course.next_draws(draws, weights, number)
            weights = self._post(f"/v1/allocations/{allocation}/reports", report(number, draws))["decision"]["weights"]
        self._at[course.name] = allocation, number, draws, weights
        found = decisions(self._journal, allocation)
        return {position: body for position, body in found.items() if position <= reports * INTERVAL}

    def _begin(self, course: Course) -> tuple[str, int, dict[str, float], dict[str, float]]:
        begun = self._post("/v1/allocations", course.body())
        return begun["id"], 0, dict.fromkeys(NAMES, 0.0), begun["decision"]["weights"]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())


@contextmanager
def in_peace(folder: Path) -> Iterator[Peace]:
    with served(f"sqlite:///{folder / 'peace.db'}") as service, service.client() as client:
        yield Peace(client, service.journal)
