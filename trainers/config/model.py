"""Which masked autoencoder to train: a preset, and what to change in it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainers.config.base import Strict

PresetName = Literal["nano", "tiny", "small", "vit-ti", "vit-s", "vit-b"]


class ModelConfig(Strict):
    """The masked autoencoder: a preset, and what to change in it.

    Attributes
    ----------
    preset:
        `nano`, `tiny`, `small` (for CPUs and tests), `vit-ti`, `vit-s`, `vit-b`.
    patch:
        Edge of a patch in voxels, one number or one per axis. Null takes the preset's.
    mask_ratio:
        Share of the patches that is hidden from the encoder, in (0, 1).
    norm_pix:
        Score each hidden patch after subtracting its mean and dividing by its standard deviation.
    hidden:
        Width of the encoder: a multiple of 6 (sine-cosine positions in 3D) and of `heads`. Null takes the preset's.
    layers:
        Blocks of the encoder. Null takes the preset's.
    heads:
        Attention heads of the encoder. Null takes the preset's.
    decoder_hidden:
        Width of the decoder: a multiple of 6 and of `decoder_heads`. Null takes the preset's.
    decoder_layers:
        Blocks of the decoder. Null takes the preset's.
    decoder_heads:
        Attention heads of the decoder. Null takes the preset's.
    """

    preset: PresetName = "tiny"
    patch: int | tuple[int, int, int] | None = None
    mask_ratio: float = Field(default=0.75, gt=0, lt=1)
    norm_pix: bool = False
    hidden: int | None = Field(default=None, ge=6)
    layers: int | None = Field(default=None, ge=1)
    heads: int | None = Field(default=None, ge=1)
    decoder_hidden: int | None = Field(default=None, ge=6)
    decoder_layers: int | None = Field(default=None, ge=1)
    decoder_heads: int | None = Field(default=None, ge=1)
