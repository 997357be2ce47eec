"""The learning rate as a function of the position alone, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math

from trainers.config.training import TrainConfig

PLAN_POINTS = 256


def learning_rate(train: TrainConfig, budget: int, position: int) -> float:
    """Rate of the step that begins at `position`.

    Linear warm-up; then `wsd`: constant, and linear to `min_lr` over the last `decay_fraction` of
    the budget; or `cosine`: half a cosine from the end of the warm-up to `min_lr` at the budget.
    """
    warmup = train.warmup_draws(budget)
    reached = position + train.global_batch
    if reached < warmup:
        return train.lr * reached / warmup
    if train.schedule == "cosine":
        part = (position - warmup) / (budget - warmup)
        return train.min_lr + (train.lr - train.min_lr) * 0.5 * (1 + math.cos(math.pi * max(0.0, part)))
    decay = train.decay_fraction * budget
    left = (budget - position) / decay if decay else 1.0
    return train.min_lr + (train.lr - train.min_lr) * min(1.0, left)


def rate_sum(train: TrainConfig, budget: int, position: int) -> float:
    """Sum of the rates of all steps before `position`: the time axis of a law with an annealing term."""
    return math.fsum(learning_rate(train, budget, p) for p in range(0, position, train.global_batch))


def rate_plan(train: TrainConfig, budget: int) -> list[list[float]]:
    """Pairs (position, sum of the rates of all steps before it), thinned evenly: what a policy knows beforehand."""
    every = max(1, budget // train.global_batch // PLAN_POINTS) * train.global_batch
    total, pairs = 0.0, []
    for position in range(0, budget, train.global_batch):
        if position % every == 0:
            pairs.append([float(position), total])
        total += learning_rate(train, budget, position)
    return [*pairs, [float(budget), total]]
