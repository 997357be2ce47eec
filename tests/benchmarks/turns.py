"""Inside a Ray Train worker: the product's loop and the bare one in turn, each charged its CPU-seconds.

The product trains as it always does. After each of its checkpoints, which follow each report, the bare
loop trains for as many draws in the same process, so both meet the same machine, busy or not. The answer
to the report is awaited before, so that none of the product's work falls into the bare loop's time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import torch
from ray.train.torch import get_device

from tests.benchmarks.bare import BareLoop
from trainers.loop.comm import Comm, DistComm
from trainers.loop.job import TrainJob, TrainResult
from trainers.loop.training import Training
from trainers.ray_train import _PointerReports

QUIET_SECONDS, QUIET_SHARE, LONGEST_WAIT_SECONDS = 2.0, 0.1, 90.0
ACTORS = {"owner": "ray::OwnerActor", "tracker": "ray::TrackerActor"}


def worker(config: dict[str, Any]) -> TrainResult:
    """Stands in for `trainers.ray_train.train_worker`."""
    torch.set_num_threads(1)
    job, comm = config["job"], DistComm(get_device())
    training = Training(job, comm, None)
    turns = training.on_checkpoint = Turns(training, warm_up=config["job"].interval * WARM_UP_INTERVALS)
    try:
        training.begin()
        training.train()
        result = training.finish()
    finally:
        training.close(False)
    turns.write(Path(job.run_dir))
    return result


WARM_UP_INTERVALS = 4  # the first law is fitted to the fourth report


class Turns:
    """Called after each checkpoint on all ranks; `turns` holds a row for each stretch of training."""

    def __init__(self, training: Training, warm_up: int) -> None:
        self.training, self.warm_up = training, warm_up
        self.job: TrainJob = training.job
        self.comm: Comm = training.comm
        self.pointers = _PointerReports(self.comm, self.job.budget)
        self.bare = BareLoop(self.job, self.comm)
        self.turns: list[dict[str, Any]] = []
        self.idle_share = 0.0
        self.beside: list[dict[str, float]] = []
        self._began: tuple[int, float, float] | None = None

    def __call__(self, path: Path, position: int) -> None:
        self.pointers(path, position)
        self._hear()
        if self._began is not None:
            start, cpu, evaluated = self._began
            evaluation = self.training.clock.eval_seconds - evaluated
            spent = time.process_time() - cpu - evaluation
            self._add("ours", position - start, spent, evaluation)
            self._bare(position - start)
        elif position >= self.warm_up - self.job.interval:
            self._bare(self.job.interval)
            self.turns.clear()
            self._settle()
        if self.turns or position >= self.warm_up - self.job.interval:
            self._began = position, time.process_time(), self.training.clock.eval_seconds

    def write(self, folder: Path) -> None:
        self._quiet()
        self._look_beside()
        body = {"turns": self.turns, "idle_share": self.idle_share, "beside": self.beside}
        (folder / f"turns-{self.comm.rank}.json").write_text(json.dumps(body))

    def _bare(self, draws: int) -> None:
        self.comm.sum(torch.zeros(1))
        began = time.process_time()
        self.bare.train(draws)
        self._add("bare", draws, time.process_time() - began)
        self.comm.sum(torch.zeros(1))

    def _add(self, who: str, draws: int, seconds: float, evaluation: float = 0.0) -> None:
        self.turns.append({"who": who, "draws": draws, "seconds": seconds, "evaluation": evaluation})

    def _hear(self) -> None:
        """Wait for the answer to the report, without taking it: the loop does that at the boundary."""
        question = self.training.consultation._question
        if question is not None:
            question.answer.result(self.job.train.advisor_timeout_seconds)

    def _settle(self) -> None:
        """Once before the measurement: starting up is over, and what Ray's threads in this process take."""
        self._quiet()
        began, wall = time.process_time(), time.perf_counter()
        time.sleep(QUIET_SECONDS)
        self.idle_share = (time.process_time() - began) / (time.perf_counter() - wall)
        self._look_beside()
        self.comm.sum(torch.zeros(1))

    def _look_beside(self) -> None:
        self.beside.append({name: cpu_seconds(process) for name, process in beside()})

    def _quiet(self) -> None:
        """Until owner and tracker have nothing to do."""
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while time.monotonic() < deadline:
            before = sum(cpu_seconds(process) for _, process in beside())
            time.sleep(QUIET_SECONDS)
            if sum(cpu_seconds(process) for _, process in beside()) - before < QUIET_SHARE * QUIET_SECONDS:
                return


def beside() -> Iterator[tuple[str, psutil.Process]]:
    """Owner and tracker of this cluster: children of the raylet that started this worker."""
    for process in psutil.Process(os.getppid()).children():
        title = " ".join(process.cmdline())
        for name, start in ACTORS.items():
            if title.startswith(start):
                yield name, process


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system
