"""The load: real clients, each with a queue on disk, that train until they are told to end."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from service.client import AllocationClient
from tests.faults.service.courses import NAMES, Course, report

END_SECONDS = 900  # for what waits in a queue once the service is left in peace


class Wire(httpx.BaseTransport):
    """What went over the wire: every acknowledged report, and every failure that a client had to live with."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()
        self.acknowledged: dict[int, list[dict[str, Any]]] = {}
        self.troubles: Counter[str] = Counter()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._inner.handle_request(request)
            response.read()
        except httpx.TransportError as error:
            self.troubles[type(error).__name__] += 1
            raise
        if response.status_code >= 400:
            self.troubles[str(response.status_code)] += 1
        elif request.url.path.endswith("/reports"):
            answer = response.json()
            self.acknowledged.setdefault(int(answer["position"]), []).append(answer["decision"])
        return response

    def close(self) -> None:
        self._inner.close()


@dataclasses.dataclass
class Trained:
    """One client: what it sent and what it got. `failure` is what it could not live with."""

    course: Course
    wire: Wire = dataclasses.field(default_factory=Wire)
    sent: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    allocation: str = ""
    left: int = 0
    refused: int = 0
    failure: BaseException | None = None


class Load:
    """Clients in threads of this process, which nobody kills."""

    def __init__(self, url: str, token: str, folder: Path, courses: tuple[Course, ...]) -> None:
        self._url, self._token, self._folder = url, token, folder
        self._over = threading.Event()
        self._until = 0.0
        self.clients = [Trained(course) for course in courses]
        self._threads = [threading.Thread(target=self._run, args=(one,), daemon=True) for one in self.clients]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self, seconds: float = END_SECONDS) -> None:
        """No new reports; returns when all that waited is acknowledged, or `seconds` are over."""
        self._until = time.monotonic() + seconds
        self._over.set()
        for thread in self._threads:
            thread.join(END_SECONDS + 60)
            assert not thread.is_alive(), "a client does not come to its end"

    def acknowledged(self) -> int:
        """Positions that were acknowledged, over all clients."""
        return sum(len(one.wire.acknowledged) for one in self.clients)

    def check(self) -> None:
        """Raise what a client could not live with."""
        for one in self.clients:
            if one.failure is not None:
                raise one.failure

    def _run(self, one: Trained) -> None:
        try:
            self._train(one)
        except BaseException as failure:
            one.failure = failure

    def _train(self, one: Trained) -> None:
        queue = self._folder / f"{one.course.name}.jsonl"
        deadline = 5.0 if one.course.waits else 0.5
        with AllocationClient(self._url, self._token, queue=queue, deadline=deadline, transport=one.wire) as client:
            body = one.course.body()
            answer = client.create(body.pop("name"), body.pop("domains"), **body)
            draws, number = dict.fromkeys(NAMES, 0.0), 0
            while not self._over.is_set():
                number += 1
                draws = one.course.next_draws(draws, answer.decision.weights, number)
                one.sent[number * 100] = sent = json.loads(json.dumps(report(number, draws)))
                answer = client.report(**sent)
                while one.course.waits and client.queued and not self._over.is_set():
                    time.sleep(0.1)
                    answer = client.flush()
                self._over.wait(one.course.pace)
            while client.queued and time.monotonic() < self._until:
                time.sleep(0.2)
                client.flush()
            one.allocation, one.left = client.allocation, client.queued
        refused = queue.with_name(queue.name + ".refused")
        one.refused = len(refused.read_text().splitlines()) if refused.exists() else 0
