"""Large bodies take little room, come back to the last digit, and old rows are read as they were written."""

from __future__ import annotations

import json
import math
import random
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policies import LossReport, make_world
from policies.laws.compact import compact, expanded
from service.journal import Journal, Snapshot
from service.journal.event import canonical, chain
from service.journal.packing import LEAST_NUMBERS, pack, unpack
from service.owner import Owner, Spec

SPEC = {"budget": 100, "interval": 10}
WORDS = {'a "1.5" b': None, "1e5": [True, False, 3, -7, 10**20], "é\n\u2028": {"x.5": "0.0, 2.5"}}


def table(count: int, seed: int = 0) -> dict[str, float]:
    rng = random.Random(seed)
    values = [
        5e-324,
        -0.0,
        0.0,
        1e308,
        -1e-300,
        1e16,
        123456789.0,
        0.1,
        math.pi,
        *(rng.gauss(0, 1) for _ in range(count)),
    ]
    return {f"d{index}": value for index, value in enumerate(values)}


@pytest.mark.parametrize("count", [LEAST_NUMBERS, 3_000])
def test_a_packed_body_comes_back_to_the_last_digit(count: int) -> None:
    text = canonical({**WORDS, "numbers": table(count), "rows": [[0.5, 1, "0.25"]], "pad": "x" * 5_000})
    packed = pack(text)
    assert packed is not None
    assert len(packed) < 0.6 * len(text)
    assert canonical(unpack(packed)) == text


@pytest.mark.parametrize("body", [{}, {"text": "1.5 " * 10_000}, {"n": list(range(10_000))}, table(10)])
def test_what_is_small_or_no_table_of_numbers_stays_text(body: dict[str, Any]) -> None:
    assert pack(canonical(body)) is None


def test_a_format_of_a_newer_version_is_named() -> None:
    with pytest.raises(ValueError, match="format 9, which this version of Isthmus does not know"):
        unpack(b"\x09" + bytes(8))


def test_events_and_snapshots_read_as_if_they_were_text(store_url: str) -> None:
    large, small = {"law": table(2_000)}, {"law": {"a": 0.5}}
    with Journal(store_url) as journal:
        journal.create("run", SPEC)
        epoch = journal.open("run")
        for number, body in enumerate((large, small)):
            event, _ = journal.append(
                "run", "note", body, epoch=epoch, once=f"n{number}", snapshot=Snapshot(1, 0, body)
            )
            assert canonical(event.body) == canonical(body)
            assert canonical(journal.snapshot("run") or {}) == canonical(body)
            assert journal.find("run", f"n{number}") == event
        assert [dict(event.body) for event in journal.events("run", kinds=["note"])] == [large, small]
        assert journal.verify("run") == 3


def test_a_row_from_before_beside_a_packed_one_keeps_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with Journal(f"sqlite:///{path}") as journal:
        journal.create("run", SPEC)
        epoch, head = journal.open("run"), journal.head("run")
        old = canonical({"law": table(2_000, seed=1)})
        digest = chain(head, "note", 0, 5, old, 2.5)
        connection = sqlite3.connect(path)
        connection.execute(
            "insert into events (allocation, attempt, active, kind, position, body, at, digest) "
            "values ('run', 0, 1, 'note', 5, ?, 2.5, ?)", (old, digest),
        )  # fmt: skip
        connection.execute("update allocations set head = ?", (digest,))
        connection.execute("insert into snapshots (allocation, event, position, state) values ('run', 2, 5, ?)", (old,))
        connection.commit()
        assert canonical(journal.snapshot("run") or {}) == old
        journal.append("run", "note", {"law": table(2_000)}, epoch=epoch)
        assert journal.verify("run") == 3
        sizes = connection.execute("select length(body), length(packed) from events where kind = 'note'").fetchall()
        connection.execute("update events set packed = ? where packed is not null", (pack(old),))
        connection.commit()
        connection.close()
        assert sizes[0] == (len(old), None)
        assert sizes[1][0] == 0
        with pytest.raises(Exception, match="event 3 of 'run' does not match its digest"):
            journal.verify("run")


def test_of_large_dumps_only_the_newest_takes_room(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with Journal(f"sqlite:///{path}") as journal:
        journal.create("run", SPEC)
        epoch = journal.open("run")
        sizes = []
        for number in range(4):
            state = {"n": number, "law": table(40_000, seed=number)}
            journal.save_snapshot("run", Snapshot(number, number, state), epoch=epoch)
            sizes.append(path.stat().st_size)
        assert journal.latest_snapshot("run") == Snapshot(3, 3, state)
        assert sizes[-1] <= 1.05 * sizes[0]
        for number in range(4, 8):
            journal.save_snapshot("run", Snapshot(number, number, {"n": number}), epoch=epoch)
        journal.rewind("run", 5, epoch=epoch)
        assert journal.snapshot("run") == {"n": 5}


def test_a_rounded_covariance_gives_the_same_intervals() -> None:
    """Also along directions in which parameters nearly cancel: rounding the covariance itself would lose those."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(4, 40, 12)) * np.geomspace(1, 1e-3, 12)
    covariance = np.linalg.inv(np.einsum("mnp,mnq->mpq", rows, rows) / 0.005**2 + np.eye(12))
    body = compact(covariance)
    assert body is not None
    copy = expanded(json.loads(json.dumps(body)), 4, 12)
    for slopes in (np.eye(12), rows[0], rng.normal(size=(50, 12))):
        exact = np.sqrt(np.einsum("np,mpq,nq->mn", slopes, covariance, slopes))
        rounded = np.sqrt(np.einsum("np,mpq,nq->mn", slopes, copy, slopes))
        assert np.abs(rounded - exact).max() < 1e-3 * exact.max()
        assert np.abs(rounded / exact - 1).max() < 0.01
    assert compact(-covariance) is None


def test_a_report_of_sixty_domains_costs_less_than_a_tenth_of_a_megabyte(tmp_path: Path) -> None:
    """Rows of a report and its decision as they lie in the file, and the one dump; replayed, all is bit-equal."""
    world = make_world("hubs", 60, seed=0, noise=0.003)
    path, interval = tmp_path / "j.db", world.budget // 50
    spec = Spec(domains=world.domains, budget=world.budget, interval=interval, policy="transfer_law")
    with Journal(f"sqlite:///{path}") as journal:
        journal.create("run", spec.to_dict())
        owner = Owner(journal, "run")
        decision, given = owner.start(), []
        for _ in range(6):
            body = world.advance(decision.weights, interval).to_dict() | {"grad_dot": None}
            decision = owner.decide(LossReport.from_dict(json.loads(json.dumps(body))))
            given.append(decision)
        assert decision.law is not None
        assert len(decision.law.transfer) == 60
        events = journal.events("run", kinds=["decision", "report"])
        text = max(len(canonical(event.body)) for event in events)
        connection = sqlite3.connect(path)
        size = "select max(length(body) + coalesce(length(packed), 0)) from events where kind = ?"
        rows = {kind: connection.execute(size, (kind,)).fetchone()[0] for kind in ("report", "decision")}
        dumps = connection.execute("select count(*), sum(length(state) + length(packed)) from snapshots").fetchone()
        connection.close()
        assert text > 350_000, "as text"
        assert rows["report"] < 6_000
        assert rows["decision"] < 45_000
        assert dumps[0] == 1
        assert dumps[1] < 1_000_000, "3 MB as text for each of three dumps"
        assert path.stat().st_size < 6 * 60_000 + 1_200_000
        assert Owner(journal, "run")._student.policy.dump() == owner._student.policy.dump()
        assert [
            Owner(journal, "run").decide(r).to_dict() for r in (_report(e) for e in events if e.kind == "report")
        ] == [{**one.to_dict(), "replayed": True} for one in given]
        assert journal.verify("run") == 14


def _report(event: Any) -> LossReport:
    return LossReport.from_dict(event.body)
