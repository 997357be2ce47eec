"""What a training run is given, and what it gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainers.advisor import Advisor
from trainers.config.model import ModelConfig
from trainers.config.training import TrainConfig, check_times
from trainers.volumes.records import PreparedData


@dataclasses.dataclass(frozen=True)
class TrainJob:
    """All that a worker needs; picklable, and small.

    Parameters
    ----------
    name:
        Of the run.
    run_dir:
        Where checkpoints, traces and progress go; all workers must see it.
    budget, interval:
        Draws of the whole run, and draws between two changes of the mixture.
    advisor:
        Makes the advisor, on rank 0.
    mlflow_run_id:
        Stored in checkpoints, not used.
    journal_digest:
        Called on rank 0 after each answer of the advisor; the last value is stored in checkpoints.

    Raises `BadSetup` where batch, interval, lag and budget do not fit together.
    """

    name: str
    run_dir: str
    seed: int
    budget: int
    interval: int
    train: TrainConfig
    model: ModelConfig
    data: PreparedData
    advisor: Callable[[], Advisor]
    mlflow_run_id: str | None = None
    journal_digest: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        check_times(self.train, self.budget, self.interval)

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.data.domains)

    @property
    def checkpoint_dir(self) -> Path:
        return Path(self.run_dir) / "checkpoints"

    def identity(self) -> dict[str, Any]:
        """What the stream and the weights depend on; a resumed run must have the same."""
        return {
            "seed": self.seed,
            "budget": self.budget,
            "interval": self.interval,
            "data": self.data.digest,
            "domains": list(self.domains),
            "model": self.model.model_dump(mode="json"),
            "train": self.train.recipe() | {"decision_lag": self.train.lag(self.interval)},
        }


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    `eval_loss` and `eval_sem` are the last held-out losses by domain, `draws` what was learnt from.
    `train_seconds` and `eval_seconds` are summed over the workers since the run was last resumed
    (from draw `resumed_from`): CPU seconds on CPUs, wall seconds on GPUs.
    """

    position: int
    eval_loss: dict[str, float]
    eval_sem: dict[str, float]
    draws: dict[str, float]
    skipped_steps: int
    masked_draws: dict[str, float]
    schedule: dict[str, Any]
    checkpoint: str
    resumed_from: int
    train_seconds: float
    eval_seconds: float

    @property
    def eval_share(self) -> float:
        """Part of the compute that held-out evaluation took."""
        return self.eval_seconds / max(self.eval_seconds + self.train_seconds, 1e-9)
