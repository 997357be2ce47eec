"""How to train: recipe, batches, evaluation, checkpoints. All lengths are in draws unless a name says otherwise."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from policies.records import BadSetup
from trainers.config.base import Strict

FORWARD_COST = 1 / 3  # a forward pass, relative to a whole training sample
BACKWARD_COST = 1.0  # another forward pass, with gradients
FEWEST_EVAL_CROPS = 2  # one crop has no standard error

# What may differ between a run and its resumption: nothing here changes what is drawn or what is learnt from it.
FREE_ON_RESUME = frozenset(
    {
        "micro_batch",
        "precision",
        "compile",
        "sharding",
        "loader_workers",
        "prefetch_factor",
        "advisor_timeout_seconds",
        "deterministic",
        "checkpoint_every",
        "keep_checkpoints",
        "max_missing",
        "trace",
        "progress_seconds",
    }
)


class TrainConfig(Strict):
    """The recipe of training: batches, optimiser, evaluation, checkpoints. Lengths are in draws.

    Attributes
    ----------
    global_batch:
        Draws of one optimiser step over all workers. The stream does not depend on the number of workers.
    micro_batch:
        Draws that a worker puts through the model at a time; gradients are accumulated. Null: all at once.
    lr:
        Peak learning rate.
    min_lr:
        Learning rate that the decay ends in.
    warmup:
        Draws over which the rate climbs to its peak; a number below 1 is a fraction of the budget.
    schedule:
        `wsd` (warm-up, stable, decay) stays at the peak and falls linearly at the end; `cosine` falls from the end
        of the warm-up on.
    decay_fraction:
        Last part of the budget over which `wsd` falls.
    weight_decay:
        Decoupled weight decay of AdamW; none on norms, biases and tokens.
    betas:
        Decay rates of AdamW's first and second moments, each in [0, 1).
    clip:
        Largest norm of the gradient; a longer one is scaled down to it.
    flip_axes:
        Axes (0, 1, 2 = right, anterior, superior) along which crops are mirrored at random.
    ema:
        Decay per step of the moving average of weights that is evaluated; it starts warm.
    precision:
        `fp32`, or `bf16` autocast (CPU and CUDA).
    compile:
        Whether `torch.compile` is used; acts on CUDA only.
    sharding:
        `ddp` keeps whole weights on each worker, `fsdp` shards them.
    loader_workers:
        Loader processes of each worker; 0 reads in the training process.
    prefetch_factor:
        Batches that each loader process reads ahead.
    decision_lag:
        Draws between a held-out evaluation and the interval boundary that its decision applies from; training goes
        on meanwhile. Null: half an interval.
    eval_fraction:
        Largest share of the compute for held-out evaluation, in (0, 0.5]; sets the number of held-out crops.
    max_eval_crops:
        Most held-out crops of a domain, however large the budget.
    gradient_products:
        Report how far the domains' gradients agree, on the held-out crops. Policies then need fewer probes, but an
        evaluation costs four times as much: with `eval_fraction` as it is there are a quarter of the crops.
    advisor_timeout_seconds:
        Seconds to wait for a decision before the mixture is held.
    deterministic:
        Wait for each decision without limit, so that two runs never differ by a late answer.
    checkpoint_every:
        Draws between checkpoints. Null: one after each evaluation. There is always one at the end.
    keep_checkpoints:
        How many of the newest checkpoints are kept; the best by held-out loss is kept as well.
    max_missing:
        Largest part of a domain's crops that may turn out unreadable before the run stops.
    trace:
        Write every draw to trace-<rank>.jsonl in the run's folder.
    progress_seconds:
        Seconds between two renewals of progress.json in the run's folder.
    """

    global_batch: PositiveInt = 32
    micro_batch: PositiveInt | None = None
    lr: PositiveFloat = 1e-3
    min_lr: float = Field(default=0.0, ge=0)
    warmup: PositiveFloat | Literal[0] = 0.05
    schedule: Literal["wsd", "cosine"] = "wsd"
    decay_fraction: float = Field(default=0.2, ge=0, le=1)
    weight_decay: float = Field(default=0.05, ge=0)
    betas: tuple[float, float] = (0.9, 0.95)
    clip: PositiveFloat = 1.0
    flip_axes: tuple[Literal[0, 1, 2], ...] = ()
    ema: float = Field(default=0.99, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    sharding: Literal["ddp", "fsdp"] = "ddp"
    loader_workers: int = Field(default=0, ge=0)
    prefetch_factor: PositiveInt = 2
    decision_lag: PositiveInt | None = None
    eval_fraction: float = Field(default=0.05, gt=0, le=0.5)
    max_eval_crops: PositiveInt = 256
    gradient_products: bool = False
    advisor_timeout_seconds: PositiveFloat = 120.0
    deterministic: bool = False
    checkpoint_every: PositiveInt | None = None
    keep_checkpoints: PositiveInt = 2
    max_missing: float = Field(default=0.2, ge=0, lt=1)
    trace: bool = False
    progress_seconds: PositiveFloat = 2.0

    @model_validator(mode="after")
    def _consistent(self) -> TrainConfig:
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr is {self.min_lr}, above lr = {self.lr}; set it to at most lr")
        if self.micro_batch is not None and self.micro_batch > self.global_batch:
            raise ValueError(
                f"micro_batch is {self.micro_batch}, above global_batch = {self.global_batch}; "
                "leave it out to put each worker's draws through at once"
            )
        if self.gradient_products and self.sharding == "fsdp":
            raise ValueError("gradient_products is true with sharding = fsdp, which holds no whole gradient; set ddp")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas are {self.betas}; each must lie in [0, 1)")
        return self

    @property
    def horizon(self) -> int:
        """Draws that may have been handed to the loader before they are learnt from."""
        return self.global_batch * (self.loader_workers * self.prefetch_factor + 2)

    def lag(self, interval: int) -> int:
        """`decision_lag`, or half an interval in whole batches."""
        if self.decision_lag is not None:
            return self.decision_lag
        half = interval // (2 * self.global_batch) * self.global_batch
        return max(half, min(self.horizon + self.global_batch, interval - self.global_batch))

    def warmup_draws(self, budget: int) -> float:
        return self.warmup * budget if self.warmup < 1 else self.warmup

    def recipe(self) -> dict[str, Any]:
        """What must be the same when a run is resumed."""
        return self.model_dump(mode="json", exclude=set(FREE_ON_RESUME))


def check_times(train: TrainConfig, budget: int, interval: int) -> None:
    """Raise `BadSetup` unless batch, interval, lag and budget fit together; the message says what to set."""
    batch, lag = train.global_batch, train.lag(interval)
    if interval < batch or interval % batch:
        near = max(batch, round(interval / batch) * batch)
        raise BadSetup(f"interval is {interval}, not a multiple of global_batch = {batch}; set interval to {near}")
    if budget < interval or budget % interval:
        near = max(interval, round(budget / interval) * interval)
        raise BadSetup(f"budget is {budget}, not a multiple of interval = {interval}; set budget to {near}")
    if lag % batch:
        near = lag // batch * batch + batch
        raise BadSetup(f"decision_lag is {lag}, not a multiple of global_batch = {batch}; set it to {near}")
    if lag >= interval:
        raise BadSetup(f"decision_lag is {lag}, not below the interval of {interval}; lower it, or leave it out")
    if lag <= train.horizon:
        raise BadSetup(
            f"decision_lag is {lag}; it must be above the {train.horizon} draws that the loader reads ahead: "
            f"set interval to at least {train.horizon + 2 * batch}, or lower loader_workers or prefetch_factor"
        )
    if train.warmup_draws(budget) >= budget:
        raise BadSetup(f"warmup is {train.warmup_draws(budget):g} draws, not below the budget of {budget}; lower it")


def eval_crops_for(train: TrainConfig, budget: int, interval: int, domains: int) -> int:
    """Held-out crops of each domain so that evaluation takes at most `eval_fraction` of the compute.

    With E = budget / interval evaluations of K domains, C crops each, at c = 1/3 of a training sample
    a crop (4/3 with gradient products): the largest C with E K C c <= eval_fraction (budget + E K C c), but no
    more than `max_eval_crops`. Raises `BadSetup` where fewer than two are left.
    """
    share = train.eval_fraction
    cost = FORWARD_COST + (BACKWARD_COST if train.gradient_products else 0.0)
    crops = int(share / (1 - share) * budget / cost / (budget // interval * domains))
    if crops < FEWEST_EVAL_CROPS:
        needed = math.ceil(FEWEST_EVAL_CROPS * domains * cost * (1 - share) / share)
        raise BadSetup(
            f"eval_fraction = {share} leaves {crops} held-out crops for each of {domains} domains; "
            f"set interval to at least {needed} draws, or raise eval_fraction"
        )
    return min(crops, train.max_eval_crops)


class RayConfig(Strict):
    """How training is spread over the cluster.

    Attributes
    ----------
    workers:
        Number of training workers, or [fewest, most] for a run that shrinks and grows with the cluster.
    use_gpu:
        One GPU for each worker.
    cpus_per_worker:
        CPUs that Ray sets aside for each worker.
    resources:
        Further Ray resources of each worker, by name.
    max_failures:
        How often lost workers are replaced before the run gives up; -1: without limit.
    collective_timeout_seconds:
        Seconds without the other ranks after which a rank gives up and the group is restarted.
    threads_per_worker:
        OpenMP threads of a CPU worker. More than one is slower on a busy machine.
    resize_seconds:
        Seconds between two looks of an elastic run for new machines.
    """

    workers: PositiveInt | tuple[PositiveInt, PositiveInt] = 2
    use_gpu: bool = False
    cpus_per_worker: PositiveFloat = 1.0
    resources: dict[str, float] = Field(default_factory=dict)
    max_failures: int = Field(default=100, ge=-1)
    collective_timeout_seconds: PositiveInt = 600
    threads_per_worker: PositiveInt = 1
    resize_seconds: PositiveFloat = 60.0

    @model_validator(mode="after")
    def _ordered(self) -> RayConfig:
        if isinstance(self.workers, tuple) and self.workers[0] > self.workers[1]:
            raise ValueError(f"workers is {list(self.workers)}; write the fewest first")
        return self

    @property
    def most_workers(self) -> int:
        return self.workers if isinstance(self.workers, int) else self.workers[1]
