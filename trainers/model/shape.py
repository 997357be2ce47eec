"""From a configuration to the numbers of one network, checked against the crop."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from trainers.config.model import ModelConfig

Triple = tuple[int, int, int]

POSITION_FACTORS = 6
"""Sine and cosine for each of three axes: widths must be multiples of this."""

MLP_FACTOR = 4
"""Width of a block's hidden layer over its own; the one that ViT and UNETR use."""


class BadModel(ValueError):
    """The model cannot be built on this crop: mend the configuration."""


@dataclasses.dataclass(frozen=True)
class ModelShape:
    """Every number that fixes the network. `crop`, `patch` in voxels (D, H, W)."""

    crop: Triple
    patch: Triple
    hidden: int
    layers: int
    heads: int
    decoder_hidden: int
    decoder_layers: int
    decoder_heads: int
    mask_ratio: float
    norm_pix: bool

    @property
    def grid(self) -> Triple:
        """Patches along each axis."""
        d, h, w = (edge // step for edge, step in zip(self.crop, self.patch, strict=True))
        return (d, h, w)

    @property
    def tokens(self) -> int:
        """Patches in a crop."""
        return math.prod(self.grid)

    @property
    def visible(self) -> int:
        """Patches the encoder sees; rounded down, as MONAI rounds."""
        return int((1 - self.mask_ratio) * self.tokens)

    @property
    def voxels(self) -> int:
        """Voxels in a patch."""
        return math.prod(self.patch)


@dataclasses.dataclass(frozen=True)
class _Preset:
    hidden: int
    layers: int
    heads: int
    decoder_hidden: int
    decoder_layers: int
    decoder_heads: int
    patch: int


PRESETS: dict[str, _Preset] = {
    "nano": _Preset(48, 2, 3, 24, 1, 3, 8),
    "tiny": _Preset(96, 4, 6, 48, 2, 3, 8),
    "small": _Preset(192, 6, 6, 96, 2, 6, 8),
    "vit-ti": _Preset(192, 12, 3, 96, 2, 3, 16),
    "vit-s": _Preset(384, 12, 6, 192, 4, 6, 16),
    "vit-b": _Preset(768, 12, 12, 384, 4, 12, 16),
}


def resolve_shape(config: ModelConfig, crop: Sequence[int]) -> ModelShape:
    """The network that `config` describes for crops of `crop` (D, H, W) voxels.

    Raises
    ------
    BadModel
        If patches do not fill the crop, a width does not fit its heads or the positions, or the
        mask would leave nothing to see or nothing to rebuild.
    """
    preset = PRESETS[config.preset]
    patch = preset.patch if config.patch is None else config.patch
    shape = ModelShape(
        crop=_triple(crop, "crop"),
        patch=_triple((patch,) * 3 if isinstance(patch, int) else patch, "patch"),
        hidden=config.hidden or preset.hidden,
        layers=config.layers or preset.layers,
        heads=config.heads or preset.heads,
        decoder_hidden=config.decoder_hidden or preset.decoder_hidden,
        decoder_layers=config.decoder_layers or preset.decoder_layers,
        decoder_heads=config.decoder_heads or preset.decoder_heads,
        mask_ratio=config.mask_ratio,
        norm_pix=config.norm_pix,
    )
    _check_patches(shape)
    _check_width("hidden", shape.hidden, "heads", shape.heads)
    _check_width("decoder_hidden", shape.decoder_hidden, "decoder_heads", shape.decoder_heads)
    return shape


def _triple(edges: Sequence[int], what: str) -> Triple:
    if len(edges) != 3 or any(edge < 1 for edge in edges):
        raise BadModel(f"{what} is {list(edges)}; give three edges of at least 1 voxel")
    d, h, w = (int(edge) for edge in edges)
    return (d, h, w)


def _check_patches(shape: ModelShape) -> None:
    for edge, step in zip(shape.crop, shape.patch, strict=True):
        if edge % step:
            raise BadModel(
                f"a crop of {_text(shape.crop)} voxels cannot be cut into patches of {_text(shape.patch)}; "
                f"make {edge} a multiple of {step}, or set model.patch"
            )
    if shape.norm_pix and shape.voxels < 2:
        raise BadModel("norm_pix needs patches of at least 2 voxels; the patch has 1: set model.patch")
    if not 1 <= shape.visible < shape.tokens:
        raise BadModel(
            f"mask_ratio {shape.mask_ratio} shows {shape.visible} of {shape.tokens} patches; at least 1 must be shown "
            f"and 1 hidden: change mask_ratio, use a smaller patch or a larger crop"
        )


def _check_width(field: str, width: int, heads_field: str, heads: int) -> None:
    if width % POSITION_FACTORS:
        raise BadModel(f"{field} is {width}; sine-cosine positions in 3D need a multiple of {POSITION_FACTORS}")
    if width % heads:
        raise BadModel(f"{field} is {width}, which {heads} {heads_field} cannot share; make it a multiple of {heads}")


def _text(edges: Triple) -> str:
    return " x ".join(str(edge) for edge in edges)
