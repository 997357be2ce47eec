"""What a run taught us, as records and as a few plain lines for the terminal."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping

from policies.records import Decision, Interval, LawSummary
from service.journal import Journal
from service.report.measured import Measured, measure, other_run
from service.story import Story, read_story, run_gain, words

HUB_LEVEL = 0.5  # a hub gives to others at least half of what a draw is worth on average ...
HUB_RATIO = 1.25  # ... and this many times what all domains give away on average
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
        return _lines(self)


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
    bar = max(HUB_LEVEL, HUB_RATIO * _mean([s.mean for s in scores.values()]))
    found = []
    for name, score in scores.items():
        known = score.low >= HUB_LEVEL or any(row.get(name, False) for to, row in law.identified.items() if to != name)
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
    """The decisions that predicted the end before it was reached."""
    return tuple(d for d in story.decisions if d.predicted and d.position < story.budget)


def predicted_gain(found: Learnt) -> str:
    """The predicted gain with its interval, and whether it is more than noise."""
    if found.gain is None or not math.isfinite(found.gain.mean):
        return "none was predicted"
    if words.no_gain(found.gain):
        return f"none, as the run drew like {found.baseline}"
    if found.doubt:
        return f"{words.gain_words(found.gain, found.objective)}, by a law that is doubted: not to be relied on"
    said = words.gain_words(found.gain, found.objective)
    return said if found.gain.low > 0 else f"{said}; the interval holds zero, so a gain is not certain"


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _lines(found: Learnt) -> list[str]:
    return [
        *_outcome_lines(found),
        *_law_lines(found),
        *_final_lines(found),
        *_gain_lines(found),
    ]


def _outcome_lines(found: Learnt) -> list[str]:
    done = "finished" if found.position >= found.budget else "stands"
    lines = [
        f"{found.name}: {done} at {words.count(found.position)} of {words.count(found.budget)} draws, policy "
        f"{found.policy}, {words.plural(found.refits, 'refit')}, mixture changed {words.plural(found.changes, 'time')}"
    ]
    kept = [f"{reason} ({number}x)" for reason, number in found.kept.items()]
    return [*lines, f"  mixture not moved: {'; '.join(kept)}"] if kept else lines


def _law_lines(found: Learnt) -> list[str]:
    if not found.exponents and not found.transfers:
        return ["  no law was fitted, so nothing is said about exponents or transfer"]
    lines = [f"  THE LAW IS DOUBTED, its numbers are best guesses: {found.doubt}"] if found.doubt else []
    lines.append("  exponents: " + "; ".join(f"{n} {words.interval(v, 2)}" for n, v in found.exponents.items()))
    strong = [f"{t.source} -> {t.to} {words.interval(t.worth, 2)}" for t in found.strongest[:5]]
    if strong:
        lines.append("  strongest transfers, in own draws: " + "; ".join(strong))
    missing = found.unidentified
    if missing:
        names = words.listing([f"{t.source} -> {t.to}" for t in missing], most=4)
        lines.append(f"  not identified, prior only: {len(missing)} of {len(found.transfers)} transfers ({names})")
    lines.append("  hubs: " + _roles(found.hubs, "none stands out"))
    lines.append("  islands: " + _roles(found.islands, "none stands out"))
    return lines


def _roles(roles: tuple[Role, ...], nothing: str) -> str:
    said = [f"{r.name} {words.interval(r.score, 2)}{'' if r.sure else ' (likely, not sure)'}" for r in roles]
    return "; ".join(said) or nothing


def _final_lines(found: Learnt) -> list[str]:
    lines = []
    for final in found.finals:
        line = f"  {final.target}: {'final' if found.position >= found.budget else 'last'} loss"
        line += f" {words.figure(final.reached)}" if math.isfinite(final.reached) else " not measured"
        if final.predicted is not None:
            verdict = {True: ", inside", False: ", OUTSIDE the interval", None: ""}[final.inside]
            verdict = verdict if found.position >= found.budget else " for the end"
            line += f", predicted {words.interval(final.predicted)} at draw {words.count(final.predicted_at)}{verdict}"
        lines.append(line)
    return lines


def _gain_lines(found: Learnt) -> list[str]:
    lines = []
    if found.gain is not None:
        lines.append(f"  predicted gain over {found.baseline}: {predicted_gain(found)}")
    if found.measured is not None:
        said = words.gain_words(found.measured.gain)
        lines.append(f"  measured gain over {found.measured.policy}: {said} (one seed each)")
    return lines
