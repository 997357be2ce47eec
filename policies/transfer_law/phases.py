"""The phases of a run: when the sweeps begin, who is in front, and what begins them anew."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from policies.history import Row, Since
from policies.products import with_report
from policies.transfer_law.change import Watch
from policies.transfer_law.gifts import GiftWatch
from policies.transfer_law.planning import Planning
from policies.transfer_law.probing import ProbePlan, on_plateau, plan_probes
from policies.transfer_law.rates import warm_up_end
from policies.transfer_law.state import State, loss_changed

RAISED = 1.2  # times its share of the baseline: such a domain must go on giving what the plan counts on
FEWEST = 20  # intervals; of a shorter run a handful of reports would decide


class Phases(Planning):
    """Start, plateau, sweeps, and the sweeps again after a change or for a domain that joined.

    Each method takes the state that an earlier decision left and returns the state from here on.
    """

    def _begun(self, position: int, state: State) -> State:
        """The state once it is known when the sweeps begin: after the start, and not on a plateau."""
        latest = self.options["plateau_until"] * self.budget
        warm = min(warm_up_end(self.lr_plan), latest)
        first = max(self.interval, self.options["start"] * self.budget, warm)
        if state.probe_from is not None or position < first:
            return state
        if position < latest and self._on_plateau(first):
            return state
        state = dataclasses.replace(state, probe_from=position, told=self._told)
        if position < first + self.interval:
            return state
        return dataclasses.replace(state, origin=position, since=self._here(), warm=None)

    @property
    def _told(self) -> bool:
        """Whether gradient products were reported."""
        assert self._last is not None
        return bool(self.options["products"]) and bool(with_report(self._history.products, self._last))

    def _on_plateau(self, first: float) -> bool:
        rows = [*self._history.rows, *([] if self._last is None else [Row.of(self._last)])]
        rows = [row for row in rows if row.log_loss]
        levels = [math.fsum(row.log_loss.values()) / len(row.log_loss) for row in rows]
        return on_plateau([row.position for row in rows], levels, self.options["plateau"], first=first)

    def _sweeps(self, state: State) -> ProbePlan:
        """Who is in front when; empty where nobody is to be, or the run is too short."""
        options, fronts = self.options, state.fronts
        known = self.names if fronts is None else [name for name in fronts if name in self.names]
        worth = self.transfer and self._long and state.alarms <= options["alarms"]
        probes = plan_probes(
            known if worth else (),
            first=self.budget if state.probe_from is None else state.probe_from,
            budget=self.budget,
            interval=self.interval,
            until=options["probe_until"],
            sweeps=int(options["sweeps"]),
            groups=int(options["groups"]) if state.told else 0,
            origin=state.origin,
            stop=state.probe_to,
        )
        return probes.until(int(options["latest"] * self.budget)) if state.alarms else probes

    def _enough(self, position: int, probes: ProbePlan, state: State) -> float | None:
        """How sure a plan has to be for the rest of the sweeps to be left out; None where they go on anyway.

        Gradient products show transfer without a probe. Where they are such as the law can give, they lead past the
        sweeps: the first step away from the baseline is what they are held against (`_misled`).
        """
        if state.told and state.led is not False and state.warm is not None and state.warm.plain:
            return float(self.options["enough_told"])
        return float(self.options["enough"]) if probes.once(position) else None

    def _misled(self, position: int, state: State) -> bool:
        """Whether gradient products led past the sweeps and losses refute them; asked as long as sweeps would last."""
        latest = state.origin + self.options["probe_until"] * (self.budget - state.origin)
        return bool(state.led) and position <= latest and state.warm is not None and state.warm.refuted

    @property
    def _long(self) -> bool:
        """Whether the run has reports enough for a law to be held against what follows."""
        return self.budget >= FEWEST * self.interval

    def _watched(self, position: int, state: State) -> State:
        """The state after a look for change: what was learnt before one is forgotten, and probing begins anew."""
        assert self._last is not None
        watch, changed = state.watch.seen(self._last)
        gifts, gone = state.gifts.seen(self._last, self._raised(state), self.budget)
        state = dataclasses.replace(state, watch=watch, gifts=gifts)
        if position >= self.budget:
            return state
        if changed:
            return self._anew(position, self._here(), loss_changed(changed), state)
        return state if gone is None else self._anew(position, self._history.at(gone.since), str(gone), state)

    def _raised(self, state: State) -> list[str]:
        """The domains that have more than their share of the baseline, for the plan's sake."""
        if not state.away:
            return []
        return [name for name, share in state.weights.items() if share > RAISED * self.baseline.get(name, math.inf)]

    def _here(self) -> Since:
        """Where the latest report stands."""
        assert self._last is not None
        return Since(self._last.position, {**self._history.left, **self._last.draws}, self._last.lr_sum)

    def _anew(self, position: int, since: Since, changed: str, state: State) -> State:
        """The state in which only what was reported after `since` counts, and probing begins at `position`."""
        return dataclasses.replace(
            self._swept(position, state, led=None if state.led else state.led),
            warm=None,
            watch=Watch(),
            gifts=GiftWatch(),
            since=since,
            fronts=None,
            alarms=state.alarms + 1,
            changed=changed,
        )

    def _swept(self, position: int, state: State, led: bool | None) -> State:
        """The state in which the sweeps begin at `position`, from the baseline."""
        return dataclasses.replace(
            state, away=False, left=None, origin=position, probe_from=position, probe_to=None, led=led
        )

    def _joined(self, state: State, position: int, shares: Mapping[str, float]) -> State:
        """The state with new shares; a domain that joins after the sweeps is probed by a sweep of its own, and among
        the sweeps they begin anew."""
        new = tuple(sorted(name for name in shares if name not in state.weights))
        under_way = state.probe_from is not None and position < self._sweeps(state).end
        state = dataclasses.replace(state, weights=shares, watch=Watch(), gifts=GiftWatch())
        if not new or state.probe_from is None:
            return state
        before = () if state.fronts is None else state.fronts
        fronts = (None if state.fronts is None else (*before, *new)) if under_way else new
        return dataclasses.replace(state, fronts=fronts, origin=position, probe_from=position, probe_to=None)
