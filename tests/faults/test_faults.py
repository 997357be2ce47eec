"""SIGKILL at seeded instants; afterwards nothing may tell the run from one that was left in peace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.compare import Account, differences
from tests.faults.instants import Kill, spread, targeted
from tests.faults.monkey import Monkey
from tests.faults.world import INTERVALS, write_config, write_world

pytestmark = [pytest.mark.slow, pytest.mark.ray]

PLANS = {
    "drivers": lambda: [
        Kill("driver", 0, "config written"),
        Kill("driver", 0, "first decision"),
        *spread([("driver", ""), ("all", ""), ("all", "checkpoint being written")], seed=13),
        Kill("all", 0, "finished"),
    ],
    "outside": lambda: spread([("worker", "")] * 4 + [("owner", "")] * 4, seed=11),
    "points": lambda: targeted(seed=12),
}


class Table:
    """What was planned, what happened, and what differed."""

    def __init__(self) -> None:
        self.kills: list[tuple[str, Kill]] = []
        self.notes: list[str] = []

    def __str__(self) -> str:
        layout = "{:<8} {:<7} {:<26} {:>8} {:>9} {:>9} {:>10}"
        rows = ["", layout.format("run", "kind", "instant", "planned", "killed at", "processes", "back after")]
        for run, kill in self.kills:
            back = "never" if kill.resumed is None else f"{kill.resumed:.0f} s"
            at = f"{kill.at:,}{'*' if kill.half_written else ''}" if kill.hit else "not hit"
            planned = f"{kill.planned:,}" if kill.planned else "-"
            rows.append(layout.format(run, kill.kind, kill.instant, planned, at, len(kill.pids), back))
        rows.append("* left a checkpoint half-written")
        return "\n".join([*rows, "", *self._counts(), "", *self.notes])

    def _counts(self) -> list[str]:
        rows = [f"{'kind':<7} {'planned':>8} {'hit':>5} {'resumed':>8}"]
        for kind in ("worker", "owner", "driver", "all", ""):
            kills = [kill for _, kill in self.kills if kind in ("", kill.kind)]
            hit, back = sum(k.hit for k in kills), sum(k.resumed is not None for k in kills)
            rows.append(f"{kind or 'sum':<7} {len(kills):>8} {hit:>5} {back:>8}")
        return rows


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    table = Table()
    yield table
    print(table)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    write_world(folder)
    return folder


@pytest.fixture(scope="module")
def calm(world: Path, table: Table) -> Account:
    """The run that was left in peace."""
    seconds = Monkey(write_config(world, "calm"), []).run()
    account = Account(world / "runs" / "calm")
    assert len(account.of("decision")) == INTERVALS + 1
    assert account.mixtures() >= 6, "too few different mixtures to notice one that was lost"
    assert account.repeated() == 0
    table.notes.append(f"calm: {seconds:.0f} s, {account.mixtures()} mixtures, {len(account.draws):,} draws")
    return account


@pytest.mark.parametrize("name", PLANS)
def test_kills_leave_no_trace(name: str, world: Path, calm: Account, table: Table) -> None:
    kills = PLANS[name]()
    table.kills += [(name, kill) for kill in kills]
    began = time.monotonic()
    Monkey(write_config(world, name), kills).run()
    killed = Account(world / "runs" / name)
    found = differences(calm, killed)
    counts = ", ".join(f"{what} {len(lines)}" for what, lines in found.items())
    table.notes.append(
        f"{name}: {time.monotonic() - began:.0f} s, {killed.repeated():,} draws traced twice, "
        f"owner opened {killed.epochs} times, {killed.verified} events in an unbroken chain; differences: {counts}"
    )
    assert not any(found.values()), "\n".join(f"{what}: {line}" for what, lines in found.items() for line in lines[:5])
    assert all(kill.hit and kill.resumed is not None for kill in kills)
    owners = [k for k in kills if k.kind != "worker" and k.point not in ("config written", "finished")]
    assert killed.epochs >= calm.epochs + len(owners), "an owner that was killed was not made again"
