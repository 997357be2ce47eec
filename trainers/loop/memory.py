"""Memory that does not suffice, in a sentence that says what asked for it and what to set.

A rank that runs out of memory cannot agree with the others: they wait for it in a collective. It leaves a word in
the run's folder and dies; the workers that Ray starts next find the word and stop, all of them alike, since they
would only run out again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from trainers.config.model import ModelConfig
from trainers.config.training import TrainConfig
from trainers.loop.errors import OutOfMemory
from trainers.loop.job import TrainJob
from trainers.memory_signs import is_out_of_memory

if TYPE_CHECKING:
    from trainers.loop.comm import Comm

_WORD = ".out-of-memory"


class RankOutOfMemory(RuntimeError):
    """One of several ranks ran out of memory: the group is restarted, and stops with the word it has left."""


def sentence(train: TrainConfig, model: ModelConfig, crop: tuple[int, ...], world: int, device: str) -> str:
    """What was asked of one worker and what to set."""
    share = max(1, train.global_batch // world)
    at_once = min(share, train.micro_batch or share)
    smaller = f"set train.micro_batch to {max(1, at_once // 2)}, " if at_once > 1 else ""
    return (
        f"not enough memory on {device} for {at_once} crops at once of {' x '.join(map(str, crop))} voxels with model "
        f"preset {model.preset} (train.global_batch {train.global_batch} on {world} workers); {smaller}"
        "lower data.crop or take a smaller model.preset, or use a machine with more memory"
    )


@contextlib.contextmanager
def memory_explained(
    train: TrainConfig, model: ModelConfig, crop: tuple[int, ...], world: int, device: str
) -> Iterator[None]:
    """Have what runs out of memory raise `OutOfMemory`."""
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(sentence(train, model, crop, world, device)) from error


@contextlib.contextmanager
def memory_of(job: TrainJob, comm: Comm) -> Iterator[None]:
    """The same for a rank of a run, agreed with the others by way of a restart."""
    _stop_if_told(job, comm)
    try:
        with memory_explained(job.train, job.model, job.data.crop, comm.world, str(comm.device)):
            yield
    except OutOfMemory as error:
        if comm.world == 1:
            raise
        with contextlib.suppress(OSError):
            word_of(job).write_text(str(error))
        raise RankOutOfMemory(str(error)) from error


def word_of(job: TrainJob) -> Path:
    """Where a rank says that it ran out of memory."""
    return Path(job.run_dir) / _WORD


def take_word(job: TrainJob) -> str | None:
    """The sentence that a rank has left, which is removed; None where there is none."""
    try:
        said = word_of(job).read_text()
        os.unlink(word_of(job))
    except OSError:
        return None
    return said or None


def _stop_if_told(job: TrainJob, comm: Comm) -> None:
    from trainers.loop.comm import broadcast_json

    said = broadcast_json(comm, take_word(job) if comm.rank == 0 else None)
    if said is not None:
        raise OutOfMemory(said)
