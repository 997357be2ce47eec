"""Inner products of the domains' gradients: how far a step on one domain would lower another's held-out loss.

A domain's held-out crops are dealt out to two halves, and its product with itself is that of the gradients on the
two: the square of one noisy gradient would be too large. Each parameter's part is divided by the root
of AdamW's second moment, since that is what a step divides by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from trainers.loop.comm import Comm
from trainers.loop.parallel import Learner
from trainers.model.evaluation import HeldOutBatch, as_evaluated

COORDINATES = 1_000_000  # of the parameters at most, evenly spread: products of a part are as good, up to a factor
EPSILON = 1e-8

Products = dict[str, dict[str, float]]


def gradient_products(
    learner: Learner,
    batches: Iterable[HeldOutBatch],
    names: Sequence[str],
    comm: Comm,
    *,
    precision: torch.dtype | None = None,
) -> Products:
    """By target, then domain: inner product of the gradients of their mean losses; NaN where there were no crops.

    Called by all ranks at the same position, each with its own `batches`; the same on all of them. Changes neither
    weights nor gradients nor any generator.
    """
    parameters = learner.parameters
    stride = -(-sum(p.numel() for p in parameters) // COORDINATES)
    count = torch.zeros(2 * len(names), dtype=torch.float64)
    sums = torch.zeros(len(count), sum(p.flatten()[::stride].numel() for p in parameters), device=comm.device)
    for place, image, visible in _halves(batches):
        with as_evaluated(learner.model, comm.device, precision):
            loss = learner.model(image.to(comm.device), visible.to(comm.device)).sum()
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        sums[place] += torch.cat([_part(g, p, stride) for g, p in zip(found, parameters, strict=True)])
        count[place] += len(image)
    count = comm.sum(count)
    total = comm.sum(sums).double()
    step = torch.cat([_part(_root(learner, p), p, stride) for p in parameters]).cpu().double()
    first, second = total[0::2] / count[0::2, None], total[1::2] / count[1::2, None]
    whole = (total[0::2] + total[1::2]) / (count[0::2] + count[1::2])[:, None]
    products = (whole / step) @ whole.T
    products.diagonal().copy_((first / step * second).sum(dim=1))
    return {target: {name: float(products[i, j]) for j, name in enumerate(names)} for i, target in enumerate(names)}


def _halves(batches: Iterable[HeldOutBatch]) -> Iterable[tuple[int, Tensor, Tensor]]:
    """(2 domain + half, images, visible patches) of crops of one domain and half."""
    for batch in batches:
        place = 2 * batch.domain + batch.number % 2
        for value in sorted(set(place.tolist())):
            here = place == value
            yield value, batch.image[here], batch.visible[here]


def _part(value: Tensor | None, parameter: Tensor, stride: int) -> Tensor:
    """Every `stride`-th number of a tensor; zeros where the loss does not depend on it."""
    return (torch.zeros_like(parameter) if value is None else value).detach().flatten()[::stride]


def _root(learner: Learner, parameter: Tensor) -> Tensor:
    """What AdamW divides a parameter's gradient by, up to a factor; 1 before the first step."""
    state = learner.optimizer.state.get(parameter, {})
    if "exp_avg_sq" not in state:
        return torch.ones_like(parameter)
    root: Tensor = state["exp_avg_sq"].sqrt() + EPSILON
    return root
