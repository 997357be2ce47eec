"""What one decision of a law-driven policy hands to the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from policies.history import FIRST, Since
from policies.laws import WarmStart
from policies.transfer_law.change import Watch
from policies.transfer_law.gifts import GiftWatch


@dataclasses.dataclass(frozen=True)
class State:
    """What one decision hands to the next, apart from the history.

    warm: where the next fit starts; probe_from: first draw of the probing sweeps, None before that is known;
    weights: the mixture in use; away: it has left the baseline for a plan's sake; fitted_at: position of the
    report that was last fitted to; watch: for domains that change; gifts: for domains that stop giving; since:
    where a plateau ended or something changed: only what came later is fitted to; origin: position from which the
    sweeps' share of the budget counts; fronts: whom the sweeps put in front, None for all; alarms: changes
    noticed so far; changed: the latest in words; probe_to: position at which the sweeps were ended since the law
    was sure; left: position from which on the mixture has been away from the baseline; told: gradient products
    had been reported when the sweeps began; led: they led past the sweeps, None where they have not, False once losses
    have refuted them.
    """

    warm: WarmStart | None
    probe_from: int | None
    weights: Mapping[str, float]
    away: bool
    refits: int
    fitted_at: int
    watch: Watch = dataclasses.field(default_factory=Watch)
    since: Since = FIRST
    origin: int = 0
    fronts: tuple[str, ...] | None = None
    alarms: int = 0
    changed: str = ""
    probe_to: int | None = None
    left: int | None = None
    told: bool = False
    gifts: GiftWatch = dataclasses.field(default_factory=GiftWatch)
    led: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "warm": None if self.warm is None else self.warm.to_dict(),
            "probe_from": self.probe_from,
            "weights": dict(self.weights),
            "away": self.away,
            "refits": self.refits,
            "fitted_at": self.fitted_at,
            "watch": self.watch.to_dict(),
            "since": dataclasses.asdict(self.since),
            "origin": self.origin,
            "fronts": None if self.fronts is None else list(self.fronts),
            "alarms": self.alarms,
            "changed": self.changed,
            "probe_to": self.probe_to,
            "left": self.left,
            "told": self.told,
            "gifts": self.gifts.to_dict(),
            "led": self.led,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> State:
        values = dict(body)
        values["warm"] = None if body["warm"] is None else WarmStart.from_dict(body["warm"])
        values["watch"] = Watch.from_dict(body["watch"]) if "watch" in body else Watch()
        values["gifts"] = GiftWatch.from_dict(body["gifts"]) if "gifts" in body else GiftWatch()
        since = body.get("since", 0)  # a position in dumps of before laws counted from there
        values["since"] = Since.from_dict(since) if isinstance(since, Mapping) else Since(since, {}, 0.0)
        values["fronts"] = None if body.get("fronts") is None else tuple(body["fronts"])
        if not isinstance(body.get("changed", ""), str):  # names of targets in dumps of before hubs could fade
            values["changed"] = loss_changed(body["changed"]) if body["changed"] else ""
        return cls(**values)


def loss_changed(targets: Sequence[str]) -> str:
    """A change of losses in words."""
    return f"the loss of {', '.join(targets)} has changed"
