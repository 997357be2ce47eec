"""The journal keeps what it was given, in order, for one writer at a time."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.journal import (
    AllocationExists,
    Fenced,
    Journal,
    JournalDamaged,
    JournalError,
    NoSuchAllocation,
    Snapshot,
    Watermark,
)

SPEC = {"budget": 100, "interval": 10}


def ticking() -> Iterator[float]:
    return (1_700_000_000.0 + 0.1 * step for step in itertools.count())


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store' / 'journal.db'}"


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    clock = ticking()
    with Journal(url, clock=lambda: next(clock)) as journal:
        journal.create("run", SPEC)
        yield journal


def test_events_come_back_in_order_from_another_process_view(journal: Journal, url: str) -> None:
    epoch = journal.open("run")
    for position in (10, 20, 30):
        journal.append("run", "report", {"position": position, "x": None}, epoch=epoch, position=position)
    with Journal(url) as reader:
        events = reader.events("run", kinds=["report"])
        assert [event.position for event in events] == [10, 20, 30]
        assert events[0].body == {"position": 10, "x": None}
        assert [event.position for event in reader.events("run", after=events[0].id)] == [20, 30]
        assert reader.verify("run") == 4


def test_same_specification_twice_is_one_allocation_and_another_is_refused(journal: Journal) -> None:
    assert journal.create("run", dict(reversed(SPEC.items()))).id == journal.events("run")[0].id
    with pytest.raises(AllocationExists, match="'run' exists with another specification"):
        journal.create("run", SPEC | {"budget": 200})
    with pytest.raises(NoSuchAllocation, match="no allocation 'other'"):
        journal.open("other")


def test_what_may_happen_once_happens_once(journal: Journal) -> None:
    epoch = journal.open("run")
    first, fresh = journal.append("run", "decision", {"n": 1}, epoch=epoch, position=10, once="decision:10")
    again, repeated = journal.append("run", "decision", {"n": 2}, epoch=epoch, position=10, once="decision:10")
    assert (fresh, repeated) == (True, False)
    assert again == first


def test_newest_owner_fences_the_older_one(journal: Journal) -> None:
    older, newer = journal.open("run"), journal.open("run")
    journal.append("run", "report", {}, epoch=newer, position=10)
    with pytest.raises(Fenced, match="taken over by a newer owner"):
        journal.append("run", "report", {}, epoch=older, position=20)
    with pytest.raises(Fenced):
        journal.save_snapshot("run", Snapshot(1, 10, {}), epoch=older)


def test_rewind_keeps_later_events_inactive_and_frees_their_positions(journal: Journal) -> None:
    epoch = journal.open("run")
    for position in (10, 20):
        journal.append("run", "decision", {"try": 0}, epoch=epoch, position=position, once=f"decision:{position}")
        journal.save_snapshot("run", Snapshot(position, position, {"at": position}), epoch=epoch)
    journal.rewind("run", 10, epoch=epoch, why="older checkpoint")
    assert journal.find("run", "decision:20") is None
    event, fresh = journal.append("run", "decision", {"try": 1}, epoch=epoch, position=20, once="decision:20")
    assert (event.attempt, fresh) == (1, True)
    kept = [(e.position, e.active, e.attempt) for e in journal.events("run", kinds=["decision"])]
    assert kept == [(10, True, 0), (20, False, 0), (20, True, 1)]
    assert journal.snapshot("run") == {"at": 10}
    assert journal.verify("run") == 5


def test_a_changed_or_removed_event_is_noticed(journal: Journal, url: str) -> None:
    epoch = journal.open("run")
    journal.append("run", "report", {"loss": 1.0}, epoch=epoch, position=10)
    journal.append("run", "report", {"loss": 0.9}, epoch=epoch, position=20)
    path = url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    connection.execute("update events set body = replace(body, '1.0', '1.1')")
    connection.commit()
    with pytest.raises(JournalDamaged, match="event 2 of 'run'"):
        journal.verify("run")
    connection.execute("update events set body = replace(body, '1.1', '1.0')")
    connection.execute("delete from events where id = 3")
    connection.commit()
    connection.close()
    with pytest.raises(JournalDamaged, match="missing at the end"):
        journal.verify("run")


def test_threads_append_without_losing_or_forking_the_chain(journal: Journal) -> None:
    epoch = journal.open("run")

    def write(worker: int) -> None:
        for step in range(10):
            journal.append("run", "note", {"worker": worker, "step": step}, epoch=epoch)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.verify("run") == 41


def test_snapshots_are_few_and_the_newest_wins(journal: Journal) -> None:
    epoch = journal.open("run")
    assert journal.snapshot("run") is None
    for position in range(10):
        journal.save_snapshot("run", Snapshot(position, position, {"n": position}), epoch=epoch)
    latest = journal.latest_snapshot("run")
    assert latest is not None
    assert (latest.event, latest.state) == (9, {"n": 9})


def test_watermark_begins_at_zero_and_moves(journal: Journal) -> None:
    assert journal.watermark("mlflow", "run") == Watermark(0, {})
    journal.set_watermark("mlflow", "run", Watermark(7, {"run_id": "a"}))
    journal.set_watermark("mlflow", "run", Watermark(9, {"run_id": "a"}))
    assert journal.watermark("mlflow", "run") == Watermark(9, {"run_id": "a"})


def test_writes_are_on_disk_before_they_return(journal: Journal) -> None:
    with journal._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "delete"


def test_store_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(f"sqlite:///{tmp_path}/file/journal.db")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal("no url at all")


def test_full_disk_is_one_sentence_and_leaves_the_chain_whole(journal: Journal) -> None:
    epoch = journal.open("run")
    with journal._engine.connect() as connection:  # the pool hands the same connection out again
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(JournalError, match="could not be written: database or disk is full"):
        journal.append("run", "report", {"text": "x" * 100_000}, epoch=epoch)
    journal.append("run", "report", {"text": "small"}, epoch=epoch)
    assert journal.verify("run") == 2
