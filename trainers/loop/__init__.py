"""The training loop: pure torch, on one process or many; knows an advisor, nothing of Ray."""

from trainers.loop.comm import Comm, DistComm, LocalComm
from trainers.loop.errors import (
    AdvisorSilent,
    CheckpointFailed,
    NonFiniteLoss,
    ResumeRefused,
    RunStopped,
    TooMuchMissing,
)
from trainers.loop.job import TrainJob, TrainResult
from trainers.loop.progress import read_progress
from trainers.loop.rate import learning_rate, rate_sum
from trainers.loop.run import run
from trainers.loop.trace import read_trace

__all__ = [
    "AdvisorSilent",
    "CheckpointFailed",
    "Comm",
    "DistComm",
    "LocalComm",
    "NonFiniteLoss",
    "ResumeRefused",
    "RunStopped",
    "TooMuchMissing",
    "TrainJob",
    "TrainResult",
    "learning_rate",
    "rate_sum",
    "read_progress",
    "read_trace",
    "run",
]
