"""The online policy: fit the laws, plan the rest of the budget, move when it is sure enough."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from policies.allocation.plan import scores
from policies.history import History
from policies.intake import decision_position
from policies.laws import JointLaw, Rows, WarmStart, fit_rows
from policies.laws.fading import Fading, fading
from policies.records import Decision, LossReport
from policies.transfer_law.change import forecast
from policies.transfer_law.gifts import look_ahead
from policies.transfer_law.phases import Phases
from policies.transfer_law.probing import ProbePlan, probe_mixture
from policies.transfer_law.restraint import nothing_new, steep
from policies.transfer_law.state import State

ANEW = 8  # each so many refits the last fit has to hold its own against other starts
LEAST_ROWS, LEAST_TOLD = 4, 2  # reports that a law is fitted to: of losses alone, and with gradient products
UNPROBED = "gradient products show it without a probe"


class LawPolicy(Phases):
    """Shared by `transfer_law` and `own_law`: the second knows no transfer and does not probe.

    A decision is a pure function of the history, the latest report and the state the decision
    before left (`_then`): so a report that comes in parts is decided as if it had come whole.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._law: JointLaw | None = None
        self._dumped: tuple[JointLaw, Mapping[str, Any]] | None = None  # the law as it was last written down
        self._then = self._now = State(None, None, self.baseline, False, 0, 0)

    @property
    def law(self) -> JointLaw | None:
        """The law of the latest fit that succeeded."""
        return self._law

    def fits_on(self, report: LossReport) -> bool:
        if len(self._history.rows) < 2:  # with this report and the one before it, too few for a fit
            return False
        position = decision_position(report.position, self.interval)
        return position >= self.budget or not nothing_new(report.position, self._now.fitted_at)

    # -- hooks of the base class ---------------------------------------------------------------

    def _learn(self, earlier: LossReport) -> None:
        self._history, self._then = self._history.append(earlier), self._now

    def _decide(self, position: int) -> Decision:
        state = self._then
        if self._last is None:
            return Decision(position, self.baseline, "start", "no report yet: the baseline mixture")
        state = self._begun(position, self._watched(position, state))
        probes = self._sweeps(state)
        if position < self.budget and nothing_new(self._last.position, state.fitted_at):
            return self._held(position, probes, state)
        rows = self._history.arrays(self.domains, self._last, state.since)
        if not self.options["products"]:
            rows = dataclasses.replace(rows, products=None)
        law, warm, trouble = self._fit(rows, state)
        state = dataclasses.replace(state, warm=warm, refits=state.refits + 1, fitted_at=self._last.position)
        if (faded := self._faded(position, law, rows, state)) is not None:
            state = self._anew(position, self._history.at(faded.since), str(faded), state)
            probes, law = self._sweeps(state), None
        if self._misled(position, state):
            state = self._swept(position, state, led=False)
            probes = self._sweeps(state)
        decision = self._within_caps(self._answer(position, law, trouble, probes, state, rows))
        if decision.reason == "refit" and probes.front(position):
            if not probes.swept(position):
                state = dataclasses.replace(state, led=True)
                decision = dataclasses.replace(decision, detail=f"{decision.detail}; {UNPROBED}")
            state = dataclasses.replace(state, probe_to=position)
            probes = self._sweeps(state)
        self._law = law or self._law
        self._refits = state.refits
        away = self._away(decision, state)
        left = None if not away else position if state.left is None else state.left
        state = dataclasses.replace(state, weights=decision.weights, away=away, left=left)
        if law is not None and position >= probes.end and state.probe_from is not None:
            state = self._looking_ahead(law, rows, state)
        self._now = state
        return decision

    def _looking_ahead(self, law: JointLaw, rows: Rows, state: State) -> State:
        """The state with what the law expects of the next report: its losses, and what domains give."""
        assert self._last is not None
        position, ahead = self._last.position, None
        losses = forecast(law, rows, position, state.weights, self.interval)
        if self.transfer and state.warm is not None and state.warm.told:
            ahead = look_ahead(law, rows, self.names, position, state.weights, self.interval)
        gifts = dataclasses.replace(state.gifts, ahead=ahead)
        return dataclasses.replace(state, watch=dataclasses.replace(state.watch, forecast=losses), gifts=gifts)

    def _faded(self, position: int, law: JointLaw | None, rows: Rows, state: State) -> Fading | None:
        """A domain that the plan has raised and that gives others less since; None too where that cannot be told."""
        if law is None or state.warm is None or state.left is None or not self.transfer or position >= self.budget:
            return None
        try:
            with np.errstate(all="ignore"):
                return fading(rows, law, state.warm, self._raised(state), left=state.left, budget=self.budget)
        except np.linalg.LinAlgError:
            return None

    def _changed(self, decision: Decision) -> Decision:
        shares = dict(decision.weights)
        self._then = self._joined(self._then, decision.position, shares)
        self._now = self._joined(self._now, decision.position, shares)
        return decision

    def _dump_state(self) -> dict[str, Any]:
        return {
            "history": self._history.to_dict(),
            "law": self._dump_law(),
            "then": self._then.to_dict(),
            "now": self._now.to_dict(),
        }

    def _dump_law(self) -> Mapping[str, Any] | None:
        """The law for those who read it; no decision is made from it, so its covariances are rounded, once."""
        if self._law is None:
            return None
        if self._dumped is None or self._dumped[0] is not self._law:
            self._dumped = self._law, self._law.to_dict(brief=True)
        return self._dumped[1]

    def _load_state(self, state: Mapping[str, Any]) -> None:
        self._history = History.from_dict(state["history"])
        self._law = None if state["law"] is None else JointLaw.from_dict(state["law"])
        self._dumped = None if self._law is None else (self._law, state["law"])
        self._then, self._now = State.from_dict(state["then"]), State.from_dict(state["now"])

    # -- one decision --------------------------------------------------------------------------

    def _held(self, position: int, probes: ProbePlan, state: State) -> Decision:
        """What is decided without a refit: the probe that is due, else the mixture in use."""
        decision = self._answer(position, None, "", probes, state, None)
        if decision.reason != "probe":
            why = "too little was drawn since the last refit to learn anything new"
            decision = Decision(position, self._ordered(self._rest(state)), "hold", why, refit=state.refits)
        decision = self._within_caps(decision)
        self._now = dataclasses.replace(state, weights=decision.weights)
        return decision

    def _fit(self, rows: Rows, state: State) -> tuple[JointLaw | None, WarmStart | None, str]:
        """The law and the start for the next fit, or None and why there is none.

        Training must not stop for a policy, so whatever goes wrong is caught and said.
        """
        least = LEAST_TOLD if state.told and rows.products is not None else LEAST_ROWS
        if len(rows.draws) < least or not np.any(~np.isnan(rows.log_loss)):
            measured = rows.count[np.any(~np.isnan(rows.log_loss), axis=1)].sum()
            return None, None, f"only {measured:.0f} reports with a measured loss so far"
        if any(target not in rows.targets for target, weight in self.targets.items() if weight > 0):
            missing = next(t for t, w in self.targets.items() if w > 0 and t not in rows.targets)
            return None, None, f"no loss of target '{missing}' was measured yet"
        try:
            with np.errstate(all="ignore"):
                anew = state.refits % ANEW == 0
                law, warm = fit_rows(rows, warm=state.warm, transfer=self.transfer, anew=anew)
            if not all(np.all(np.isfinite(f.theta)) and np.all(np.isfinite(f.covariance)) for f in law.families):
                return None, None, "the fit has no finite optimum"
        except Exception as error:
            return None, None, f"{type(error).__name__}: {error}"
        return law, warm, ""

    def _answer(
        self,
        position: int,
        law: JointLaw | None,
        trouble: str,
        probes: ProbePlan,
        state: State,
        rows: Rows | None,
    ) -> Decision:
        """The decision, with its reason and, where there is a law, with what it predicts."""
        weights, code, detail = self._unled(position, law, trouble, probes, state)
        plain = Decision(position, self._ordered(weights), code, detail, refit=state.refits)
        if law is None or rows is None:
            return plain
        try:
            with np.errstate(all="ignore"):
                problem = self._problem(law, position, state, rows, probes)
                hubs = scores(problem)
                if code == "probe" and (enough := self._enough(position, probes, state)) is not None:
                    return self._sure_already(plain, problem, hubs, state, enough)
                if code != "refit":
                    return self._described(plain, problem, hubs)
                if doubt := steep(law, self.targets, self.options["steepest"]):
                    return self._doubted(plain, problem, hubs, doubt)
                return self._led(plain, problem, hubs, state)
        except Exception as error:
            kept = f"the plan failed ({type(error).__name__}: {error}); the mixture is kept"
            return dataclasses.replace(plain, weights=self._rest(state), reason="kept: plan failed", detail=kept)

    def _unled(
        self, position: int, law: JointLaw | None, trouble: str, probes: ProbePlan, state: State
    ) -> tuple[dict[str, float], str, str]:
        """Mixture, reason and detail where the law does not decide; reason `refit` where it does."""
        front = probes.front(position)
        if position >= self.budget:
            return dict(state.weights), "finished", "the budget is spent"
        if state.probe_from is None:
            burning = position >= self.options["start"] * self.budget
            code = "burn-in" if burning else "start"
            why = "losses do not fall steadily yet" if burning else "a short start before probing"
            return self.baseline, code, f"{why}: the baseline mixture"
        if front:
            mixture = probe_mixture(front, self.baseline, self.domains, self.options["amplitude"])
            share = math.fsum(mixture[name] for name in front)
            block = f"block {1 + probes.number(position)} of {len(probes.order)}"
            text = f"{' and '.join(front)} in front ({share:.0%}), {block}"
            if state.changed:
                text += f", as {state.changed}"
            elif state.led is False:
                text += ", as losses contradict the gradient products"
            return mixture, "probe", text
        if self.transfer and state.changed and not probes.order:
            text = f"{state.changed}, and it is too late to probe anew; the baseline mixture is kept"
            return self.baseline, "kept: law not identified", text
        if law is None:
            code = "kept: fit failed" if len(self._history.rows) >= 3 else "kept: law not identified"
            return self._rest(state), code, f"{trouble}; the mixture is kept"
        if not state.away and position > self.options["latest"] * self.budget:
            text = f"after {self.options['latest']:.0%} of the budget there is no time to see a plan fail"
            return self.baseline, "kept: too late to leave the baseline", text
        if self.transfer and not probes.order:
            text = "the run is too short to probe every domain; the baseline mixture is kept"
            return self.baseline, "kept: law not identified", text
        return dict(state.weights), "refit", ""

    def _away(self, decision: Decision, state: State) -> bool:
        """Whether the mixture in use is a plan's, not the baseline."""
        if decision.reason.startswith(("start", "burn-in", "probe")):
            return False
        if decision.reason.startswith("refit"):
            return True
        base = self.baseline
        return state.away and any(abs(decision.weights[name] - base[name]) > 1e-6 for name in base)


class TransferLaw(LawPolicy):
    """Laws with transfer, learnt by probing; its equations stand in `policies/MODEL.md`, sections 15 to 17."""

    name = "transfer_law"


class OwnLaw(LawPolicy):
    """The same without transfer: each domain by a law in its own draws. An ablation."""

    name = "own_law"
    transfer = False
