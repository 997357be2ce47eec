"""A queue disk that is full, read-only or gone stops nothing: reports go out from memory, and back to disk later."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from service.client import AllocationClient, AsyncAllocationClient, MixtureCallback, QueueInUse, WrongSettings, outbox
from tests.service.client.scripted import Said, Scripted, Seen, answer
from tests.service.client.test_callback import moving, reports
from tests.service.client.test_queue import SETUP, away, positions, quick, report

pytestmark = pytest.mark.usefixtures("token")


class Broken:
    """A disk on which every write fails with `number`, as long as it is `on`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.on = True
        for name in ("append_lines", "replace_file", "cut"):
            self._break(monkeypatch, name, getattr(outbox, name), number)

    def _break(self, monkeypatch: pytest.MonkeyPatch, name: str, write: Any, number: int) -> None:
        def fail(path: Path, *given: Any) -> None:
            if self.on:
                raise OSError(number, os.strerror(number), str(path))
            write(path, *given)

        monkeypatch.setattr(outbox, name, fail)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT, errno.ESTALE])
def test_a_disk_that_fails_stops_nothing(
    weather: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    back, queue = weather.otherwise, tmp_path / "q.jsonl"
    with quick(weather, queue) as client:
        client.create(**SETUP)
        client.report(**report(100))
        disk = Broken(monkeypatch, number)
        assert not client.report(**report(200)).offline
        weather.otherwise = away
        assert [client.report(**report(position)).queued for position in (300, 400)] == [1, 2]
        assert not queue.read_bytes()
        (warning,) = [record.message for record in caplog.records]
        assert str(queue) in warning
        assert os.strerror(number) in warning
        assert "sent from memory" in warning
        disk.on = False
        client.report(**report(500))
        lines = [json.loads(line) for line in queue.read_text().splitlines()]
        assert [line["report"]["position"] for line in lines] == [300, 400, 500], "all that waits is on disk again"
        weather.otherwise = back
        assert client.flush().queued == 0
        assert not queue.read_bytes()
    assert list(dict.fromkeys(positions(weather))) == [100, 200, 300, 400, 500]


def test_a_disk_that_fails_from_the_start(
    weather: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    queue = tmp_path / "q.jsonl"
    with quick(weather, queue) as client:
        client.create(**SETUP)
        weather.otherwise, back = away, weather.otherwise
        client.report(**report(100))
    disk = Broken(monkeypatch, errno.EROFS)
    lock = outbox.FileLock

    def read_only(path: Path) -> Any:
        if disk.on:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return lock(path)

    monkeypatch.setattr(outbox, "FileLock", read_only)
    with quick(weather, queue) as client:
        client.create(**SETUP)
        assert client.report(**report(200)).queued == 1
        disk.on = False
        assert client.report(**report(300)).queued == 3, "what had waited in the file is there again"
        weather.otherwise = back
        client.flush()
    assert positions(weather)[-3:] == [100, 200, 300]
    assert "Read-only file system" in caplog.text


@pytest.mark.parametrize("gone", ["folder", "file"])
def test_what_is_deleted_in_mid_run_is_written_anew(
    weather: Scripted, tmp_path: Path, gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue = tmp_path / "deep" / "folder" / "q.jsonl"
    with quick(weather, queue) as client:
        client.create(**SETUP)
        weather.otherwise = away
        client.report(**report(100))
        shutil.rmtree(queue.parent) if gone == "folder" else queue.unlink()
        assert client.report(**report(200)).queued == 2
    assert f"the queue '{queue}' failed" in caplog.text
    with quick(weather, queue) as client:
        assert client.queued == 2


def test_the_asyncio_client_goes_on_as_well(weather: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async with AsyncAllocationClient(weather.url, queue=tmp_path / "q", deadline=0.4) as client:
            await client.create(**SETUP)
            Broken(monkeypatch, errno.ENOSPC)
            assert not (await client.report(**report(100))).offline

    asyncio.run(go())
    assert positions(weather) == [100]


def test_a_callback_goes_on_as_well(
    weather: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    weather.otherwise = moving
    client = AllocationClient(weather.url, queue=tmp_path / "q")
    with MixtureCallback("run", ["a", "b"], 1_000, 100, client=client, lag=0, strict=True) as mixture:
        mixture.start()
        Broken(monkeypatch, errno.ENOSPC)
        for _ in range(5):
            mixture.count("a", 100)
            mixture.report({"a": 1.0, "b": 2.0})
    assert [body["position"] for body in reports(weather)] == [100, 200, 300, 400, 500]
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def test_memory_is_bounded(
    weather: Scripted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox, "MOST_IN_MEMORY", 3)
    with AllocationClient(weather.url, queue=":memory:", deadline=0.2) as client:
        client.create(**SETUP)
        weather.otherwise = away
        for position in range(100, 700, 100):
            client.report(**report(position))
        assert client.queued == 3
        assert [entry.body["position"] for entry in client._outbox.waiting()] == [400, 500, 600]  # type: ignore[union-attr]
    assert "more than 3 reports wait in memory; the oldest are dropped" in caplog.text


@pytest.mark.parametrize("path", ["/dev/null/q.jsonl", "/dev/full", "x" * 300, "a\0b", __file__ + "/q"])
def test_a_path_that_can_be_no_file(weather: Scripted, path: str) -> None:
    with pytest.raises(WrongSettings, match="can be no file"):
        AllocationClient(weather.url, queue=path)


@pytest.mark.parametrize("state", ['{"create": {"na', "[]", "null", "\x00\x00"])
def test_a_damaged_state_is_kept_aside(
    weather: Scripted, tmp_path: Path, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    with quick(weather, tmp_path / "q") as client:
        client.create(**SETUP)
        weather.otherwise, back = away, weather.otherwise
        client.report(**report(100))
    (tmp_path / "q.state").write_text(state)
    weather.otherwise = back
    with quick(weather, tmp_path / "q") as client:
        client.create(**SETUP)
        assert client.flush().queued == 0
    assert positions(weather)[-1] == 100
    assert (tmp_path / "q.state.damaged").read_text() == state
    assert "is damaged" in caplog.text


def test_lines_that_are_no_reports_are_put_aside(
    weather: Scripted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ['{"n": 1, "report": {"position": 100}}', "[1]", '{"n": "x"}', '{"n": 3, "report": 5}', "", "\x00\x00"]
    good = json.dumps({"n": 2, "report": report(200)})
    (tmp_path / "q").write_text("\n".join([*lines[:3], good, *lines[3:], '{"done": 99}', '{"n": 7, "rep']))
    with quick(weather, tmp_path / "q") as client:
        assert [entry.body["position"] for entry in client._outbox.waiting()] == [200]  # type: ignore[union-attr]
    aside = [json.loads(line)["line"] for line in (tmp_path / "q.refused").read_text().splitlines()]
    assert aside == lines
    assert f"a line of the queue '{tmp_path / 'q'}' is not readable" in caplog.text


def test_what_had_waited_and_is_refused_is_said(
    weather: Scripted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    back = weather.otherwise
    with quick(weather, tmp_path / "q") as client:
        client.create(**SETUP)
        weather.otherwise = away
        for position in (100, 200):
            client.report(**report(position))
        weather.otherwise = lambda seen: (
            Said(422, {"detail": "draws of 'a' fell"}) if seen.body["position"] < 300 else back(seen)
        )
        assert client.report(**report(300)).position == 300
    (warning,) = [record.message for record in caplog.records]
    assert warning.startswith("2 report(s) were refused and steer nothing: draws of 'a' fell (HTTP 422)")
    assert str(tmp_path / "q.refused") in warning


def test_reports_of_another_project_are_not_sent(weather: Scripted, tmp_path: Path) -> None:
    with quick(weather, tmp_path / "q") as client:
        client.create(**SETUP)
        weather.otherwise = away
        client.report(**report(100))

    def another(seen: Seen) -> Said:
        return Said(201, {"id": "a-fedcba9876543210", "name": "run", **answer(0, {"a": 0.5, "b": 0.5})})

    weather.otherwise = another
    with quick(weather, tmp_path / "q") as client, pytest.raises(QueueInUse, match="1 reports for allocation a-0123"):
        client.create(**SETUP)
    assert positions(weather)[-1:] == [100]
    assert len({seen.path for seen in weather.seen if seen.path.endswith("/reports")}) == 1
