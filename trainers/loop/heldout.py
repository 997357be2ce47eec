"""Held-out losses on the moving average of the weights, over all ranks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import torch

from policies.records.checks import json_mapping, plain_mapping
from trainers.loop.comm import Comm
from trainers.loop.ema import Ema
from trainers.loop.gradients import Products, gradient_products
from trainers.loop.job import TrainJob
from trainers.loop.parallel import Learner
from trainers.model.evaluation import HeldOutSet, Tally, evaluate
from trainers.model.shape import resolve_shape

MASK_SEED = 0
"""Held-out masks do not depend on the seed of the run, so that runs are compared on the same thing."""


@dataclasses.dataclass(frozen=True)
class HeldOutLosses:
    """By domain: mean, standard error over crops, and crops that could not be read."""

    mean: dict[str, float]
    sem: dict[str, float]
    missing: dict[str, int]

    @property
    def score(self) -> float | None:
        """Mean log loss over domains; None where one was not measured."""
        values = list(self.mean.values())
        return math.fsum(map(math.log, values)) / len(values) if all(v > 0 for v in values) else None

    def to_dict(self) -> dict[str, Any]:
        return {"mean": json_mapping(self.mean), "sem": json_mapping(self.sem), "missing": self.missing}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> HeldOutLosses:
        return cls(plain_mapping(body["mean"]) or {}, plain_mapping(body["sem"]) or {}, dict(body["missing"]))


class Examiner:
    """The held-out crops of this rank, and how to evaluate them."""

    def __init__(self, job: TrainJob, comm: Comm) -> None:
        shape = resolve_shape(job.model, job.data.crop)
        share = -(-job.train.global_batch // comm.world)
        self.comm, self.domains = comm, job.domains
        self.precision = torch.bfloat16 if job.train.precision == "bf16" else None
        self.crops = {name: len(domain.held_out) for name, domain in job.data.domains.items()}
        self.held_out = HeldOutSet(
            job.data,
            seed=MASK_SEED,
            tokens=shape.tokens,
            visible=shape.visible,
            batch=job.train.micro_batch or share,
            rank=comm.rank,
            world=comm.world,
        )

    def products(self, learner: Learner, ema: Ema) -> Products:
        """Called by all ranks at the same position; the same on all of them."""
        with ema.applied():
            found = gradient_products(learner, self.held_out, self.domains, self.comm, precision=self.precision)
        return {target: _finite(row) for target, row in found.items()}

    def losses(self, learner: Learner, ema: Ema) -> HeldOutLosses:
        """Called by all ranks at the same position; the same on all of them."""
        with ema.applied(), learner.whole():
            own = evaluate(
                learner.model, self.held_out, len(self.domains), device=self.comm.device, precision=self.precision
            )
        tally = Tally.of(self.comm.sum(own.stacked()))
        counted = dict(zip(self.domains, tally.count.tolist(), strict=True))
        return HeldOutLosses(
            mean=_finite(tally.mean(self.domains)),
            sem=_finite(tally.sem(self.domains)),
            missing={name: n - int(counted[name]) for name, n in self.crops.items() if n > counted[name]},
        )


def _finite(values: dict[str, float]) -> dict[str, float]:
    """What is not finite was not measured."""
    return {name: value if math.isfinite(value) else math.nan for name, value in values.items()}
