"""What a checkpoint holds, and how a run is taken up from one, on however many ranks and however sharded."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor, distribute_tensor

from trainers.loop.comm import Comm, broadcast_json
from trainers.loop.ema import Ema
from trainers.loop.errors import CheckpointFailed, CheckpointsDamaged, ResumeRefused
from trainers.loop.folder import PARTS, CheckpointFolder, write_json
from trainers.loop.job import TrainJob
from trainers.loop.parallel import Learner

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
LONGEST_CAUSE = 200  # characters of what torch says, which may list every tensor
_TENSORS = ("model", "ema", "optimizer")


@dataclasses.dataclass(frozen=True)
class Loaded:
    """Where a run was taken up, and the rest of its state."""

    position: int
    state: dict[str, Any]


class Checkpoints:
    """Saving and loading; every method is called by all ranks together."""

    def __init__(self, job: TrainJob, comm: Comm, learner: Learner, ema: Ema) -> None:
        self.job, self.comm, self.learner, self.ema = job, comm, learner, ema
        self.folder = CheckpointFolder(job.checkpoint_dir, job.train.keep_checkpoints, PARTS)

    def save(self, position: int, state: dict[str, Any], score: float | None) -> Path:
        """Write `state` (JSON) with model, average and optimiser; raises `CheckpointFailed` on all ranks alike."""
        tensors = self._gather()
        body = state | {"position": position, "identity": self.job.identity(), "mlflow_run_id": self.job.mlflow_run_id}
        body["config"] = {"train": self.job.train.model_dump(mode="json"), "name": self.job.name}
        cause = self._write(position, body, tensors, score) if self.comm.rank == 0 else None
        if (cause := broadcast_json(self.comm, cause)) is not None:
            raise CheckpointFailed(str(self.folder.folder), cause, self.folder.newest_name())
        return self.folder.path(position)

    def load(self, say: Callable[[str], None]) -> Loaded | None:
        """Take up the newest intact checkpoint; None if there is none. `say` hears of damaged ones on rank 0.

        Raises `ResumeRefused` if it belongs to a run with other data, seed, model or recipe, and
        `CheckpointsDamaged` where there are some and none can be taken up: nothing begins at 0 by itself.
        """
        found = broadcast_json(self.comm, list(self.folder.newest()) if self.comm.rank == 0 else None)
        position, damaged = found
        if position is None:
            if damaged:
                raise CheckpointsDamaged(str(self.folder.folder), damaged)
            return None
        for sentence in damaged if self.comm.rank == 0 else ():
            say(f"{sentence}; going on from the one at draw {position}")
        path = self.folder.path(position)
        state = self._take(path)
        if self.comm.rank == 0:
            self.folder.discard_after(position)
        return Loaded(position, state)

    def _gather(self) -> dict[str, dict[str, Any]]:
        """Whole tensors on the CPU; complete on rank 0. Where nothing is sharded the others have no part in it."""
        model, optimizer = self.learner.model, self.learner.optimizer
        if not self.learner.sharded and self.comm.rank != 0:
            return {}
        average = {name: _whole(tensor) for name, tensor in self.ema.average.items()}
        gathered = {"ema": {"average": average, "steps": self.ema.steps}}
        if not self.learner.sharded:
            return gathered | {"model": _on_cpu(model.state_dict()), "optimizer": _by_name(model, optimizer)}
        return gathered | {
            "model": get_model_state_dict(model, options=_WHOLE),
            "optimizer": get_optimizer_state_dict(model, optimizer, options=_WHOLE),
        }

    def _write(self, position: int, body: dict[str, Any], tensors: dict[str, Any], score: float | None) -> str | None:
        """None, or why it could not be written."""
        writers: dict[str, Callable[[Path], None]] = {"state.json": lambda path: write_json(path, body)}
        for name in _TENSORS:
            writers[f"{name}.pt"] = _saver(tensors[name])
        try:
            self.folder.write(position, writers, score)
        except (OSError, RuntimeError) as error:
            return (error.strerror if isinstance(error, OSError) else None) or str(error)
        return None

    def _take(self, checkpoint: Path) -> dict[str, Any]:
        """Load everything; what is whole and still does not fit was written by another program."""
        try:
            state = read_state(checkpoint)
            check_same(state["identity"], self.job.identity())
            self._take_tensors(checkpoint)
        except (KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
            if isinstance(error, ResumeRefused):
                raise
            why = " ".join(str(error).split())[:LONGEST_CAUSE]
            sentence = f"checkpoint {checkpoint} does not fit this program ({type(error).__name__}: {why})"
            raise CheckpointsDamaged(str(self.folder.folder), [sentence]) from error
        return state

    def _take_tensors(self, checkpoint: Path) -> None:
        parts = {
            name: torch.load(checkpoint / f"{name}.pt", map_location="cpu", weights_only=True) for name in _TENSORS
        }
        whole = StateDictOptions(full_state_dict=True)
        set_model_state_dict(self.learner.model, parts["model"], options=whole)
        set_optimizer_state_dict(self.learner.model, self.learner.optimizer, parts["optimizer"], options=whole)
        average = {name: _as(parts["ema"]["average"][name], like) for name, like in self.ema.average.items()}
        self.ema.load(average, parts["ema"]["steps"])


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The part of a checkpoint that is no tensor: position, stream, draws, losses, identity ..."""
    body: dict[str, Any] = json.loads((checkpoint / "state.json").read_text())
    return body


def check_same(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> None:
    """Raise `ResumeRefused` at the first field that differs."""
    for field in sorted(before.keys() | now.keys()):
        old, new, name = before.get(field), now.get(field), f"{path}{field}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            check_same(old, new, f"{name}.")
        elif old != new:
            raise ResumeRefused(name, old, new)


def _saver(body: Any) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        with open(path, "wb") as file:
            disk = _Disk(file)
            try:
                with _without_crc():
                    torch.save(body, disk)  # type: ignore[arg-type]  # it needs no more than write and flush
            except RuntimeError:
                if disk.error is not None:
                    raise disk.error from None
                raise

    return save


@contextlib.contextmanager
def _without_crc() -> Iterator[None]:
    """The manifest has a SHA-256 of every file; a second sum costs as much as writing."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)


class _Disk:
    """A file that remembers why it could not be written: torch says only that a position is not as expected."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


def _whole(tensor: Tensor) -> Tensor:
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().cpu()


def _on_cpu(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.cpu() if isinstance(value, Tensor) else value for name, value in state.items()}


def _by_name(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What `get_optimizer_state_dict` gives for an optimiser that is not sharded, at a fraction of its cost."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        "state": {names[parameter]: _on_cpu(state) for parameter, state in optimizer.state.items()},
        "param_groups": [{**group, "params": [names[p] for p in group["params"]]} for group in optimizer.param_groups],
    }


def _as(value: Tensor, like: Tensor) -> Tensor:
    """`value` sharded over ranks as `like` is."""
    if isinstance(like, DTensor):
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)
    return value
