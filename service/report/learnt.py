"""What a run taught us, as records."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping

from policies.allocation.value import HUB, HUB_RATIO
from policies.records import Decision, Interval, LawSummary
from service.journal import Journal
from service.report.measured import Measured, measure, other_run
from service.story import Story, read_story, run_gain

DOUBTED = "kept: law not identified"
ISLAND_LEVEL = 0.2  # an island gets less than this part of an own draw out of a foreign one, on average


@dataclasses.dataclass(frozen=True)
class Transfer:
    """What a draw from `source` is worth to `to`, in own draws of `to`."""

    to: str
    source: str
    worth: Interval
    identified: bool


@dataclasses.dataclass(frozen=True)
class Role:
    """How much a domain gives (hub) or receives (island); `sure` where the interval alone says so."""

    name: str
    score: Interval
    sure: bool


@dataclasses.dataclass(frozen=True)
class Final:
    """The last measured loss of a target, and what a refit half way through had predicted for the end.

    `reached` is NaN where the target was never measured; `predicted` is None without a law.
    """

    target: str
    reached: float
    predicted: Interval | None
    predicted_at: int | None

    @property
    def inside(self) -> bool | None:
        """Whether the reached loss lies in the predicted interval; None where one is missing."""
        if self.predicted is None or not all(map(math.isfinite, (self.reached, self.predicted.low))):
            return None
        return self.predicted.low <= self.reached <= self.predicted.high


@dataclasses.dataclass(frozen=True)
class Learnt:
    """All that can be said about a run in a dozen lines.

    `reasons` counts the decisions by reason code; `gain` is predicted, `measured` needs a second run.
    `doubt` is why the policy did not trust its last law, empty where it did.
    """

    name: str
    policy: str
    objective: str
    position: int
    budget: int
    baseline: str
    refits: int
    changes: int
    reasons: Mapping[str, int]
    exponents: Mapping[str, Interval]
    floors: Mapping[str, Interval]
    transfers: tuple[Transfer, ...]
    hubs: tuple[Role, ...]
    islands: tuple[Role, ...]
    finals: tuple[Final, ...]
    gain: Interval | None
    measured: Measured | None
    doubt: str = ""

    @property
    def strongest(self) -> tuple[Transfer, ...]:
        """Identified transfers between different domains, the strongest first."""
        return tuple(t for t in self.transfers if t.identified)

    @property
    def unidentified(self) -> tuple[Transfer, ...]:
        return tuple(t for t in self.transfers if not t.identified)

    @property
    def kept(self) -> dict[str, int]:
        """How often the mixture was kept, by reason."""
        return {reason: n for reason, n in self.reasons.items() if reason.startswith(("kept", "hold", "burn-in"))}

    def lines(self) -> list[str]:
        """The summary a terminal shows at the end of a run."""
        from service.report.told import lines

        return lines(self)


def learnt(journal: Journal, allocation: str, *, compare: str | None = None) -> Learnt:
    """What the run `allocation` taught; `compare` names a run with another policy to measure the gain against.

    Raises `BadSetup` when the journal knows no such run.
    """
    story = read_story(journal, allocation)
    other = other_run(journal, story, compare)
    return learnt_from(story, None if other is None else measure(story, other))


def learnt_from(story: Story, measured: Measured | None = None) -> Learnt:
    """The same from a story that was already read."""
    law = story.last_law
    return Learnt(
        name=story.name,
        policy=story.policy,
        objective=story.objective,
        position=story.reached,
        budget=story.budget,
        baseline=story.baseline_word,
        refits=len(story.refits),
        changes=len(story.changes()),
        reasons=dict(Counter(d.reason for d in story.refits)),
        exponents=dict(law.exponents) if law else {},
        floors=dict(law.floors) if law else {},
        transfers=transfers(law) if law else (),
        hubs=hubs(law) if law else (),
        islands=islands(law) if law else (),
        finals=finals(story),
        gain=run_gain(story),
        measured=measured,
        doubt=doubt(story),
    )


def doubt(story: Story) -> str:
    """What the policy held against the last law it fitted; empty where it let it lead."""
    fitted = [d for d in story.decisions if d.law is not None and d.position < story.budget]
    return fitted[-1].detail if fitted and fitted[-1].reason == DOUBTED else ""


def transfers(law: LawSummary) -> tuple[Transfer, ...]:
    """Every transfer between two different names, the strongest first."""
    found = [
        Transfer(to, source, worth, bool(law.identified.get(to, {}).get(source, False)))
        for to, row in law.transfer.items()
        for source, worth in row.items()
        if source != to and math.isfinite(worth.mean)
    ]
    return tuple(sorted(found, key=lambda t: -t.worth.mean))


def hubs(law: LawSummary) -> tuple[Role, ...]:
    """Domains whose draws give to others at least half of what a draw is worth on average, and more than most do.

    Sure where the low end of the hub score passes both tests. What a domain gives in all may be known where
    no single transfer is; where neither is, nothing is said.
    """
    scores = {n: s for n, s in law.hub_score.items() if math.isfinite(s.mean)}
    if len(scores) < 2:
        return ()
    bar = max(HUB, HUB_RATIO * _mean([s.mean for s in scores.values()]))
    found = []
    for name, score in scores.items():
        known = score.low >= HUB or any(row.get(name, False) for to, row in law.identified.items() if to != name)
        if known and score.mean >= bar:
            found.append(Role(name, score, score.low >= bar))
    return tuple(sorted(found, key=lambda r: -r.score.mean))


def islands(law: LawSummary) -> tuple[Role, ...]:
    """Targets that foreign draws hardly help: on average less than a fifth of an own draw. A hub is none.

    Sure where the high end of that average is below a fifth. A row that only the prior filled
    says nothing and is left out.
    """
    found = []
    giving = {hub.name for hub in hubs(law)}
    for name in law.transfer:
        if name in giving:
            continue
        score = received(law, name)
        known = any(ok for source, ok in law.identified.get(name, {}).items() if source != name)
        if known and score is not None and score.mean < ISLAND_LEVEL:
            found.append(Role(name, score, score.high < ISLAND_LEVEL))
    return tuple(sorted(found, key=lambda r: r.score.mean))


def received(law: LawSummary, name: str) -> Interval | None:
    """Mean worth to `name` of a draw from another domain; ends combined as if the errors were independent."""
    row = [worth for source, worth in law.transfer.get(name, {}).items() if source != name]
    row = [worth for worth in row if math.isfinite(worth.mean)]
    if not row:
        return None
    mean = _mean([worth.mean for worth in row])
    below = math.sqrt(math.fsum((w.mean - w.low) ** 2 for w in row)) / len(row)
    above = math.sqrt(math.fsum((w.high - w.mean) ** 2 for w in row)) / len(row)
    return Interval(mean, max(0.0, mean - below), mean + above)


def finals(story: Story) -> tuple[Final, ...]:
    """Last measured loss against the end as predicted half way through.

    A prediction made just before the end would be no feat. Where no refit predicted by half way,
    the first that did is taken; a run that is not at its end shows its newest prediction.
    """
    said = predicted_ends(story)
    early = [d for d in said if d.position <= story.budget / 2]
    source = None
    if said:
        source = said[-1] if not story.finished else early[-1] if early else said[0]
    predicted = dict(source.predicted or {}) if source else {}
    return tuple(
        Final(target, loss, predicted.get(target), source.position if source and target in predicted else None)
        for target, loss in story.final_losses.items()
    )


def predicted_ends(story: Story) -> tuple[Decision, ...]:
    """The decisions that predicted the end before it was reached; not a probe's, whose mixture nobody keeps."""
    return tuple(d for d in story.decisions if d.predicted and d.position < story.budget and not d.probes)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
