"""A run on several processes of this machine over gloo, without Ray: for tests, benchmarks and debugging."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from trainers.faults import VARIABLE as FAULT_VARIABLE
from trainers.loop.comm import DistComm
from trainers.loop.job import TrainJob, TrainResult
from trainers.loop.training import run

TIMEOUT_SECONDS = 120


def run_ranks(job: TrainJob, world: int) -> TrainResult:
    """`run(job)` on `world` processes; what rank 0 returned. Raises the first error of any rank."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["trainers.loop.training"])
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "meeting")
        ranks = [_start(context, job, rank, world, meeting) for rank in range(world)]
        try:
            results = _collect([answer for _, answer in ranks])
        finally:
            for process, _ in ranks:
                process.join(5)
                process.kill()
    return results[0]


def _start(context: Any, job: TrainJob, rank: int, world: int, meeting: str) -> tuple[Any, Connection]:
    answer, sent = context.Pipe(duplex=False)
    fault = os.environ.get(FAULT_VARIABLE)  # the fork server took its environment when it started
    process = context.Process(target=_work, args=(job, rank, world, meeting, sent, fault))
    process.start()
    sent.close()
    return process, answer


def _collect(answers: list[Connection]) -> list[TrainResult]:
    results: dict[int, TrainResult] = {}
    while len(results) < len(answers):
        for ready in wait([answer for rank, answer in enumerate(answers) if rank not in results]):
            rank = answers.index(ready)  # type: ignore[arg-type]
            try:
                result = answers[rank].recv()
            except EOFError:
                raise RuntimeError(f"rank {rank} died without a word") from None
            if isinstance(result, BaseException):
                raise result
            results[rank] = result
    return [results[rank] for rank in range(len(answers))]


def _work(job: TrainJob, rank: int, world: int, meeting: str, sent: Connection, fault: str | None) -> None:
    if fault is not None:
        os.environ[FAULT_VARIABLE] = fault
    torch.set_num_threads(1)
    store = dist.FileStore(meeting, world)  # type: ignore[attr-defined]  # of a URL torch reads a part
    dist.init_process_group(
        "gloo", store=store, rank=rank, world_size=world, timeout=timedelta(seconds=TIMEOUT_SECONDS)
    )
    try:
        sent.send(run(job, DistComm()))
    except BaseException as error:
        sent.send(error)
    finally:
        dist.destroy_process_group()
