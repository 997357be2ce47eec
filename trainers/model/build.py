"""Building a model from its configuration, and counting what it trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainers.config.model import ModelConfig
from trainers.model.mae import MaskedAutoencoder
from trainers.model.shape import resolve_shape


def build_model(config: ModelConfig, crop: Sequence[int], seed: int) -> MaskedAutoencoder:
    """A model with starting weights fixed by `seed`; the global generator is left as it was.

    Raises `BadModel` where the configuration does not fit crops of `crop` (D, H, W) voxels.
    """
    shape = resolve_shape(config, crop)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MaskedAutoencoder(shape)


def parameter_counts(config: ModelConfig, crop: Sequence[int]) -> dict[str, int]:
    """Trainable parameters: `encoder`, `decoder` and their sum `total`. No memory is taken."""
    with torch.device("meta"):
        model = MaskedAutoencoder(resolve_shape(config, crop))
    counts = {"encoder": 0, "decoder": 0}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = "decoder" if name.startswith(("decoder", "mask_tokens")) else "encoder"
            counts[part] += parameter.numel()
    return {**counts, "total": sum(counts.values())}
