"""Which masked autoencoder to train: a preset, and what to change in it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainers.config.base import Strict

PresetName = Literal["nano", "tiny", "small", "vit-ti", "vit-s", "vit-b"]


class ModelConfig(Strict):
    """The model of one pretraining run.

    Attributes
    ----------
    preset:
        `nano`, `tiny`, `small` (for CPUs and tests), `vit-ti`, `vit-s`, `vit-b`.
    patch:
        Edge of a patch in voxels, one number or one per axis; None takes the preset's.
    mask_ratio:
        Share of the patches that is hidden from the encoder, in (0, 1).
    norm_pix:
        Score each hidden patch after subtracting its mean and dividing by its standard deviation.
    hidden, layers, heads:
        Width, depth and heads of the encoder; None takes the preset's. The width must be a
        multiple of 6 (sine-cosine positions in 3D) and of the heads.
    decoder_hidden, decoder_layers, decoder_heads:
        The same for the decoder.
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
