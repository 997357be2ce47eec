"""From the stream to batches: which rank reads what, and the processes that read it.

The training process works out the draws and sends them to the reading processes one batch at a time.
So those never hold a schedule, and a new stage is in force from exactly the draw it was promised for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch.utils.data import DataLoader

from trainers.stream.batch import Batch
from trainers.stream.dataset import CropReader, Order
from trainers.stream.stream import SampleStream


class BadLoader(ValueError):
    """The loader's settings do not fit together: mend the configuration."""


@dataclasses.dataclass(frozen=True)
class LoaderPlan:
    """How draws are read.

    Parameters
    ----------
    global_batch:
        Draws of one optimiser step over all ranks.
    tokens, visible:
        Patches in a crop, and how many of them are shown.
    rank, world:
        This rank of so many. Rank r reads draws r, r + world, ... of every global batch.
    micro_batch:
        Most draws of one forward pass; None puts a rank's share through at once.
    workers, prefetch_factor:
        Reading processes (0: read in this one) and batches that each holds ready.
    flip_axes:
        Axes along which draws are mirrored at random.
    pin_memory:
        For copies to CUDA that overlap with compute.
    start_method:
        Of the reading processes; `fork` starts at once, `forkserver` or `spawn` where forking is unsafe.
    """

    global_batch: int
    tokens: int
    visible: int
    rank: int = 0
    world: int = 1
    micro_batch: int | None = None
    workers: int = 0
    prefetch_factor: int = 2
    flip_axes: Sequence[int] = ()
    pin_memory: bool = False
    start_method: str = "fork"

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise BadLoader(f"rank is {self.rank} of {self.world}; it must lie in [0, {self.world})")
        if self.global_batch < self.world:
            raise BadLoader(
                f"global_batch is {self.global_batch}, below the {self.world} workers; "
                f"set it to at least {self.world}, or use fewer workers"
            )
        if self.micro_batch is not None and self.micro_batch < 1:
            raise BadLoader(f"micro_batch is {self.micro_batch}; it must be at least 1, or None")

    @property
    def micro_batches(self) -> int:
        """Forward passes of one optimiser step, the same on every rank; none of them is empty."""
        most, fewest = -(-self.global_batch // self.world), self.global_batch // self.world
        return 1 if self.micro_batch is None else min(-(-most // self.micro_batch), fewest)

    @property
    def horizon(self) -> int:
        """Draws that may be handed out beyond the position of the training loop."""
        return self.global_batch * (self.workers * self.prefetch_factor + 2)


class StreamLoader:
    """Batches of a rank, from any position on.

    ``for batch in loader.batches(start, stop)`` gives `plan.micro_batches` batches for every global
    batch, the last of each marked. While they are used, the stream is handed out no further than
    `plan.horizon` draws beyond the global batch in hand. Call `close` at the end.
    """

    def __init__(self, stream: SampleStream, plan: LoaderPlan) -> None:
        self.stream, self.plan = stream, plan
        self._orders = _Orders(stream, plan)
        reader = CropReader(stream.data, stream.seed, plan.tokens, plan.visible, tuple(plan.flip_axes))
        with _any_number_of_processes():
            self._loader: DataLoader[Any] = DataLoader(
                reader,
                batch_sampler=cast(Any, self._orders),  # not a list of indices but one order, read as a whole
                collate_fn=_as_read,
                pin_memory=plan.pin_memory,
                generator=torch.Generator(),  # else the loader would draw from the global one
                **_process_settings(plan),
            )

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Of the global batches from draw `start` to `stop`, both multiples of the global batch."""
        size = self.plan.global_batch
        if start % size or stop % size or not 0 <= start <= stop:
            raise ValueError(f"draws {start} to {stop} are not whole batches of {size}; give multiples, start <= stop")
        self._orders.start, self._orders.stop = start, stop
        if start < stop:
            with _any_number_of_processes():
                iterator = iter(self._loader)
            yield from iterator

    def close(self) -> None:
        """End the reading processes."""
        iterator = self._loader._iterator
        if iterator is not None:
            iterator._shutdown_workers()  # type: ignore[attr-defined]  # torch has no public way
            self._loader._iterator = None


class _Orders:
    """The batch sampler: worked out in the training process, one order for each batch of this rank."""

    def __init__(self, stream: SampleStream, plan: LoaderPlan) -> None:
        self.stream, self.plan = stream, plan
        self.start = self.stop = 0

    def __iter__(self) -> Iterator[Order]:
        size, parts = self.plan.global_batch, self.plan.micro_batches
        for position in range(self.start, self.stop, size):
            mine = self.stream.hand_out(position, position + size).take(slice(self.plan.rank, None, self.plan.world))
            cuts = [len(mine) * part // parts for part in range(parts + 1)]
            for part in range(parts):
                yield Order(mine.take(slice(cuts[part], cuts[part + 1])), last=part == parts - 1)

    def __len__(self) -> int:
        return (self.stop - self.start) // self.plan.global_batch * self.plan.micro_batches


@contextlib.contextmanager
def _any_number_of_processes() -> Iterator[None]:
    """Torch warns of more processes than cores; that may be right, since they wait for the disk."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
        yield


def _as_read(batch: Any) -> Any:
    return batch


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def _process_settings(plan: LoaderPlan) -> dict[str, Any]:
    if plan.workers == 0:
        return {"num_workers": 0}
    return {
        "num_workers": plan.workers,
        "prefetch_factor": plan.prefetch_factor,
        "persistent_workers": True,
        "worker_init_fn": _one_thread,
        "multiprocessing_context": plan.start_method,
    }
