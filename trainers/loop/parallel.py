"""One model over many ranks, its optimiser, and one step of it. DDP and FSDP look alike from here."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from trainers.config.training import TrainConfig
from trainers.loop.comm import Comm
from trainers.stream.batch import Batch

_NO_DECAY = ("cls_token", "mask_token", "pos_embedding", "position_embeddings")


class Learner:
    """`model` is the plain module, for evaluation and state; `step` trains it on all ranks together."""

    def __init__(self, model: nn.Module, train: TrainConfig, comm: Comm) -> None:
        self.train, self.comm = train, comm
        self.model = model.to(comm.device)
        self.forward = self._wrap()
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = build_optimizer(self.model, train, fused=not self.sharded)

    def step(self, parts: Sequence[Batch], rate: float) -> tuple[list[Tensor], bool]:
        """One optimiser step on the sum of valid losses over all ranks, divided by `global_batch`.

        `parts` are this rank's batches of the step. Returns the losses (B,) of each part, and whether
        the step was taken: where the gradient is not finite, which all ranks see alike, nothing
        changes. Unread draws weigh nothing; the divisor is fixed, so no rank needs to know how many
        the others have.
        """
        losses = []
        # DDP and FSDP average over ranks; the objective is a sum over them
        scale = self.comm.world / self.train.global_batch
        for part in parts:
            with self._sync_if(part.last):
                with autocast(self.train, self.comm.device):
                    loss = self.forward(part.image, part.visible)
                torch.dot(loss, part.valid * scale).backward()  # type: ignore[no-untyped-call]  # torch's own
            losses.append(loss.detach())
        return losses, self._update(rate)

    def _update(self, rate: float) -> bool:
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.train.clip)
        finite = math.isfinite(float(norm.full_tensor() if isinstance(norm, DTensor) else norm))
        if finite:
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return finite

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Every rank can run `model` on its own inside the block, as often as it likes."""
        sharded = [module for module in self.model.modules() if isinstance(module, FSDPModule)]
        for module in sharded:
            module.set_reshard_after_forward(False, recurse=False)
            module.unshard()
        try:
            yield
        finally:
            for module in sharded:
                module.reshard()
                module.set_reshard_after_forward(True, recurse=False)

    @property
    def sharded(self) -> bool:
        return self.train.sharding == "fsdp" and self.comm.world > 1

    def _wrap(self) -> nn.Module:
        if self.train.compile and self.comm.device.type == "cuda":
            self.model.compile()
        if self.sharded:
            return shard(self.model)
        if self.comm.world == 1:
            return self.model
        return DistributedDataParallel(
            self.model,
            device_ids=[self.comm.device] if self.comm.device.type == "cuda" else None,
            gradient_as_bucket_view=True,
            static_graph=self.train.micro_batch is None,
        )

    @contextlib.contextmanager
    def _sync_if(self, last: bool) -> Iterator[None]:
        """Gradients are reduced over ranks with the last part of a step only."""
        if isinstance(self.forward, FSDPModule):
            self.forward.set_requires_gradient_sync(last)
            yield
        elif isinstance(self.forward, DistributedDataParallel) and not last:
            with self.forward.no_sync():
                yield
        else:
            yield


def shard(model: nn.Module) -> nn.Module:
    """FSDP2: the parameters of each block are gathered when it runs, those outside of blocks with the root."""
    for module in list(model.modules()):
        if isinstance(module, nn.ModuleList):
            for block in module:
                fully_shard(block)
    fully_shard(model)
    return model


def autocast(train: TrainConfig, device: torch.device) -> torch.autocast:
    """bf16 where the configuration says so; weights and losses stay fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=train.precision == "bf16")


def build_optimizer(model: nn.Module, train: TrainConfig, fused: bool = False) -> torch.optim.AdamW:
    """AdamW; no decay on vectors (norms, biases) nor on tokens."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            token = any(part in name for part in _NO_DECAY)
            (plain if parameter.ndim < 2 or token else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": train.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=train.lr, betas=train.betas, fused=fused)
