"""The moving average of the weights, which is what gets evaluated."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

EAGER_STEPS, EVERY, LONG = 64, 4, 0.9


def _local(tensor: Tensor) -> Tensor:
    """This rank's part of a sharded tensor; the tensor itself otherwise."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


class Ema:
    """``average += (1 - d_t) (weights - average)`` after step t, with ``d_t = min(decay, (1 + t) / (10 + t))``.

    The warm start makes early averages follow the weights instead of the initialisation. After
    `EAGER_STEPS` steps an average with a decay of `LONG` or more takes in the weights of every
    `EVERY`-th step only, with the decays of the steps in between: it spans as many steps, and costs a
    quarter (each update is 1.5 % of a step of a small model). Holds this rank's part of the trainable
    parameters; averages are fp32 like the weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        self._weights = [_local(p.detach()) for p in self.parameters.values()]
        self._averages = [_local(a) for a in self.average.values()]

    @torch.no_grad()
    def update(self) -> None:
        """A step was taken. What is done depends on `steps` alone, so that a resumed run does the same."""
        self.steps += 1
        if self.steps <= EAGER_STEPS or self.decay < LONG:
            since = 1
        elif self.steps % EVERY == 0:
            since = EVERY
        else:
            return
        kept = math.prod(self._decay(step) for step in range(self.steps - since, self.steps))
        torch._foreach_lerp_(self._averages, self._weights, 1 - kept)

    def _decay(self, step: int) -> float:
        return min(self.decay, (1 + step) / (10 + step))

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """The model carries the average inside the block, and exactly its own weights again after it."""
        with torch.no_grad():
            kept = [weight.clone() for weight in self._weights]
            torch._foreach_copy_(self._weights, self._averages)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._weights, kept)

    @torch.no_grad()
    def load(self, average: Mapping[str, Tensor], steps: int) -> None:
        """Take over an average, each tensor sharded as the parameter of the same name is."""
        for name, value in self.average.items():
            _local(value).copy_(_local(average[name]))
        self.steps = steps
