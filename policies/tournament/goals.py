"""What was asked of `transfer_law` before any tournament was run, and whether a table shows it."""

from __future__ import annotations

import dataclasses
import math

from policies.tournament.table import OURS, Table

PLAIN = ("islands", "hubs", "small_pools")
WELL_SPECIFIED = ("flat", "islands", "hubs", "one_way_hubs", "small_pools")
NOISY = 0.01
CLOSED, CLOSED_PROPORTIONAL, CLOSED_OVERALL = 0.90, 0.97, 0.75
HARM_RATE, WORST_MEAN = 0.02, 0.01
COVERED, COVERED_ELSEWHERE, WIDTH = (0.85, 0.95), 0.75, 4.0
R2, OF_OWN_ERROR = 0.9, 0.5


@dataclasses.dataclass(frozen=True)
class Goal:
    """What is asked, what was found (both in words), and whether it was reached."""

    asked: str
    found: str
    reached: bool


def goals(table: Table, ours: str = OURS) -> tuple[Goal, ...]:
    """Those that this table can answer; one line each, also for those that are missed."""
    if ours not in table.policies:
        return ()
    parts = (_closed(table, ours), _rivals(table, ours), _harm(table, ours), _calibration(table, ours))
    return tuple(goal for part in (*parts, _laws(table, ours)) for goal in part)


def _closed(table: Table, ours: str) -> list[Goal]:
    found = []
    for world in PLAIN:
        row = table.row(ours, world, noise=NOISY)
        if row is None:
            continue
        said = f"{row.closed.mean:.3f} and {row.closed_proportional.mean:.3f}"
        good = row.closed.mean >= CLOSED and row.closed_proportional.mean >= CLOSED_PROPORTIONAL
        asked = (
            f"{world} at 1 % noise: closes {CLOSED:g} of the gap from uniform "
            f"and {CLOSED_PROPORTIONAL:g} from proportional"
        )
        found.append(Goal(asked, said, good))
    over = table.over(ours)
    if over is not None and math.isfinite(over.closed.mean):
        asked = f"all worlds with a gap, each once and capped at 1: closes {CLOSED_OVERALL:g}"
        found.append(Goal(asked, f"{over.closed.mean:.3f}", over.closed.mean >= CLOSED_OVERALL))
    return found


def _rivals(table: Table, ours: str) -> list[Goal]:
    found = []
    rivals = [o for o in table.overall if o.noise is None and o.advantage is not None]
    own = next((o.by_world.get("hubs") for o in rivals if o.policy == "own_law"), None)
    if own is not None:
        said = f"{-own.mean:+.4f} [{-own.high:+.4f}, {-own.low:+.4f}]"
        found.append(Goal("beats own_law on hubs with a 95 % interval above 0", said, own.high < 0))
    if rivals:
        ahead = [o.policy for o in rivals if o.advantage is not None and o.advantage.low > 0]
        asked = "no rival has a paired advantage over all worlds whose 95 % interval lies above 0"
        found.append(Goal(asked, ", ".join(ahead) or "none has", not ahead))
    return found


def _harm(table: Table, ours: str) -> list[Goal]:
    rows = {world: row for world in table.worlds if (row := table.row(ours, world)) is not None}
    often = [world for world, row in rows.items() if row.harm.low > HARM_RATE]
    badly = [world for world, row in rows.items() if row.worst5 >= WORST_MEAN]
    rate = "in every world the lower bound of the rate of harm is at most 2 %"
    mean = "in every world the worst 5 % of runs lose less than 0.01 on average"
    return [
        Goal(rate, "not in " + ", ".join(often) if often else "so in every world", not often),
        Goal(mean, "not in " + ", ".join(badly) if badly else "so in every world", not badly),
    ]


def _calibration(table: Table, ours: str) -> list[Goal]:
    known = {w: row.calibration for w in table.worlds if (row := table.row(ours, w)) and row.calibration}
    plain = {w: c.coverage.mean for w, c in known.items() if w in WELL_SPECIFIED}
    other = {w: c.coverage.mean for w, c in known.items() if w not in WELL_SPECIFIED}
    wide = [w for w, c in known.items() if not c.ratio <= WIDTH]
    found = []
    if plain:
        missed = [f"{w} {part:.0%}" for w, part in plain.items() if not COVERED[0] <= part <= COVERED[1]]
        asked = "90 % intervals of the plan at 30 % cover 85 to 95 % in worlds of the law's own form"
        found.append(Goal(asked, ", ".join(missed) or "so in all", not missed))
    if other:
        missed = [f"{w} {part:.0%}" for w, part in other.items() if part < COVERED_ELSEWHERE]
        found.append(Goal("and at least 75 % in the others", ", ".join(missed) or "so in all", not missed))
    if known:
        asked = "their median width is at most 4 times the median absolute error"
        found.append(Goal(asked, "not in " + ", ".join(wide) if wide else "so in all", not wide))
    return found


def _laws(table: Table, ours: str) -> list[Goal]:
    rows = table.laws.get(ours, ())
    if not rows:
        return []
    every = rows[0]
    return [
        Goal("change of loss to 2 to 16 times the draws: R2 within a domain 0.9 in the median", f"{every.r2:.3f}",
             every.r2 >= R2),
        Goal("its error is under half that of own power laws carried forward", f"{every.ratio:.2f} of it",
             every.ratio < OF_OWN_ERROR),
    ]  # fmt: skip
