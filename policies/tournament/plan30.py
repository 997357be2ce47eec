"""The plan published at 30 % of the budget, frozen and rolled out without noise: was it true?

`published_plan` returns JSON:

    position, weights          when the plan was made, and its mixture
    predicted                  by target: final loss {mean, low, high} (90 %); None for policies without a law
    truth                      by target: final loss if the mixture is frozen; None where the world does not tell
    truth_mean                 mean log loss of that end
    gain                       predicted {mean, low, high}: the baseline's end less the plan's, in mean log loss
    truth_gain                 the same in truth; None where the world cannot start afresh
    ahead                      for budgets 2, 4, 8 and 16 times the draws so far, by target and in log loss
                               since the report at 30 %: {factor, law, low, high, own, truth}
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.bounds import carry_over
from policies.laws.rates import fallen
from policies.policy import BasePolicy, Policy
from policies.records import Decision, LossReport
from policies.tournament.own_power import carried_forward
from policies.tournament.rollout import final_losses, hold
from policies.worlds import World

Array = NDArray[np.float64]

FACTORS = (2, 4, 8, 16)


def published_plan(
    policy: BasePolicy | Policy, decision: Decision, world: Any, position: int, reports: Sequence[LossReport]
) -> dict[str, Any]:
    """The plan of `decision` and its truth; neither `world` nor `policy` is touched."""
    end = _frozen(world, decision.weights, int(world.budget) - position)
    predicted = decision.predicted
    return {
        "position": position,
        "weights": dict(decision.weights),
        "predicted": None if predicted is None else {name: value.to_dict() for name, value in predicted.items()},
        "truth": final_losses(end),
        "truth_mean": float(end.score()),
        "gain": None if decision.gain is None else decision.gain.to_dict(),
        "truth_gain": _baseline_end(policy, world, float(end.score())),
        "ahead": [] if policy.law is None else _ahead(policy, decision, world, position, reports),
    }


def _frozen(world: Any, weights: Mapping[str, float], draws: int) -> Any:
    """A copy of `world` after `draws` more at a frozen mixture; a domain that joins gets an equal part."""
    ahead = copy.deepcopy(world)
    if draws > 0:
        hold(ahead, lambda domains: _over(weights, domains), draws)
    return ahead


def _over(weights: Mapping[str, float], domains: Any) -> Mapping[str, float]:
    return weights if set(weights) == {domain.name for domain in domains} else carry_over(weights, domains)


def _baseline_end(policy: BasePolicy | Policy, world: Any, planned: float) -> float | None:
    if not hasattr(world, "fresh"):
        return None
    fresh = world.fresh()
    baseline = policy.baseline
    start = {domain.name: baseline.get(domain.name, 0.0) for domain in fresh.domains}
    total = math.fsum(start.values())
    start = {name: share / total for name, share in start.items()}
    hold(fresh, lambda domains: _over(start, domains), int(world.budget))
    return float(fresh.score()) - planned


def _ahead(
    policy: BasePolicy | Policy, decision: Decision, world: Any, position: int, reports: Sequence[LossReport]
) -> list[dict[str, Any]]:
    """Change of log loss from now to larger budgets: by the law, by each domain's own power law, in truth."""
    law, now = policy.law, final_losses(world)
    if law is None or now is None or not reports:
        return []
    lr = world.spec.lr if isinstance(world, World) else None
    beyond = isinstance(world, World) and lr is None  # a schedule of learning rates ends with the budget
    factors = [f for f in FACTORS if beyond or f * position <= world.budget]
    spent = np.array([reports[-1].draws.get(name, 0.0) for name in law.domains])
    shares = np.array([decision.weights.get(name, 0.0) for name in law.domains])
    draws = np.array([spent, *(spent + (f - 1) * position * shares for f in factors)])
    places = np.array([f * position for f in (1, *factors)])
    time = None if lr is None else np.array([lr.at(place) for place in places])
    anneal = 0.0 if lr is None else np.interp(places, lr.position, fallen(lr.position, lr.lr_sum))
    prediction = law.predict(draws, time, anneal=anneal)
    own = carried_forward(reports, law.domains, law.targets, draws)
    ends = [final_losses(_frozen(world, decision.weights, (f - 1) * position)) for f in factors]
    return [
        _row(target, k, factors[k], i, prediction, own, math.log(end[target] / now[target]))
        for k, end in enumerate(ends)
        if end is not None
        for i, target in enumerate(law.targets)
        if target in now
    ]


def _row(target: str, k: int, factor: int, i: int, prediction: Any, own: Array, truth: float) -> dict[str, Any]:
    mean, low, high = (np.log(part) for part in (prediction.mean, prediction.low, prediction.high))
    start = mean[0, i]
    return {
        "target": target,
        "factor": factor,
        "law": float(mean[k + 1, i] - start),
        "low": float(low[k + 1, i] - start),
        "high": float(high[k + 1, i] - start),
        "own": float(own[k + 1, i] - own[0, i]),
        "truth": truth,
    }
