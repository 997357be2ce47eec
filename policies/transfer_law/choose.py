"""From a law to a mixture: plan, weigh the uncertainty, guard, and step."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from policies.allocation.optimism import optimism
from policies.allocation.plan import binding, optimise, probability
from policies.allocation.problem import Problem, published_gain
from policies.records import Interval

Array = NDArray[np.float64]

FRACTIONS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
COVERED = 2.0  # sds of optimism that a bar of 0.93 covers: as much as where 5 domains have nothing to gain
STAY = 0.12  # once away from the baseline, so much less certainty is needed to stay away


@dataclasses.dataclass(frozen=True)
class Rules:
    """How bold a law-driven policy is.

    caution: standard deviations taken off a predicted gain when mixtures are compared; sure: least
    probability that the plan ends better than the baseline; least_gain: smallest predicted gain
    worth leaving the baseline for; step: most of the mixture that may move at once (total variation); partly: whether a
    part of the way will do where the whole is not sure enough; optimism: part of what a plan promises too much on
    average (see `optimism`), beyond `COVERED` of its sds, that is taken off its gain.
    """

    caution: float
    sure: float
    least_gain: float
    step: float
    partly: bool = True
    optimism: float = 0.0


@dataclasses.dataclass(frozen=True)
class Choice:
    """A mixture (K,), and the code of the reason.

    gain: of the plan aimed at, from here on, over going back to the baseline; better: probability
    that it is positive; bar: the probability that was asked for.
    """

    mixture: Array
    gain: Interval
    better: float
    bar: float
    reason: str
    binding: tuple[str, ...]


def _gain(problem: Problem, mixture: Array) -> tuple[float, float]:
    return problem.gain(problem.final(mixture), problem.final(problem.baseline))


def cautious_plan(problem: Problem, rules: Rules, bar: float | None) -> tuple[Array, float, float, tuple[str, ...]]:
    """The point on the way from the baseline to the optimum with the largest mean - caution * sd gain.

    Of those that are better than the baseline with probability `bar`, if it is given and any is. The gain is concave
    along that way and its uncertainty nearly linear, so an unsure law goes a part of the way and a
    useless one stays at the baseline. What a plan promises only because it was chosen is taken off, as far as the bar
    does not ask for it already.
    """
    y, _, labels = optimise(problem)
    best = problem.feasible.mixture(y)
    base = problem.feasible.mixture(problem.feasible.cost_shares(problem.baseline))
    choices = [(base, 0.0, 0.0)]
    promised = optimism(problem, best) if rules.optimism else 0.0
    for fraction in FRACTIONS:
        mixture = (1.0 - fraction) * base + fraction * best
        mean, sd = _gain(problem, mixture)
        choices.append((mixture, mean - rules.optimism * max(fraction * promised - COVERED * sd, 0.0), sd))
    sure = [choice for choice in choices[1:] if bar is not None and probability(*choice[1:]) >= bar]
    mixture, mean, sd = max(sure or choices, key=lambda choice: choice[1] - rules.caution * choice[2])
    return mixture, mean, sd, binding(problem, mixture, labels)


def step_towards(current: Array, aim: Array, step: float) -> Array:
    """`aim`, or the point on the way there that moves no more than `step` of the mixture."""
    distance = 0.5 * float(np.abs(aim - current).sum())
    if distance <= step:
        return aim
    mixed: Array = current + (aim - current) * (step / distance)
    return mixed


def choose(problem: Problem, current: Array, rules: Rules, *, away: bool) -> Choice:
    """The mixture for the next interval, given the one in use.

    The baseline is left only if the plan ends better with probability `sure`; once away, the bar
    to stay is lower, so that noise does not throw the mixture to and fro, and a gain that is small since little is
    left of the budget is no reason to go back.
    """
    bar = rules.sure if not away else rules.sure - STAY
    aim, mean, sd, bound = cautious_plan(problem, rules, bar if rules.partly else None)
    better = probability(mean, sd) if mean else 0.0
    base = problem.feasible.mixture(problem.feasible.cost_shares(problem.baseline))
    if better < bar or (mean < rules.least_gain and not away):
        kept = step_towards(current, base, rules.step)
        return Choice(kept, published_gain(mean, sd), better, bar, "kept: no gain beyond uncertainty", ())
    moved = step_towards(current, aim, rules.step)
    return Choice(moved, published_gain(mean, sd), better, bar, "refit", bound)
