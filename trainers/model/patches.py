"""Cutting crops into patches, and the masked loss over them."""

from __future__ import annotations

import torch

NORM_PIX_EPSILON = 1e-6


def patchify(image: torch.Tensor, patch: tuple[int, int, int]) -> torch.Tensor:
    """Crops (B, 1, D, H, W) as patches (B, N, voxels), in the order of MONAI's patch embedding.

    The patches run row by row over the grid (D/p, H/q, W/r); the voxels in a patch likewise.
    """
    batch, _, depth, height, width = image.shape
    p, q, r = patch
    grid = image.reshape(batch, depth // p, p, height // q, q, width // r, r)
    return grid.permute(0, 1, 3, 5, 2, 4, 6).reshape(batch, -1, p * q * r)


def unpatchify(patches: torch.Tensor, crop: tuple[int, int, int], patch: tuple[int, int, int]) -> torch.Tensor:
    """The inverse of `patchify`."""
    d, h, w = (edge // step for edge, step in zip(crop, patch, strict=True))
    grid = patches.reshape(-1, d, h, w, *patch)
    return grid.permute(0, 1, 4, 2, 5, 3, 6).reshape(-1, 1, *crop)


def hidden_patches_mse(
    prediction: torch.Tensor, target: torch.Tensor, visible: torch.Tensor, norm_pix: bool
) -> torch.Tensor:
    """Mean squared error of each sample over its hidden patches, (B,) in float32.

    `prediction` and `target` are (B, N, voxels), `visible` is (B, n) int64. With `norm_pix` each
    target patch is first brought to mean 0 and variance 1. Computed in float32 whatever the
    precision of the network, because the laws are fitted to small differences of this number.
    """
    prediction, target = prediction.float(), target.float()
    if norm_pix:
        variance, mean = torch.var_mean(target, dim=-1, keepdim=True)
        target = (target - mean) / (variance + NORM_PIX_EPSILON).sqrt()
    by_patch = (prediction - target).square().mean(dim=-1)
    hidden = torch.ones_like(by_patch).scatter(1, visible, 0.0)
    return (by_patch * hidden).sum(dim=1) / hidden.sum(dim=1)
