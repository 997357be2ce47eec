"""The gain that was measured: two runs of the same budget, one with the policy and one without."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from policies.records import Interval, LossReport
from service.journal import Journal
from service.story import Story, read_story

Z_90 = 1.6449


@dataclasses.dataclass(frozen=True)
class Measured:
    """What this run reached against what another policy reached.

    `gain` is the other run's mean log loss minus this run's (positive: this run ended lower). Its
    90 % interval holds the noise of the held-out evaluation only, not the spread between seeds.
    """

    other: str
    policy: str
    position: int
    gain: Interval
    losses: Mapping[str, tuple[float, float]]


def other_run(journal: Journal, story: Story, compare: str | None = None) -> Story | None:
    """The story of the comparison run: the one named, else the one the journal names, else None."""
    noted = [note.body.get("allocation") for note in story.kind("compare")]
    name = compare or next((n for n in reversed(noted) if n), None)
    return None if name is None else read_story(journal, str(name))


def measure(story: Story, other: Story) -> Measured | None:
    """The measured gain at the last position both runs reported with every target measured, or None."""
    mine, theirs = _complete(story), _complete(other)
    shared = sorted(set(mine) & set(theirs))
    if not shared:
        return None
    a, b = mine[shared[-1]], theirs[shared[-1]]
    total = math.fsum(story.targets.values())
    weights = {target: weight / total for target, weight in story.targets.items()}
    mean = math.fsum(w * (math.log(b.eval_loss[t]) - math.log(a.eval_loss[t])) for t, w in weights.items())
    spread = Z_90 * math.hypot(_log_error(a, weights), _log_error(b, weights))
    losses = {t: (a.eval_loss[t], b.eval_loss[t]) for t in story.targets}
    return Measured(other.name, other.policy, shared[-1], Interval(mean, mean - spread, mean + spread), losses)


def _complete(story: Story) -> dict[int, LossReport]:
    return {
        report.position: report
        for report in story.reports
        if all(not math.isnan(report.eval_loss.get(target, math.nan)) for target in story.targets)
    }


def _log_error(report: LossReport, weights: Mapping[str, float]) -> float:
    """Standard error of the weighted mean log loss; targets without one count as exact."""
    sem = report.eval_sem or {}
    parts = [w * sem.get(t, math.nan) / report.eval_loss[t] for t, w in weights.items()]
    return math.sqrt(math.fsum(p * p for p in parts if not math.isnan(p)))
