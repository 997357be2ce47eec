"""The training loop on Ray Train: the only file of this package that imports Ray.

Ray starts the workers, connects them and replaces those that die. Everything else is the loop's:
it takes up its own newest checkpoint, so a restarted group, a resubmitted driver and `--resume` are
one and the same thing. What no restart can cure comes back as a value, not as an exception, so that
Ray does not try it again.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainers.config.training import RayConfig
from trainers.faults import VARIABLE as FAULT_VARIABLE
from trainers.loop.errors import OutOfMemory, RunStopped
from trainers.loop.job import TrainJob, TrainResult
from trainers.loop.memory import take_word

if TYPE_CHECKING:
    from trainers.loop.comm import Comm

AUTH_VARIABLE = "RAY_AUTH_MODE"
SECONDS_BETWEEN_REPORTS = 10.0  # ray.train.report can cost two seconds
WITHOUT_LIMIT_SECONDS = 30 * 24 * 3600


class WorkersLost(RuntimeError):
    """Ray gave up on the workers: see to the cluster and resume; the last good checkpoint is kept."""


def fit(job: TrainJob, ray: RayConfig) -> TrainResult:
    """Run `job` on the cluster this process is connected to (or on a local one), to its end.

    Raises
    ------
    RunStopped, ValueError
        As `trainers.loop.run`: nothing was retried.
    WorkersLost
        After more than `max_failures` losses, or if Ray itself failed.
    """
    os.environ.setdefault(AUTH_VARIABLE, "disabled")  # never left to a file that some ray.init() wrote once
    from ray.train import CheckpointConfig, FailureConfig, LoggingConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    take_word(job)  # of an attempt that was killed
    trainer = TorchTrainer(
        train_worker,
        train_loop_config={"job": job},
        torch_config=TorchConfig(
            backend="nccl" if ray.use_gpu else "gloo",
            timeout_s=WITHOUT_LIMIT_SECONDS if job.train.deterministic else ray.collective_timeout_seconds,
        ),
        scaling_config=ScalingConfig(
            num_workers=ray.workers,
            use_gpu=ray.use_gpu,
            resources_per_worker=worker_resources(ray),
            elastic_resize_monitor_interval_s=ray.resize_seconds,
        ),
        run_config=RunConfig(
            name=job.name,
            storage_path=str(ray_folder(job)),
            failure_config=FailureConfig(max_failures=ray.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            logging_config=LoggingConfig(log_level="WARNING"),
            worker_runtime_env={"env_vars": worker_variables(ray)},
        ),
    )
    try:
        outcome = trainer.fit().return_value
    except TrainingFailedError as error:
        if (said := take_word(job)) is not None:
            raise OutOfMemory(said) from None
        raise WorkersLost(f"Ray Train gave up on run '{job.name}': {error}") from error
    if isinstance(outcome, Exception):
        raise outcome
    if not isinstance(outcome, TrainResult):
        raise WorkersLost(f"Ray Train ended run '{job.name}' without a result; resume it")
    return outcome


def train_worker(config: dict[str, Any]) -> TrainResult | Exception:
    """What each worker runs. Torch and MONAI are imported here, never in the driver."""
    import torch
    from ray.train.torch import get_device

    from trainers.loop.comm import DistComm
    from trainers.loop.training import run

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    comm = DistComm(get_device())
    try:
        return run(config["job"], comm, _PointerReports(comm, config["job"]))
    except (RunStopped, ValueError) as error:
        return error


class _PointerReports:
    """Tells Ray where our checkpoint lies; all ranks together, not too often, and of the last one always."""

    def __init__(self, comm: Comm, job: TrainJob) -> None:
        self._comm, self._budget, self._last = comm, job.budget, -math.inf
        self._folder = ray_folder(job) / "newest"

    def __call__(self, path: Path, position: int) -> None:
        import torch

        due = position == self._budget or time.monotonic() - self._last >= SECONDS_BETWEEN_REPORTS
        if not bool(self._comm.broadcast(torch.tensor([due], dtype=torch.uint8))):
            return
        self._last = time.monotonic()
        self._report(path, position)

    def _report(self, path: Path, position: int) -> None:
        from ray.train import Checkpoint, report

        if self._comm.rank != 0:
            report({"position": position})
            return
        self._folder.mkdir(parents=True, exist_ok=True)  # no temporary folder, which a killed worker would leave
        (self._folder / "pointer.json").write_text(json.dumps({"path": str(path), "position": position}))
        report({"position": position}, checkpoint=Checkpoint.from_directory(self._folder))


def ray_folder(job: TrainJob) -> Path:
    """What Ray Train keeps of a run: pointers to our checkpoints."""
    return (Path(job.run_dir) / "ray").resolve()


def worker_resources(ray: RayConfig) -> dict[str, float]:
    resources = {"CPU": ray.cpus_per_worker, **ray.resources}
    return resources | {"GPU": 1} if ray.use_gpu else resources


def worker_variables(ray: RayConfig) -> dict[str, str]:
    """The driver's environment does not reach workers by itself; what they need of it goes here."""
    variables = {AUTH_VARIABLE: os.environ[AUTH_VARIABLE]}
    if not ray.use_gpu:
        variables["OMP_NUM_THREADS"] = str(ray.threads_per_worker)
    if FAULT_VARIABLE in os.environ:
        variables[FAULT_VARIABLE] = os.environ[FAULT_VARIABLE]
    return variables
