"""When to kill what: a seeded plan, and what became of each kill."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

from tests.faults.world import BUDGET, INTERVAL

# Where training or the owner kills itself, and who dies there.
POINTS = {
    "journal.report": "owner",
    "journal.decision": "owner",
    "report.sent": "worker",
    "decision.before_apply": "worker",
    "stage.change": "worker",
    "checkpoint.before_rename": "worker",
    "checkpoint.written": "worker",
}


@dataclasses.dataclass
class Kill:
    """One kill, planned and, where `pids` are there, done.

    kind: worker, owner, driver or all. point: where the victim kills itself, or what a driver is
    caught at; empty for a kill at a draw. planned: the draw from which on it may happen.
    at: the draw it happened at; half_written: it left a checkpoint without a name; resumed: seconds
    until the run was beyond that draw again.
    """

    kind: str
    planned: int
    point: str = ""
    seed: int = 0
    pids: tuple[int, ...] = ()
    at: int = -1
    half_written: bool = False
    resumed: float | None = None

    @property
    def hit(self) -> bool:
        return bool(self.pids)

    @property
    def instant(self) -> str:
        return self.point or f"draw {self.planned:,}"


def spread(kinds: Sequence[tuple[str, str]], seed: int) -> list[Kill]:
    """Kills (kind, point) in seeded order, over the run but for its last two intervals."""
    source = random.Random(seed)
    order, last = source.sample(list(kinds), len(kinds)), BUDGET - 2 * INTERVAL
    width = last / len(order)
    planned = [int(i * width + source.uniform(0.1, 0.9) * width) for i in range(len(order))]
    return [Kill(k, at, point, source.randrange(2**16)) for (k, point), at in zip(order, planned, strict=True)]


def targeted(seed: int) -> list[Kill]:
    """Each point once, and again those where an answer, a checkpoint or a stage hangs in the balance."""
    twice = ("journal.report", "journal.decision", "stage.change")
    return spread([(POINTS[point], point) for point in [*POINTS, *twice]], seed)
