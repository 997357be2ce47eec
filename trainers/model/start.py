"""Starting values that let a small masked autoencoder learn from its first steps.

With MONAI's own, every head attends to all patches alike and the loss stays flat, at the mean of
the visible patches, until the heads have found out about places: 250 steps and more in our runs on
real volumes, a different number for each seed. Two changes take the plateau away. They touch
values only, so weights go to and from MONAI's networks as before.
"""

from __future__ import annotations

import torch
from monai.networks.blocks.pos_embed_utils import build_sincos_position_embedding
from torch import nn

REACH = 2.5
"""Temperature of the sine-cosine positions per patch along the longest axis. The usual 10,000 is meant for
sequences of thousands: on a grid of four all but the fastest waves stand still, and places look alike."""

GAIN = 3.0
"""Factor on the starting weights of queries and keys; enough that a patch prefers its neighbours."""


@torch.no_grad()
def spread_positions(positions: nn.Parameter, grid: tuple[int, int, int]) -> None:
    """Fill sine-cosine positions (1, N, C) with waves as long as the grid."""
    width = positions.shape[-1]
    positions.copy_(build_sincos_position_embedding(list(grid), width, 3, REACH * max(grid)))


@torch.no_grad()
def look_near(model: nn.Module) -> None:
    """Start queries equal to keys, so that patches attend to those like them, and places decide first.

    After Trockman and Kolter, Mimetic Initialization of Self-Attention Layers (2305.09828), in its
    simplest form: W_q = W_k makes W_q W_k^T positive.
    """
    for name, module in model.named_modules():
        if name.endswith(".attn"):
            weight = module.get_submodule("qkv").weight
            assert isinstance(weight, nn.Parameter)
            width = weight.shape[1]
            weight[: 2 * width] *= GAIN
            weight[width : 2 * width] = weight[:width]
