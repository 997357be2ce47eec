"""The law and the plan in words and numbers for a person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from policies.allocation.problem import Problem
from policies.allocation.value import HubScores
from policies.laws import JointLaw
from policies.laws.form import ALPHA, FLOOR
from policies.records import Interval, LawSummary
from policies.transfer_law.choose import Choice

Array = NDArray[np.float64]

_Z = NormalDist().inv_cdf(0.95)
IDENTIFIED = 0.4  # posterior at most so wide relative to the prior: the data, not the prior, fixed the number
BITS = 17  # of a number that is shown, five decimal digits: far more than its interval lets one know
NEGLIGIBLE = 0.15  # or the transfer is surely below this


def _log_interval(mean: float, sd: float) -> Interval:
    return Interval(*(_short(float(np.exp(mean + k * sd))) for k in (0.0, -_Z, _Z)))


def _short(value: float) -> float:
    """`value` to `BITS` bits: every decision carries a matrix of such numbers, and is kept for ever."""
    if not math.isfinite(value):
        return value
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(math.ldexp(mantissa, BITS)), exponent - BITS)


def summarise(law: JointLaw, hubs: HubScores | None) -> LawSummary:
    """`LawSummary` of a fitted law; intervals hold 90 %. Without `hubs` nothing of transfer: the law has none."""
    alpha, alpha_sd = law.parameter(ALPHA)
    floor, floor_sd = law.parameter(FLOOR)
    transfer: dict[str, dict[str, Interval]] = {}
    identified: dict[str, dict[str, bool]] = {}
    log_transfer, spread = law.log_transfer()
    for i, target in enumerate(law.targets if hubs is not None else ()):
        top = 0.0 if law.own[i] >= 0 else float(log_transfer[i].max())
        transfer[target], identified[target] = {}, {}
        for j, name in enumerate(law.domains):
            mean, sd = float(log_transfer[i, j]) - top, float(spread[i, j])
            transfer[target][name] = _log_interval(mean, sd)
            small = np.exp(mean + _Z * sd) < NEGLIGIBLE
            identified[target][name] = bool(law.own[i] == j or small or sd < IDENTIFIED * law.prior_spread)
    return LawSummary(
        {name: _log_interval(alpha[i], alpha_sd[i]) for i, name in enumerate(law.targets)},
        {name: _log_interval(floor[i] + law.centre[i], floor_sd[i]) for i, name in enumerate(law.targets)},
        transfer,
        identified,
        {} if hubs is None else hubs.given,
        {name: float(law.noise[i]) for i, name in enumerate(law.targets)},
        {family.name: family.weight for family in law.families},
        law.burn_in,
    )


def explain(
    problem: Problem, hubs: HubScores, before: Mapping[str, float], choice: Choice, *, transfer: bool = True
) -> str:
    """One sentence: which domain gets more and why, which less, and what that is expected to bring."""
    after = dict(zip(problem.feasible.names, choice.mixture.tolist(), strict=True))
    change = {name: after[name] - before[name] for name in after}
    gain = choice.gain
    up, down = max(change, key=lambda n: (change[n], n)), min(change, key=lambda n: (change[n], n))
    plan = (
        f"predicted gain from here on, over the baseline, {gain.mean:.2%} [{gain.low:.2%}, {gain.high:.2%}], "
        f"better with probability {choice.better:.2f}"
    )
    if choice.reason.startswith("kept"):
        plan = f"the best plan is not sure enough ({choice.bar:.2f} is asked for): {plan}"
    if max(change.values()) < 0.0005:
        return f"the mixture stays as it is; {plan}"
    moves = [
        f"{name} {verb} from {before[name]:.1%} to {after[name]:.1%} ({_character(name, hubs, transfer)})"
        for name, verb in ((up, "rises"), (down, "falls"))
    ]
    return f"{' and '.join(moves)}; {plan}"


def _character(name: str, hubs: HubScores, transfer: bool) -> str:
    given, own = hubs.given[name], hubs.own[name]
    if not transfer:
        return f"a draw is worth {own.mean:.2f}, mean draw 1"
    kind = "a hub: " if name in hubs.hubs else "an island: " if name in hubs.islands else ""
    return f"{kind}a draw gives {given.mean:.2f} to others and {own.mean:.2f} to itself, mean draw 1"
