"""What a wrong body costs: counted in steps of the parsing and in bytes, since clocks are noisy."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.api import Settings
from service.api.bodies import Report
from service.api.decoding import decode
from service.api.problems import MOST_ERRORS, Trouble
from tests.service.serving import begin, report_body, served

MOST = 2 * 2**20
JSON = {"Content-Type": "application/json"}


def filled(unit: bytes) -> bytes:
    return b"[" + b",".join([unit] * ((MOST - 10) // (len(unit) + 1))) + b"]"


WRONG = json.dumps(report_body(1) | {"draws": {f"d{n}": "x" for n in range(200)}}).encode()
BODIES: dict[str, Callable[[], bytes]] = {
    "reports": lambda: b"[" + b",".join([WRONG] * 700) + b"]",
    "objects": lambda: filled(b"{}"),
    "lists": lambda: filled(b"[]"),
    "numbers": lambda: filled(b"0"),
    "texts": lambda: filled(b'"ab"'),
    "long numbers": lambda: filled(b"9" * 4000),
    "one object": lambda: b"{" + b",".join(b'"d%d":1' % n for n in range(150_000)) + b"}",
    "one name": lambda: b'{"' + b"x" * (MOST - 10) + b'":1}',
    "four bytes a letter": lambda: b'["' + "\U0001f600".encode() * (MOST // 4 - 4) + b'"]',
}
SCRIPT = """
import resource, sys, time
from service.api.problems import Trouble
from tests.service.api.test_decoding import BODIES, MOST
from service.api.decoding import _checker, decode
from service.api.bodies import Reports
from fastapi.exceptions import RequestValidationError
check, body = _checker(Reports), BODIES[sys.argv[1]]()
before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    check(decode(body, MOST))
except (Trouble, RequestValidationError):
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, time.process_time() - begun)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", BODIES)
def test_two_megabytes_of_nonsense_cost_little(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, name], capture_output=True, text=True, timeout=120, check=True)
    kilobytes, seconds = map(float, done.stdout.split())
    assert kilobytes < 20_000
    assert seconds < 0.3  # in a thread; 1.8 s of the event loop before


def test_reading_stops_at_the_first_twenty_errors(monkeypatch: pytest.MonkeyPatch, client: httpx.Client) -> None:
    path, read, seen = begin(client), Report.model_validate, []

    def counted(one: Any) -> Report:
        seen.append(one)
        return read(one)

    monkeypatch.setattr(Report, "model_validate", counted)
    answer = client.post(f"{path}/reports", content=b"[" + b",".join([WRONG] * 500) + b"]", headers=JSON)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, MOST_ERRORS)
    assert len(seen) == 1, "one report alone has twenty errors, and no more of its 200 are looked for"


def test_sizes_are_looked_at_before_contents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda *_args, **_more: pytest.fail("it was read"))
    for name in ("objects", "lists", "numbers", "texts", "one object"):
        with pytest.raises(Trouble, match="send fewer reports at a time") as caught:
            decode(BODIES[name](), MOST)
        assert caught.value.status == 413


def test_what_is_used_in_earnest_fits() -> None:
    reports = [
        {
            "position": n,
            "draws": {f"domain-{d}": 1.5 * n for d in range(20)},
            "eval_loss": {f"domain-{d}": 2.718281828 / n for d in range(20)},
        }
        for n in range(1, 1001)
    ]
    body = json.dumps(reports).encode()
    assert 1_000_000 < len(body) < MOST
    assert decode(body, MOST) == reports


def test_the_event_loop_goes_on_beside_a_large_body(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    path, threads = begin(client), []
    read = Report.model_validate
    monkeypatch.setattr(
        Report, "model_validate", lambda one: (threads.append(threading.current_thread().name), read(one))[1]
    )
    body = [report_body(50) | {"lr_sum": -1.0}] * 200
    assert client.post(f"{path}/reports", json=body).status_code == 422
    assert threads
    assert all("AnyIO worker thread" in name for name in threads)


def test_a_body_that_stops_coming(tmp_path: Any) -> None:
    settings = Settings(body_seconds=0.3, rate=1e6)
    with served(f"sqlite:///{tmp_path / 's.db'}", settings) as service, service.client() as client:
        path, begun = begin(client), time.monotonic()

        def pieces() -> Any:
            for _ in range(40):
                yield b" "
                time.sleep(0.1)

        answer = client.post(f"{path}/reports", content=pieces(), headers=JSON)
        assert answer.status_code == 408, answer.text
        assert "the body stopped coming" in answer.json()["detail"]
        assert time.monotonic() - begun < 10
        assert client.get(path).json()["position"] == 0
        slow = (json.dumps(report_body(50)).encode()[at : at + 40] for at in range(0, 400, 40))
        assert client.post(f"{path}/reports", content=slow, headers=JSON).status_code == 200
