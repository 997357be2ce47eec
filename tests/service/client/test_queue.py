"""Reports that cannot be delivered wait in a file; nothing of it is lost, nothing blocks the rest."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.client import AllocationClient, AsyncAllocationClient, Conflict, QueueInUse, Refused, Unauthorized
from tests.service.client.scripted import Said, Scripted, Seen

pytestmark = pytest.mark.usefixtures("token")
SETUP: dict[str, Any] = {"name": "run", "domains": ["a", "b"], "budget": 10_000, "interval": 100}


def report(position: int, loss: float = 1.0) -> dict[str, Any]:
    return {"position": position, "draws": {"a": position, "b": 0}, "eval_loss": {"a": loss, "b": None}}


def positions(weather: Scripted) -> list[int]:
    return [seen.body["position"] for seen in weather.seen if seen.path.endswith("/reports")]


def away(seen: Seen) -> Said:
    return Said(503)


def quick(weather: Scripted, queue: Path, **more: Any) -> AllocationClient:
    return AllocationClient(weather.url, queue=queue, deadline=0.8, **more)


def test_reports_wait_and_are_resent_in_order(weather: Scripted, tmp_path: Path) -> None:
    back, queue = weather.otherwise, tmp_path / "queue.jsonl"
    with quick(weather, queue) as client:
        client.create(**SETUP)
        before = client.report(**report(100))
        assert not before.offline
        weather.otherwise = away
        answers = [client.report(**report(position)) for position in (200, 300, 400)]
        assert [(answer.offline, answer.queued) for answer in answers] == [(True, 1), (True, 2), (True, 3)]
        assert all(answer.weights == before.weights for answer in answers)
        weather.otherwise = back
        weather.seen.clear()
        after = client.report(**report(500))
        assert (after.offline, after.queued, after.position) == (False, 0, 500)
    assert positions(weather) == [200, 300, 400, 500]
    assert queue.read_bytes() == b""


def test_the_asyncio_client_has_the_same_queue(weather: Scripted, tmp_path: Path) -> None:
    async def go() -> None:
        back = weather.otherwise
        async with AsyncAllocationClient(weather.url, queue=tmp_path / "q", deadline=0.4) as client:
            await client.create(**SETUP)
            weather.otherwise = away
            assert (await client.report(**report(100))).offline
            weather.otherwise = back
            assert (await client.flush()).queued == 0

    asyncio.run(go())
    assert positions(weather)[-1] == 100


def test_a_service_that_was_never_there_is_no_reason_not_to_begin(weather: Scripted, tmp_path: Path) -> None:
    back, weather.otherwise = weather.otherwise, away
    with quick(weather, tmp_path / "q") as client:
        start = client.create(**SETUP, baseline={"a": 3, "b": 1})
        assert (start.offline, start.weights) == (True, {"a": 0.75, "b": 0.25})
        assert client.report(**report(100)).queued == 1
    weather.otherwise = back
    with quick(weather, tmp_path / "q") as client:
        assert client.queued == 1
        assert client.flush().weights == {"a": 0.25, "b": 0.75}
        assert client.allocation == "a-0123456789abcdef"
    assert [seen.path for seen in weather.seen[-2:]] == [
        "/v1/allocations",
        "/v1/allocations/a-0123456789abcdef/reports",
    ]


def test_a_poisoned_report_is_set_aside(weather: Scripted, tmp_path: Path) -> None:
    back, queue = weather.otherwise, tmp_path / "q.jsonl"
    with quick(weather, queue) as client:
        client.create(**SETUP)
        weather.otherwise = away
        for position in (100, 200, 300):
            client.report(**report(position))
        problem = {"detail": "draws of 'a' fell", "status": 422, "errors": [{"field": "draws.a", "value": 200}]}
        weather.otherwise = lambda seen: Said(422, problem) if seen.body["position"] == 200 else back(seen)
        answer = client.report(**report(400))
        assert (answer.position, answer.queued, answer.offline) == (400, 0, False)
    aside = [json.loads(line) for line in (tmp_path / "q.jsonl.refused").read_text().splitlines()]
    assert [entry["report"]["position"] for entry in aside] == [200]
    assert "draws of 'a' fell" in aside[0]["reason"]
    assert aside[0]["problem"] == problem
    assert positions(weather)[-4:] == [100, 200, 300, 400]


@pytest.mark.parametrize(("status", "kind"), [(422, Refused), (409, Conflict)])
def test_ones_own_refused_report_raises(weather: Scripted, tmp_path: Path, status: int, kind: type[Exception]) -> None:
    with quick(weather, tmp_path / "q") as client:
        client.create(**SETUP)
        weather.script = [Said(status, {"detail": "no"})]
        with pytest.raises(kind):
            client.report(**report(100))
        assert client.queued == 0
        assert not client.report(**report(200)).offline


def test_a_revoked_token_loses_nothing(weather: Scripted, tmp_path: Path) -> None:
    with quick(weather, tmp_path / "q") as client:
        client.create(**SETUP)
        weather.script = [Said(401, {"detail": "revoked"})]
        with pytest.raises(Unauthorized):
            client.report(**report(100))
    with quick(weather, tmp_path / "q", token="isth_new_tokentokentoken") as client:
        assert client.queued == 1
        client.flush()
    assert positions(weather) == [100, 100]


def test_the_same_report_waits_once(weather: Scripted, tmp_path: Path) -> None:
    with quick(weather, tmp_path / "q") as client:
        client.create(**SETUP)
        weather.otherwise = away
        assert [client.report(**report(100)).queued for _ in range(3)] == [1, 1, 1]


def test_one_client_per_file(weather: Scripted, tmp_path: Path) -> None:
    queue = tmp_path / "q"
    with quick(weather, queue) as client:
        client.create(**SETUP)
        with pytest.raises(QueueInUse, match="another client of this process"):
            quick(weather, queue)
        code = f"from service.client import AllocationClient as C; C({weather.url!r}, queue={str(queue)!r})"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "QueueInUse" in other.stderr
        assert "another process" in other.stderr
    with quick(weather, queue) as client, pytest.raises(QueueInUse, match="belongs to allocation 'run', not 'other'"):
        client.create(**(SETUP | {"name": "other"}))


def test_a_folder_holds_a_queue(weather: Scripted, tmp_path: Path) -> None:
    with quick(weather, tmp_path) as client:
        client.create(**SETUP)
    assert (tmp_path / "isthmus-queue.jsonl.state").exists()


def test_a_line_cut_off_and_a_line_gone_wrong(weather: Scripted, tmp_path: Path) -> None:
    queue = tmp_path / "q"
    with quick(weather, queue) as client:
        client.create(**SETUP)
        weather.otherwise = away
        client.report(**report(100))
    queue.write_bytes(queue.read_bytes() + b'\x00\xff not json\n{"n": 9, "report": {"position": 200, "dra')
    with quick(weather, queue) as client:
        assert client.queued == 1
        assert client.report(**report(300)).queued == 2
    with quick(weather, queue) as client:
        assert client.queued == 2
    assert "not readable" in (tmp_path / "q.refused").read_text()


def test_lines_behind_a_damaged_one_are_kept(weather: Scripted, tmp_path: Path) -> None:
    queue = tmp_path / "q"
    with quick(weather, queue) as client:
        client.create(**SETUP)
        weather.otherwise = away
        client.report(**report(100))
    line = queue.read_bytes()
    huge = line.replace(b'"position": 100', b'"position": 1e400').replace(b'"n": 1', b'"n": 2')
    assert huge != line
    queue.write_bytes(b"\x00 a return \r in a damaged line\n" + line + huge)
    with quick(weather, queue) as client:
        assert client.queued == 1
    assert len((tmp_path / "q.refused").read_text().splitlines()) == 2


KILLED = """
import sys
from service.client import AllocationClient
url, queue = sys.argv[1:]
client = AllocationClient(url, queue=queue, deadline=0.3)
client.create("run", ["a", "b"], 10_000, 100)
for position in range(100, 10_000, 100):
    client.report(position, {"a": position, "b": 0}, {"a": 1.0, "b": None})
    print(position, flush=True)
"""


def test_a_killed_process_loses_nothing_it_reported(weather: Scripted, tmp_path: Path) -> None:
    back, queue = weather.otherwise, tmp_path / "q"
    # The service takes reports now and then, so that the kill meets additions and strikings-off alike.
    weather.otherwise = lambda seen: (
        back(seen) if not seen.path.endswith("/reports") or len(weather.seen) % 7 < 3 else Said(503)
    )
    acknowledged = []
    for lines in (3, 8):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, weather.url, str(queue)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged += [int(process.stdout.readline()) for _ in range(lines)]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    weather.otherwise = back
    with quick(weather, queue) as client:
        client.create(**SETUP)
        if client.queued:
            client.flush()
        assert client.queued == 0
    assert set(acknowledged) <= set(positions(weather))
