"""A whole run in one process, without Ray: for studies over seeds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from policies import Decision, make_policy
from trainers.advisor import PolicyAdvisor
from trainers.config.data import DataConfig
from trainers.config.model import ModelConfig
from trainers.config.training import TrainConfig, eval_crops_for
from trainers.loop import LocalComm, TrainJob, TrainResult, rate_plan, run
from trainers.volumes import prepare


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What the runs of a study have in common."""

    data: Mapping[str, Any]
    budget: int
    interval: int
    model: Mapping[str, Any]
    train: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended, and every decision by position."""

    result: TrainResult
    decisions: tuple[Decision, ...]

    @property
    def mean_log(self) -> float:
        """Mean log of the final held-out losses."""
        losses = self.result.eval_loss.values()
        return math.fsum(map(math.log, losses)) / len(losses)


def run_locally(recipe: Recipe, policy: str, seed: int, folder: Path) -> Outcome:
    """Train with `policy` in this process; everything it writes goes into `folder`."""
    torch.set_num_threads(1)
    data, train = DataConfig.model_validate(dict(recipe.data)), TrainConfig.model_validate(dict(recipe.train))
    crops = eval_crops_for(train, recipe.budget, recipe.interval, len(data.domains))
    prepared = prepare(data, seed=0, eval_crops=crops)
    domains = [data.domains[name].policy_domain(name, domain.pool) for name, domain in prepared.domains.items()]
    plan = rate_plan(train, recipe.budget)
    advisor = PolicyAdvisor(
        make_policy(policy, domains, recipe.budget, interval=recipe.interval, lr_plan=plan, seed=seed), recipe.interval
    )
    job = TrainJob(
        name=f"{policy}-{seed}",
        run_dir=str(folder),
        seed=seed,
        budget=recipe.budget,
        interval=recipe.interval,
        train=train,
        model=ModelConfig.model_validate(dict(recipe.model)),
        data=prepared,
        advisor=lambda: advisor,
    )
    result = run(job, LocalComm())
    return Outcome(result, tuple(advisor.answers[position] for position in sorted(advisor.answers)))
