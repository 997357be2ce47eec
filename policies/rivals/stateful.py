"""What the rivals share: a decision is a function of (state before, latest report), and nothing else."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from policies.bounds import within_bounds
from policies.policy import BasePolicy
from policies.records import BadSetup, Decision, LossReport
from policies.rivals.mixtures import natural_shares

State = dict[str, Any]
Tune = dict[str, tuple[float, float, str]]  # option -> (low, high, "log" or "linear")


@dataclasses.dataclass(frozen=True)
class Step:
    """One decision of a rival: the mixture, why, and the state (plain JSON) for the next one."""

    weights: Mapping[str, float]
    state: State
    reason: str
    detail: str = ""


class Rival(BasePolicy):
    """A published policy: it adds `_step`, which must not change the state it is given.

    `_then` is the state before the latest report, `_now` the state after it: so a report that comes
    in parts is decided anew from `_then`, as if it had come whole. A state that holds `weights` has
    them mended when the domains change.
    """

    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {}  # option -> least and largest value allowed

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for option, (low, high) in self.LIMITS.items():
            _check_number(self.name, option, self.options[option], low, high)
        self._then: State = {}
        self._now: State = {}

    @abc.abstractmethod
    def _step(self, state: State, report: LossReport, position: int) -> Step:
        """The decision from `position` on, after `report`, given the state left by the one before."""

    def _first(self) -> Mapping[str, float]:
        """The mixture before anything was reported; by default the natural shares, as in most papers."""
        return natural_shares(self.domains)

    def _decide(self, position: int) -> Decision:
        if self._last is None:
            return Decision(position, self._mixture(self._first()), "start", "no report yet")
        step = self._step(self._then, self._last, position)
        self._now = step.state
        return Decision(position, self._mixture(step.weights), step.reason, step.detail)

    def _mixture(self, weights: Mapping[str, float]) -> dict[str, float]:
        """In the order of the domains, within their bounds; a domain without a share gets the mean share."""
        total = math.fsum(sorted(weights.get(name, 0.0) for name in self.names))
        known = sum(name in weights for name in self.names)
        mean = total / known if known and total > 0 else 1.0
        plain = {name: weights.get(name, mean) if total > 0 else 1.0 for name in self.names}
        whole = math.fsum(plain.values())
        return within_bounds({name: share / whole for name, share in plain.items()}, self.domains)

    def _boundary(self, part: float) -> int:
        """First interval boundary at or after the part `part` of the budget."""
        return math.ceil(part * self.budget / self.interval - 1e-9) * self.interval

    def _learn(self, earlier: LossReport) -> None:
        self._then = self._now

    def _changed(self, decision: Decision) -> Decision:
        self._then, self._now = (_carried(state, decision.weights) for state in (self._then, self._now))
        return decision

    def _dump_state(self) -> dict[str, Any]:
        return {"then": self._then, "now": self._now}

    def _load_state(self, state: Mapping[str, Any]) -> None:
        self._then, self._now = dict(state["then"]), dict(state["now"])


def _carried(state: State, weights: Mapping[str, float]) -> State:
    return {**state, "weights": dict(weights)} if "weights" in state else state


def _check_number(policy: str, option: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise BadSetup(f"option {option} of '{policy}' is {value!r}; it must be a number in [{low:g}, {high:g}]")


def added(state: State, shares: Mapping[str, float]) -> tuple[dict[str, float], dict[str, int]]:
    """By domain, the sum of its shares over the steps so far and this one, and how many steps it was there for."""
    total, seen = state.get("sum", {}), state.get("seen", {})
    earlier = {name: seen.get(name, state.get("steps", 0) if name in total else 0) for name in shares}
    return (
        {name: total.get(name, 0.0) + share for name, share in shares.items()},
        {name: count + 1 for name, count in earlier.items()},
    )


def averaged(state: State, names: Sequence[str]) -> dict[str, float]:
    """Each domain's mean share over the steps it was there for; one that joins in mid-run is not counted as absent."""
    seen = state.get("seen", {})
    return {name: part / seen.get(name, 1) for name, part in state["sum"].items() if name in names}
