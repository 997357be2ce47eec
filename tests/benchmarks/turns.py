"""Inside a Ray Train worker: the product's loop and the bare one in turn, each charged its CPU-seconds.

The product trains as it always does. After every few of its steps the bare loop takes as many, in the
same process and on the same draws per step, so both meet the same machine, busy or not. A report's answer
is awaited when it was sent, so that none of the product's work falls into the bare loop's time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch
from ray.train.torch import get_device

from tests.benchmarks.bare import BareLoop
from trainers.loop.comm import DistComm
from trainers.loop.job import TrainJob, TrainResult
from trainers.loop.training import Training
from trainers.ray_train import _PointerReports
from trainers.stream import Batch

WARM_UP_INTERVALS = 4  # the first law is fitted to the fourth report
STEPS = 2  # of each loop before the other one's turn
QUIET_SECONDS, QUIET_SHARE, LONGEST_WAIT_SECONDS = 2.0, 0.1, 90.0
ACTORS = {"owner": "ray::OwnerActor", "tracker": "ray::TrackerActor"}


def worker(config: dict[str, Any]) -> TrainResult:
    """Stands in for `trainers.ray_train.train_worker`."""
    torch.set_num_threads(1)
    training = Interleaved(config["job"], DistComm(get_device()))
    try:
        training.begin()
        training.train()
        result = training.finish()
    finally:
        training.close(False)
    training.write()
    return result


class Interleaved(Training):
    """The product's loop, stopped every few steps for the bare one.

    `rounds` holds CPU-seconds by interval, each with one report, one checkpoint and one change of stage:
    `ours` without held-out evaluation, of which `checkpoint`, and `bare` on as many draws.
    """

    def __init__(self, job: TrainJob, comm: DistComm) -> None:
        pointers = _PointerReports(comm, job)
        super().__init__(job, comm, pointers)
        self.bare = BareLoop(job, comm)
        self.rounds: list[dict[str, float]] = []
        self.measuring = False
        self.idle_share = 0.0
        self.beside: list[dict[str, float]] = []

    def begin(self) -> None:
        super().begin()
        self._since, self._evaluated = time.process_time(), 0.0

    def _step(self, parts: list[Batch]) -> None:
        super()._step(parts)
        position, lag = self.standing.position, self.job.train.lag(self.job.interval)
        if self.measuring and position // self.job.train.global_batch % STEPS == 0:
            self._swap()
        if (position + lag) % self.job.interval == 0:
            self._new_round((position + lag) // self.job.interval)

    def _report(self, position: int) -> None:
        super()._report(position)
        question = self.consultation._question
        if question is not None:  # not taken: the loop does that at the boundary
            question.answer.result(self.job.train.advisor_timeout_seconds)

    def _checkpoint(self) -> None:
        began = time.process_time()
        super()._checkpoint()
        if self.measuring:
            self.rounds[-1]["checkpoint"] += time.process_time() - began

    def write(self) -> None:
        self._quiet()
        self._look_beside()
        body = {"rounds": self.rounds, "idle_share": self.idle_share, "beside": self.beside}
        (self.run_dir / f"turns-{self.comm.rank}.json").write_text(json.dumps(body))

    def _swap(self) -> None:
        """Charge what was done since the last turn, then let the bare loop take its steps."""
        self._charge()
        began = time.process_time()
        self.bare.train(STEPS * self.job.train.global_batch)
        self.rounds[-1]["bare"] += time.process_time() - began
        self._since = time.process_time()

    def _charge(self) -> None:
        evaluated = self.clock.eval_seconds
        self.rounds[-1]["evaluation"] += evaluated - self._evaluated
        self.rounds[-1]["ours"] += time.process_time() - self._since - (evaluated - self._evaluated)
        self._since, self._evaluated = time.process_time(), evaluated

    def _new_round(self, number: int) -> None:
        """Begins with report `number`; what comes after the last full one is not measured."""
        if self.measuring:
            self._charge()
        self.measuring = WARM_UP_INTERVALS <= number < self.job.budget // self.job.interval
        if not self.measuring:
            return
        if not self.rounds:
            self._settle()
        self.rounds.append(dict.fromkeys(("ours", "bare", "evaluation", "checkpoint"), 0.0))

    def _settle(self) -> None:
        """Before the measurement: both loops warm, starting up over; and what Ray's threads in this process take."""
        self.bare.train(STEPS * self.job.train.global_batch)
        self._quiet()
        began, wall = time.process_time(), time.perf_counter()
        time.sleep(QUIET_SECONDS)
        self.idle_share = (time.process_time() - began) / (time.perf_counter() - wall)
        self._look_beside()
        self.comm.sum(torch.zeros(1))
        self._since, self._evaluated = time.process_time(), self.clock.eval_seconds

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


def read_ranks(folder: Path) -> list[dict[str, Any]]:
    """What each rank wrote."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("turns-*.json"))]


def beside() -> Iterator[tuple[str, psutil.Process]]:
    """Owner and tracker of this cluster: children of the raylet that started this worker."""
    for process in psutil.Process(os.getppid()).children():
        title = " ".join(process.cmdline())
        for name, start in ACTORS.items():
            if title.startswith(start):
                yield name, process


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
