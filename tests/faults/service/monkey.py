"""Strikes at seeded instants while the load is on, and watches clients come back after each."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Sequence

from tests.faults.service.load import Load

CALM_SECONDS = (0.05, 2.0)  # after the load was seen to flow again, until the next strike
PATIENCE_SECONDS = 300.0


@dataclasses.dataclass
class Strike:
    """One kill. after: seconds of load before it; at: reports acknowledged by then; back: seconds until the next."""

    kind: str
    after: float
    at: int = 0
    pids: tuple[int, ...] = ()
    back: float | None = None


def plan(kinds: Sequence[str], seed: int) -> list[Strike]:
    """A strike of each of `kinds`, in seeded order, at seeded instants."""
    source = random.Random(seed)
    return [Strike(kind, source.uniform(*CALM_SECONDS)) for kind in source.sample(list(kinds), len(kinds))]


def strike_all(strikes: Sequence[Strike], load: Load, kill: Callable[[str], list[int]]) -> None:
    """`kill(kind)` strikes and returns the processes that died; it may mend, too, what nobody else would."""
    for strike in strikes:
        _wait_for_more(load, load.acknowledged(), f"before {strike.kind}")
        time.sleep(strike.after)
        struck = time.monotonic()
        strike.pids = tuple(kill(strike.kind))
        assert strike.pids, f"there was nothing to kill for '{strike.kind}'"
        strike.at = load.acknowledged()
        _wait_for_more(load, strike.at, f"after {strike.kind}")
        strike.back = time.monotonic() - struck


def _wait_for_more(load: Load, than: int, when: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while load.acknowledged() <= than:
        load.check()
        assert time.monotonic() < until, f"no report was acknowledged within {PATIENCE_SECONDS:.0f} s {when}"
        time.sleep(0.02)
