"""What a policy is, and the base class that gives every policy the same manners."""

from __future__ import annotations

import abc
import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

from policies import intake
from policies.bounds import carry_over, within_bounds
from policies.caps import within_caps
from policies.plausible import check_first_rates, check_plausible
from policies.records import BadReport, BadSetup, Decision, Domain, LossReport, check_domains, check_mixture
from policies.setup import check_lr_plan, check_objective, check_options, check_seed, check_targets, check_whole

if TYPE_CHECKING:
    from policies.laws import JointLaw

REMEMBERED = 64  # reported positions kept to answer a repeated report


@runtime_checkable
class Policy(Protocol):
    """Losses in, mixtures out. See design section 3 for what each method promises."""

    name: str
    domains: tuple[Domain, ...]
    budget: int
    interval: int
    targets: dict[str, float]
    objective: str
    baseline: dict[str, float]

    def propose(self) -> Decision: ...
    def observe(self, report: LossReport) -> None: ...
    def update_domains(self, position: int, domains: Sequence[Domain]) -> None: ...
    def dump(self) -> dict[str, Any]: ...
    @property
    def law(self) -> JointLaw | None: ...


class BasePolicy(abc.ABC):
    """Checks, merging, idempotence and exact copies; a policy adds `_decide` and its own state.

    Parameters
    ----------
    domains, budget, interval:
        What is mixed, for how many draws in all, and how often the mixture may change (draws).
    targets:
        Weight of each held-out loss in the objective; by default every domain, equally.
    objective:
        `mean_log`, `mean_excess` or `worst_excess` (see `policies/allocation`).
    baseline:
        Mixture to fall back on; by default uniform, moved as little as the domains' bounds demand.
    lr_plan:
        Pairs (position, sum of learning rates up to there), linear in between; None if unknown.
    seed:
        Kept in the dump; only policies that draw random numbers use it.
    options:
        Each must be one of `OPTIONS`, which also holds the defaults.

    Raises
    ------
    BadSetup
        With the bad value and the cure.
    """

    name: ClassVar[str]
    OPTIONS: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        domains: Sequence[Domain],
        budget: int,
        *,
        interval: int,
        targets: Mapping[str, float] | None = None,
        objective: str = "mean_log",
        baseline: Mapping[str, float] | None = None,
        lr_plan: Sequence[Sequence[float]] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.domains = check_domains(domains)
        self.budget, self.interval = check_whole("budget", budget), check_whole("interval", interval)
        if self.interval > self.budget:
            raise BadSetup(f"interval is {interval} draws, more than the budget of {budget}; make it smaller")
        self.objective, self.seed = check_objective(objective), check_seed(seed)
        self._given_targets = None if targets is None else check_targets(targets)
        self._given_baseline = None if baseline is None else check_mixture(baseline, self.names)
        self.lr_plan = check_lr_plan(lr_plan)
        self.options = check_options(self.name, self.OPTIONS, options)
        self._last: LossReport | None = None
        self._lr_sum: float | None = None  # the latest sum of learning rates reported before `_last`
        self._left: Mapping[str, float] = {}  # draws of the domains that left, when they were last heard of
        self._refits = 0
        self._seen: list[tuple[int, dict[str, float]]] = []
        self._decision: Decision | None = None
        self._served: Mapping[str, float] = {}  # the mixture in force at the latest report

    # -- what every policy is asked ------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(domain.name for domain in self.domains)

    @property
    def targets(self) -> dict[str, float]:
        """Weights of the targets, summing to 1."""
        given = dict.fromkeys(self.names, 1.0) if self._given_targets is None else self._given_targets
        total = math.fsum(given.values())
        return {name: weight / total for name, weight in given.items()}

    @property
    def baseline(self) -> dict[str, float]:
        if self._given_baseline is not None:
            return within_bounds(self._given_baseline, self.domains)
        return within_bounds(dict.fromkeys(self.names, 1.0 / len(self.domains)), self.domains)

    @property
    def law(self) -> JointLaw | None:
        return None

    def fits_on(self, report: LossReport) -> bool:
        """Whether observing `report` next will cost a fit, so that whoever serves many policies may queue it."""
        return False

    def propose(self) -> Decision:
        """The mixture for the next interval. Has no side effect: asked twice, it answers the same."""
        if self._decision is None:
            return self._within_caps(self._decide(0))
        return self._decision

    def observe(self, report: LossReport) -> None:
        """Take in a report and decide anew; `BadReport` leaves the policy as it was.

        A position that was reported before changes nothing, except that values missing (NaN) at
        the latest position may be filled: then it is as if the whole report had come at once.
        """
        with self._unchanged_by_errors():
            self._check_plausible(report)
            self._observe(report)

    def replay(self, report: LossReport) -> None:
        """`observe` a report that was accepted before, without asking again whether it can be true.

        Journals hold reports that an older version had accepted: replayed, they have to give what they gave.
        """
        with self._unchanged_by_errors():
            self._observe(report)

    def _check_plausible(self, report: LossReport) -> None:
        intake.check_report(report, self.names, tuple(self.targets), self.budget)
        last = self._last
        if last is None or report.position > last.position:
            if last is not None:
                intake.check_growth(report, last, self._left)
            check_plausible(report, last, self._left, self.interval)
            check_first_rates(report, last, self._lr_sum)

    def _observe(self, report: LossReport) -> None:
        intake.check_report(report, self.names, tuple(self.targets), self.budget)
        if self._last is not None and report.position < self._last.position:
            self._check_old(report)
            return
        if self._last is not None and report.position == self._last.position:
            intake.check_same_draws(report.position, report.draws, self._last.draws)
            merged = intake.merge(self._last, report)
            if intake.same(merged, self._last):
                return
            intake.check_rates(merged, self._lr_sum)
            self._unlearn()
            self._last = merged
        else:
            pending = self.propose()
            if pending.position <= report.position or not self._served:
                self._served = dict(pending.weights)
            self._take(report)
        decided = self._decide(intake.decision_position(report.position, self.interval))
        self._decision = self._within_caps(decided)

    def update_domains(self, position: int, domains: Sequence[Domain]) -> None:
        """From `position` on these are the domains: some may have joined, left or grown.

        Those that stay keep their shares relative to each other; one that joins starts with an
        equal part. A baseline given at the start is mended the same way.
        """
        new = check_domains(domains)
        position = check_whole("position", position, least=0)
        if position > self.budget:
            raise BadSetup(f"domains cannot change at {position}, beyond the budget of {self.budget} draws")
        if self._last is not None and position < self._last.position:
            raise BadSetup(f"domains cannot change at {position}, before the last report at {self._last.position}")
        with self._unchanged_by_errors():
            self._update(position, new)

    def _update(self, position: int, new: tuple[Domain, ...]) -> None:
        shares = carry_over(self.propose().weights, new)
        if self._given_baseline is not None:
            self._given_baseline = carry_over(self._given_baseline, new)
        self.domains = new
        at = intake.decision_position(position, self.interval)
        self._decision = self._changed(Decision(at, shares, "domains changed", refit=self._refits))

    def dump(self) -> dict[str, Any]:
        """Everything that decides what comes next, as JSON without NaN."""
        return {
            "policy": self.name,
            "setup": {
                "domains": [domain.to_dict() for domain in self.domains],
                "budget": self.budget,
                "interval": self.interval,
                "targets": self._given_targets,
                "objective": self.objective,
                "baseline": self._given_baseline,
                "lr_plan": self.lr_plan,
                "seed": self.seed,
                **self.options,
            },
            "last": None if self._last is None else self._last.to_dict(),
            "lr_sum": self._lr_sum,
            "left": dict(self._left),
            "seen": [[position, draws] for position, draws in self._seen],
            "refits": self._refits,
            "decision": None if self._decision is None else self._decision.to_dict(),
            "served": dict(self._served),
            "state": self._dump_state(),
        }

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Self:
        """The copy of a dumped policy; it decides exactly as the original would."""
        body = copy.deepcopy(dict(state))
        setup = body["setup"]
        setup["domains"] = [Domain.from_dict(domain) for domain in setup["domains"]]
        policy = cls(**setup)
        policy._last = None if body["last"] is None else LossReport.from_dict(body["last"])
        policy._lr_sum = body.get("lr_sum")  # dumps of before it and the next were kept do not hold them
        policy._left = body.get("left", {})
        policy._seen = [(int(position), dict(draws)) for position, draws in body["seen"]]
        policy._refits = int(body["refits"])
        policy._decision = None if body["decision"] is None else Decision.from_dict(body["decision"])
        policy._served = body.get("served", {})
        policy._load_state(body["state"])
        return policy

    # -- what a policy adds --------------------------------------------------------------------

    @abc.abstractmethod
    def _decide(self, position: int) -> Decision:
        """The decision from `position` on, given `_last` and the policy's own state."""

    def _learn(self, earlier: LossReport) -> None:  # noqa: B027  optional for a subclass
        """A newer report has come: move `earlier`, the latest so far, into the policy's history."""

    def _unlearn(self) -> None:  # noqa: B027  optional for a subclass
        """Undo what `_decide` learnt from the latest report; a fuller one takes its place."""

    def _changed(self, decision: Decision) -> Decision:
        """The domains have changed; `decision` carries the old shares over."""
        return decision

    def _dump_state(self) -> dict[str, Any]:
        return {}

    def _load_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027  optional for a subclass
        """Inverse of `_dump_state`."""

    # -- inside --------------------------------------------------------------------------------

    @contextmanager
    def _unchanged_by_errors(self) -> Iterator[None]:
        """Whatever is raised within leaves the policy as it was: what its attributes hold is replaced, not changed."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    def _within_caps(self, decision: Decision) -> Decision:
        """No more draws from a domain in the next interval than its `max_epochs` leave."""
        draws = min(self.interval, self.budget - decision.position)
        if draws <= 0 or all(math.isinf(domain.cap) for domain in self.domains):
            return decision
        left = {d.name: max(d.cap - self._spent(d.name, decision.position), 0.0) for d in self.domains}
        return within_caps(decision, left, draws, {d.name: d.max_share for d in self.domains})

    def _spent(self, name: str, position: int) -> float:
        """Draws from a domain by `position`: those reported, and those of the mixture in force since."""
        if self._last is None:
            return 0.0
        ahead = max(position - self._last.position, 0)
        return self._last.draws.get(name, 0.0) + ahead * self._served.get(name, 0.0)

    def _take(self, report: LossReport) -> None:
        if self._last is not None:
            if self._last.lr_sum is not None:
                self._lr_sum = self._last.lr_sum
            intake.check_growth(report, self._last, self._left)
            intake.check_rates(report, self._lr_sum)
            heard = {**self._left, **self._last.draws}
            self._left = {name: draws for name, draws in heard.items() if name not in report.draws}
            self._learn(self._last)
            self._seen = [*self._seen, (self._last.position, dict(self._last.draws))][-REMEMBERED:]
        self._last = report

    def _check_old(self, report: LossReport) -> None:
        """An old position is fine if it is a repetition; what was forgotten is taken for one."""
        for position, draws in self._seen:
            if position == report.position:
                intake.check_same_draws(position, report.draws, draws)
                return
        if len(self._seen) < REMEMBERED or report.position > self._seen[0][0]:
            last = self._last.position if self._last else 0
            raise BadReport(f"position {report.position} comes after {last} was reported; send reports in order")
