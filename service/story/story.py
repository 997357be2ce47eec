"""A run as the journal tells it: what the report, the figures and the plan all read.

Nothing here decides or draws. A run without a law (uniform, proportional), one that stopped in the
middle, and one that has only just begun are all stories.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from policies import load_policy
from policies.bounds import within_bounds
from policies.records import BadSetup, Decision, Domain, LawSummary, LossReport
from service.journal import Event, Journal, NoSuchAllocation, decision_of, report_of

if TYPE_CHECKING:
    from policies.laws import JointLaw

Value = TypeVar("Value")


@dataclasses.dataclass(frozen=True)
class Note:
    """Anything in the journal that is neither a report nor a decision."""

    kind: str
    position: int
    body: Mapping[str, Any]
    at: float


@dataclasses.dataclass(frozen=True)
class Story:
    """One allocation, in order of position.

    `reports` and `decisions` hold the active ones only, one per position; `law` is the last law of
    the policy; where it is None, `no_law` says why. Times are seconds since 1970.
    """

    name: str
    policy: str
    domains: tuple[Domain, ...]
    targets: Mapping[str, float]
    objective: str
    budget: int
    interval: int
    seed: int | None
    baseline: Mapping[str, float]
    reports: tuple[LossReport, ...]
    decisions: tuple[Decision, ...]
    refit_seconds: Mapping[int, float]
    notes: tuple[Note, ...]
    law: JointLaw | None
    no_law: str
    spec: Mapping[str, Any]
    started: float | None = None
    ended: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(domain.name for domain in self.domains)

    @property
    def reached(self) -> int:
        """Draws served when the journal last heard of the run."""
        return max([r.position for r in self.reports] + [n.position for n in self.notes if n.kind == "finished"] + [0])

    @property
    def finished(self) -> bool:
        return self.reached >= self.budget

    @property
    def refits(self) -> tuple[Decision, ...]:
        """The decisions that answered a report, without the one a run starts with."""
        return tuple(d for d in self.decisions if d.refit > 0 or d.position > 0)

    @property
    def last_law(self) -> LawSummary | None:
        """The newest law summary in the decisions."""
        return next((d.law for d in reversed(self.decisions) if d.law is not None), None)

    @property
    def final_losses(self) -> dict[str, float]:
        """By target: the last measured held-out loss; NaN where it was never measured."""
        found = dict.fromkeys(self.targets, math.nan)
        for report in self.reports:
            found.update({t: v for t, v in report.eval_loss.items() if t in found and not math.isnan(v)})
        return found

    @property
    def baseline_word(self) -> str:
        """'uniform' where the baseline is that, else 'the baseline mixture'."""
        even = 1 / len(self.baseline)
        return "uniform" if all(abs(v - even) < 1e-6 for v in self.baseline.values()) else "the baseline mixture"

    def drawn(self) -> dict[str, float]:
        """By domain: part of all draws learnt from so far; empty before the first report."""
        draws = self.reports[-1].draws if self.reports else {}
        total = math.fsum(draws.values())
        return {n: draws.get(n, 0.0) / total for n in self.names} if total > 0 else {}

    def kind(self, *kinds: str) -> tuple[Note, ...]:
        return tuple(note for note in self.notes if note.kind in kinds)

    def changes(self) -> tuple[Decision, ...]:
        """The decisions after the first that changed a share by more than rounding."""
        pairs = zip(self.decisions, self.decisions[1:], strict=False)
        return tuple(after for before, after in pairs if moved(before.weights, after.weights) > 1e-6)


def moved(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """The part of the mixture that went from one domain to another (total variation), 0 to 1."""
    names = {**before, **after}
    return 0.5 * math.fsum(abs(after.get(n, 0.0) - before.get(n, 0.0)) for n in names)


def read_story(journal: Journal, allocation: str) -> Story:
    """Read the run `allocation`.

    Raises
    ------
    BadSetup
        When the journal knows no such allocation.
    """
    try:
        spec = journal.spec(allocation)
    except NoSuchAllocation as error:
        known = ", ".join(journal.allocations()) or "none"
        raise BadSetup(f"the journal holds no run '{allocation}'; it holds: {known}") from error
    events = journal.events(allocation, active=True)
    domains = _domains(spec, events)
    names = [d.name for d in domains]
    law, no_law = _law(journal, allocation)
    return Story(
        name=journal.entry(allocation).name or allocation,
        policy=str(spec.get("policy", "unknown")),
        domains=domains,
        targets=ordered(spec.get("targets") or dict.fromkeys(names, 1.0), names),
        objective=str(spec.get("objective") or "mean_log"),
        budget=int(spec["budget"]),
        interval=int(spec["interval"]),
        seed=spec.get("seed"),
        baseline=dict(spec.get("baseline") or within_bounds(dict.fromkeys(names, 1 / len(names)), domains)),
        reports=_reports(events),
        decisions=_decisions(events, names),
        refit_seconds=_refit_seconds(events),
        notes=tuple(_note(e) for e in events if e.kind not in ("allocation", "report", "decision")),
        law=law,
        no_law=no_law,
        spec=spec,
        started=min((e.at for e in events), default=None),
        ended=max((e.at for e in events), default=None),
    )


def _domains(spec: Mapping[str, Any], events: Iterable[Event]) -> tuple[Domain, ...]:
    """The domains as they stood last; one that left keeps its place, as its draws are in the history."""
    found = {body["name"]: Domain.from_dict(body) for body in spec["domains"]}
    for event in events:
        if event.kind == "domains":
            found.update({body["name"]: Domain.from_dict(body) for body in event.body.get("domains", ())})
    return tuple(found.values())


def _reports(events: Iterable[Event]) -> tuple[LossReport, ...]:
    """One report per position: the last, in which the owner has merged what came before."""
    found = {event.position: report_of(event) for event in events if event.kind == "report"}
    return tuple(found[position] for position in sorted(found))


def _decisions(events: Iterable[Event], names: Sequence[str]) -> tuple[Decision, ...]:
    found: dict[int, Decision] = {}
    for event in events:
        if event.kind == "decision":
            decision = decision_of(event)
            found[decision.position] = _in_order(decision, names)  # of two for one draw the newer holds
    return tuple(found[position] for position in sorted(found))


def _in_order(decision: Decision, names: Sequence[str]) -> Decision:
    """The journal sorts names; people expect the order of their configuration."""
    law = decision.law
    if law is not None:
        rows = {to: ordered(row, names) for to, row in law.transfer.items()}
        law = dataclasses.replace(
            law,
            exponents=ordered(law.exponents, names),
            floors=ordered(law.floors, names),
            transfer=ordered(rows, names),
            hub_score=ordered(law.hub_score, names),
        )
    return dataclasses.replace(decision, weights=ordered(decision.weights, names), law=law)


def ordered(values: Mapping[str, Value], names: Sequence[str]) -> dict[str, Value]:
    """`values` in the order of `names`; the names that are not among them come last."""
    first = {name: values[name] for name in names if name in values}
    return {**first, **{name: value for name, value in values.items() if name not in first}}


def _refit_seconds(events: Iterable[Event]) -> dict[int, float]:
    metas = {e.body["position"]: e.body.get("meta") or {} for e in events if e.kind == "decision"}
    return {int(at): float(meta["seconds"]) for at, meta in metas.items() if meta.get("seconds") is not None}


def _note(event: Event) -> Note:
    return Note(event.kind, event.position, event.body, event.at)


def _law(journal: Journal, allocation: str) -> tuple[JointLaw | None, str]:
    """The law of the stored policy, and why there is none: a page must not fail over a law it cannot read."""
    state = journal.snapshot(allocation)
    if not state:
        return None, "no refit was stored yet"
    try:
        law = load_policy(dict(state)).law
    except Exception as error:  # a dump of another version, or of a policy that is no longer installed
        return None, f"the stored policy cannot be read by this version ({type(error).__name__}: {error})"
    return law, "" if law else "its policy has fitted no law"
