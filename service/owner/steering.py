"""What a person lays over a policy: advise without acting, pause, or pin a share. Pure functions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from policies import BadSetup, Decision
from policies.intake import nearest

MODES = ("act", "advise", "pause")


@dataclasses.dataclass(frozen=True)
class Steering:
    """How a policy's advice becomes the mixture that training gets.

    Parameters
    ----------
    mode:
        `act` follows the policy; `advise` refits and records what it would do, but keeps the
        mixture; `pause` records reports without refitting, and keeps the mixture.
    pin:
        Shares held by hand, by domain, in every mode; the others divide the rest as they would without.
    """

    mode: str = "act"
    pin: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadSetup(f"mode is '{self.mode}'{nearest(self.mode, MODES)}; known are {', '.join(MODES)}")

    def check(self, domains: tuple[str, ...]) -> None:
        """Raise `BadSetup` unless the pins can be met by a mixture of `domains`."""
        for name, share in self.pin.items():
            if name not in domains:
                raise BadSetup(
                    f"pin names an unknown domain '{name}'{nearest(name, domains)}; known are {', '.join(domains)}"
                )
            if not 0 <= share <= 1:
                raise BadSetup(f"pinned share of '{name}' is {share}; shares must lie in [0, 1]")
        total = math.fsum(self.pin.values())
        if total > 1 + 1e-9:
            raise BadSetup(f"the pinned shares sum to {total:.6g}; they must sum to at most 1")
        if self.pin and len(self.pin) == len(domains) and total < 1 - 1e-9:
            raise BadSetup(f"every domain is pinned and the shares sum to {total:.6g}; leave one free or reach 1")

    def to_dict(self) -> dict[str, Any]:
        return {"mode": self.mode, "pin": dict(self.pin)}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Steering:
        return cls(mode=str(body["mode"]), pin=dict(body["pin"]))

    def act(self, advice: Decision, in_force: Mapping[str, float]) -> Decision:
        """The decision that training gets when the policy says `advice` and `in_force` is the mixture so far."""
        if self.mode != "act":
            reason = "advise" if self.mode == "advise" else "paused"
            detail = f"mixture kept by hand; the policy says '{advice.reason}'" if self.mode == "advise" else ""
            kept = dataclasses.replace(advice, weights=dict(in_force), reason=reason, detail=detail or advice.detail)
            return self.keep(kept)
        return self.keep(advice)

    def keep(self, decision: Decision) -> Decision:
        """`decision` with the pinned shares: they hold in every mode, also where nothing is decided anew."""
        if not self.pin:
            return decision
        pinned = ", ".join(f"{name} at {share:.3g}" for name, share in self.pin.items())
        detail = f"{decision.detail} (pinned: {pinned})".strip()
        return dataclasses.replace(decision, weights=apply_pins(decision.weights, self.pin), detail=detail)


def apply_pins(weights: Mapping[str, float], pin: Mapping[str, float]) -> dict[str, float]:
    """`weights` with the shares in `pin` set and the rest scaled to what they leave (equal if all were 0)."""
    if not pin:
        return dict(weights)
    free = {name: share for name, share in weights.items() if name not in pin}
    room, total = max(0.0, 1.0 - math.fsum(pin.values())), math.fsum(free.values())
    scaled = {name: room * (share / total if total > 0 else 1 / len(free)) for name, share in free.items()}
    mixed = {name: float(pin.get(name, scaled.get(name, 0.0))) for name in weights}
    whole = math.fsum(mixed.values())
    return {name: share / whole for name, share in mixed.items()}
