"""What the ranks of a run say to each other. The loop knows this protocol, not who started the processes."""

from __future__ import annotations

import json
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor


class Comm(Protocol):
    """Every method is called by all ranks, in the same order."""

    rank: int
    world: int
    device: torch.device

    def sum(self, values: Tensor) -> Tensor:
        """Elementwise over ranks; on the CPU, a new tensor."""
        ...

    def max(self, values: Tensor) -> Tensor:
        """Elementwise over ranks; on the CPU, a new tensor."""
        ...

    def broadcast(self, values: Tensor) -> Tensor:
        """What rank 0 passed; the others pass a tensor of the same shape and type."""
        ...


class LocalComm:
    """A run of one process."""

    rank, world = 0, 1

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    def sum(self, values: Tensor) -> Tensor:
        return values.detach().cpu().clone()

    max = sum
    broadcast = sum


class DistComm:
    """Ranks of the default group of `torch.distributed`; tensors travel on `device`, as nccl wants them."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self.device = torch.device(device)

    def sum(self, values: Tensor) -> Tensor:
        return self._reduce(values, dist.ReduceOp.SUM)

    def max(self, values: Tensor) -> Tensor:
        return self._reduce(values, dist.ReduceOp.MAX)

    def broadcast(self, values: Tensor) -> Tensor:
        sent = values.detach().to(self.device, copy=True)
        dist.broadcast(sent, src=0)
        return sent.cpu()

    def _reduce(self, values: Tensor, op: Any) -> Tensor:
        sent = values.detach().to(self.device, copy=True)
        dist.all_reduce(sent, op=op)
        return sent.cpu()


def broadcast_json(comm: Comm, body: Any) -> Any:
    """`body` of rank 0 on all ranks; floats arrive bit for bit."""
    text = json.dumps(body).encode() if comm.rank == 0 else b""
    size = int(comm.broadcast(torch.tensor([len(text)], dtype=torch.int64)))
    sent = torch.zeros(size, dtype=torch.uint8)
    if comm.rank == 0:
        sent.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
    return json.loads(bytes(comm.broadcast(sent).tolist()))


def all_equal(comm: Comm, digest: str) -> bool:
    """Whether all ranks hold the same digest (hex): the maximum and the minimum over ranks agree."""
    words = torch.tensor([int(digest[i : i + 8], 16) for i in range(0, 64, 8)], dtype=torch.int64)
    highest = comm.max(torch.cat([words, -words]))
    return bool(torch.equal(highest[:8], -highest[8:]))
