"""From a fitted law to a decision: the problem it poses, how far it may go, and what is said of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.allocation.plan import intervals
from policies.allocation.problem import Problem, make_problem, published_gain
from policies.allocation.value import HubScores
from policies.history import History
from policies.laws import JointLaw, Rows
from policies.policy import BasePolicy
from policies.records import Decision
from policies.transfer_law.choose import Rules, choose
from policies.transfer_law.options import DEFAULTS, check_options
from policies.transfer_law.probing import ProbePlan
from policies.transfer_law.rates import final_time
from policies.transfer_law.restraint import lived_shares, steep, unseen_gift
from policies.transfer_law.state import State
from policies.transfer_law.summary import explain, summarise

Array = NDArray[np.float64]


class Planning(BasePolicy):
    """What a law-driven policy does with a law; when it has one to go by is its subclass's to say."""

    transfer: ClassVar[bool] = True
    OPTIONS: ClassVar[dict[str, Any]] = DEFAULTS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_options(self.options)
        self._history = History()

    def _rest(self, state: State) -> dict[str, float]:
        """What is kept without a law: the plan in use, else the baseline (not a probe's mixture)."""
        return dict(state.weights) if state.away else self.baseline

    def _problem(self, law: JointLaw, position: int, state: State, rows: Rows, probes: ProbePlan) -> Problem:
        """The allocation problem from `position` on; until then the mixture in force goes on."""
        last = self._last
        assert last is not None
        ahead = max(position - last.position, 0)
        spent = {**self._history.left, **last.draws}
        for name, share in (self._served or state.weights).items():
            spent[name] = spent.get(name, 0.0) + share * ahead
        known = None if last.lr_sum is None else self.lr_plan
        time, anneal = final_time(known, self.budget, law.time_since + law.time_ref)
        domains = sorted(self.domains, key=lambda domain: domain.name)
        return make_problem(
            law,
            domains=domains,
            spent=spent,
            budget=math.fsum(spent.values()) + max(self.budget - position, 1e-6 * self.budget),
            targets=self.targets,
            objective=self.objective,
            baseline=self.baseline,
            time=time,
            anneal=anneal,
            trust=self._trusted(rows, self._shown(position, state, probes)),
            earlier=None if state.warm is None else state.warm.earlier(law),
        )

    def _shown(self, position: int, state: State, probes: ProbePlan) -> dict[str, int]:
        """With how few others each domain has been in front. Those that were there before the ones in front now
        joined have had their sweeps."""
        earlier = () if state.fronts is None else (name for name in self.names if name not in state.fronts)
        return {**dict.fromkeys(earlier, 1), **probes.shown(position)}

    def _trusted(self, rows: Rows, fronts: Mapping[str, int]) -> tuple[Array, Array]:
        """Least and most shares (K,), by name: further out than this the law has seen nothing. `fronts`: with how few
        others each domain has been in front."""
        count, names = len(self.domains), sorted(self.names)
        least = np.full(count, self.options["least_share"] / count)
        if not self.transfer:
            return least, np.ones(count)
        amplitude, base = self.options["amplitude"], self.baseline
        probed = [base[name] + amplitude * (1 / fronts[name] - base[name] if name in fronts else 0) for name in names]
        lived = dict(zip(rows.domains, lived_shares(rows, self.options["window"] * self.budget), strict=True))
        shown = np.maximum(probed, [lived[name] for name in names])
        return least, np.minimum(shown + self.options["beyond"], 1.0)

    def _sure_already(
        self, probe: Decision, problem: Problem, hubs: HubScores, state: State, enough: float
    ) -> Decision:
        """A plan that is better with probability `enough` ends the probing, else the probe that is due."""
        late = probe.position > self.options["latest"] * self.budget
        if not late and not steep(problem.outlook.law, self.targets, self.options["steepest"]):
            led = self._led(probe, problem, hubs, state, sure=enough)
            if led.reason == "refit":
                return led
        return self._described(probe, problem, hubs)

    def _led(
        self, plain: Decision, problem: Problem, hubs: HubScores, state: State, sure: float | None = None
    ) -> Decision:
        """The law decides; the baseline is left where the plan is better with probability `sure`. If that is given,
        only for the whole of it: a small step that is sure is no reason to know no more."""
        names = problem.feasible.names
        before = self._rest(state)
        rules = self._rules(plain.position, state, sure)
        choice = choose(problem, np.array([before[name] for name in names]), rules, away=state.away)
        weights = self._ordered(dict(zip(names, choice.mixture.tolist(), strict=True)))
        leaves = choice.reason == "refit" and not state.away
        if leaves and (doubt := unseen_gift(self.baseline, weights, hubs, self.options["sure_gift"])):
            return self._doubted(plain, problem, hubs, doubt)
        decision = dataclasses.replace(
            plain,
            weights=weights,
            reason=choice.reason,
            detail=explain(problem, hubs, before, choice, transfer=self.transfer),
            binding=choice.binding,
        )
        return self._described(decision, problem, hubs)

    def _doubted(self, plain: Decision, problem: Problem, hubs: HubScores, doubt: str) -> Decision:
        """The baseline, since the law may not lead."""
        kept = dataclasses.replace(
            plain, weights=self._ordered(self.baseline), reason="kept: law not identified", detail=doubt
        )
        return self._described(kept, problem, hubs)

    def _rules(self, position: int, state: State, sure: float | None) -> Rules:
        """The trust region is a pace per draw, so that many small intervals are no bolder than few."""
        earlier = self._history.rows[-1].position if self._history.rows else 0.0
        step = self.options["pace"] * min(position - earlier, 4 * self.interval) / self.budget
        bar = self.options["sure"] if sure is None else sure
        told = state.warm is not None and state.warm.told
        caution = self.options["caution_told" if told else "caution"]
        promised = 0.0 if told or not self.transfer else self.options["optimism"]
        return Rules(caution, bar, self.options["least_gain"], min(step, 1.0), sure is None, promised)

    def _ordered(self, weights: Mapping[str, float]) -> dict[str, float]:
        return {name: weights[name] for name in self.names}

    def _described(self, decision: Decision, problem: Problem, hubs: HubScores) -> Decision:
        """The decision with the law, and the predicted ends: under its mixture from here on, also if that is a
        probe's, and had the baseline been kept from the first draw."""
        final = problem.final(np.array([decision.weights[name] for name in problem.feasible.names]))
        base = problem.never_left()
        return dataclasses.replace(
            decision,
            predicted=intervals(problem, final),
            predicted_baseline=intervals(problem, base),
            gain=published_gain(*problem.gain(final, base)),
            law=summarise(problem.outlook.law, hubs if self.transfer else None),
        )
