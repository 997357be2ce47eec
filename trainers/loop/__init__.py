"""The training loop: pure torch, on one process or many; knows an advisor, nothing of Ray.

Importing this package is cheap. Names that need torch or MONAI are imported when first used, so that
a process that only describes a job or reads its traces does not pay for them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from trainers.loop.errors import (
    AdvisorSilent,
    CheckpointFailed,
    NonFiniteLoss,
    ResumeRefused,
    RunStopped,
    ScheduleDiffers,
    TooMuchMissing,
)
from trainers.loop.job import TrainJob, TrainResult
from trainers.loop.progress import read_progress
from trainers.loop.rate import learning_rate, rate_plan, rate_sum

if TYPE_CHECKING:
    from trainers.loop.comm import Comm, DistComm, LocalComm
    from trainers.loop.ranks import run_ranks
    from trainers.loop.trace import read_trace
    from trainers.loop.training import run

_LATER = {
    "Comm": "comm",
    "DistComm": "comm",
    "LocalComm": "comm",
    "read_trace": "trace",
    "run": "training",
    "run_ranks": "ranks",
}

__all__ = [
    "AdvisorSilent",
    "CheckpointFailed",
    "Comm",
    "DistComm",
    "LocalComm",
    "NonFiniteLoss",
    "ResumeRefused",
    "RunStopped",
    "ScheduleDiffers",
    "TooMuchMissing",
    "TrainJob",
    "TrainResult",
    "learning_rate",
    "rate_plan",
    "rate_sum",
    "read_progress",
    "read_trace",
    "run",
    "run_ranks",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
