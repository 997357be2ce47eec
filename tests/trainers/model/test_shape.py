"""Presets, their true sizes, and refusals in one sentence."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from trainers.config.model import ModelConfig
from trainers.model import BadModel, build_model, parameter_counts, resolve_shape
from trainers.model.shape import PRESETS


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_fits_96(preset: str) -> None:
    shape = resolve_shape(ModelConfig(preset=preset), (96, 96, 96))  # type: ignore[arg-type]
    assert shape.hidden % 6 == shape.decoder_hidden % 6 == 0
    assert shape.visible == shape.tokens // 4


def test_sizes_grow_along_the_ladder() -> None:
    totals = [
        parameter_counts(ModelConfig(preset=name), (96, 96, 96))["total"]  # type: ignore[arg-type]
        for name in ("nano", "tiny", "small", "vit-ti", "vit-s", "vit-b")
    ]
    assert totals == sorted(totals)
    assert 80e6 < totals[-1] < 100e6


@pytest.mark.parametrize("preset", ["nano", "small"])
def test_counts_are_those_of_the_model_that_is_trained(preset: str) -> None:
    config = ModelConfig(preset=preset)  # type: ignore[arg-type]
    model = build_model(config, (32, 32, 32), seed=0)
    trained = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    counts = parameter_counts(config, (32, 32, 32))
    assert counts["total"] == sum(trained.values()) == counts["encoder"] + counts["decoder"]
    assert not [name for name in trained if "position" in name or "pos_embedding" in name]


def test_overrides_change_the_preset() -> None:
    shape = resolve_shape(ModelConfig(preset="nano", patch=(8, 4, 16), hidden=60, heads=5, layers=1), (16, 8, 32))
    assert (shape.grid, shape.tokens, shape.voxels) == ((2, 2, 2), 8, 512)
    assert (shape.hidden, shape.heads, shape.layers, shape.decoder_hidden) == (60, 5, 1, 24)
    assert shape.visible == 2


@pytest.mark.parametrize(
    ("changes", "crop", "message"),
    [
        ({}, (32, 30, 32), r"crop of 32 x 30 x 32 voxels cannot be cut into patches of 8 x 8 x 8; make 30 a multiple"),
        ({"hidden": 64}, (32, 32, 32), r"hidden is 64; sine-cosine positions in 3D need a multiple of 6"),
        ({"decoder_hidden": 36, "decoder_heads": 5}, (32, 32, 32), r"decoder_hidden is 36, which 5 decoder_heads"),
        ({"mask_ratio": 0.95}, (16, 16, 16), r"mask_ratio 0.95 shows 0 of 8 patches; at least 1 must be shown"),
        ({}, (8, 8, 8), r"mask_ratio 0.75 shows 0 of 1 patches"),
        ({"patch": 0}, (32, 32, 32), r"patch is \[0, 0, 0\]; give three edges of at least 1 voxel"),
        ({}, (32, 32), r"crop is \[32, 32\]; give three edges"),
        ({"patch": 1, "norm_pix": True}, (4, 4, 4), r"norm_pix needs patches of at least 2 voxels"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, object], crop: tuple[int, ...], message: str) -> None:
    with pytest.raises(BadModel, match=message):
        resolve_shape(ModelConfig(preset="nano", **changes), crop)  # type: ignore[arg-type]


def test_a_misspelt_or_impossible_field_is_refused() -> None:
    for body in ({"preset": "huge"}, {"mask_ratio": 1.0}, {"hiden": 96}, {"layers": 0}):
        with pytest.raises(ValidationError):
            ModelConfig.model_validate(body)
