"""Held-out loss: fixed crops, fixed masks, any number of ranks."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from trainers.config.model import ModelConfig
from trainers.model import HeldOutSet, MaskedAutoencoder, Tally, build_model, evaluate
from trainers.stream import fixed_masks
from trainers.volumes.records import HeldOutCrop, PreparedData, PreparedDomain, PreparedVolume

CROP = (16, 16, 16)
NAMES = ("ct", "mr")


@pytest.fixture
def data(tmp_path: Path) -> PreparedData:
    domains = {}
    for number, (name, count) in enumerate({"ct": 5, "mr": 3}.items()):
        crops = []
        for i in range(count):
            file = tmp_path / f"{name}{i}.npy"
            np.save(file, np.random.default_rng([number, i]).normal(size=(20, 20, 20)).astype(np.float32))
            item = PreparedVolume(
                f"{name}{i}", f"{name}{i}", "", str(file), "", 1, (20, 20, 20), ((0, 20), (0, 20), (0, 20)), 0.0
            )
            crops.append(HeldOutCrop(item, (10, 9, 11)))
        domains[name] = PreparedDomain(name, "mr", (), tuple(crops))
    return PreparedData(domains, CROP)


@pytest.fixture
def model() -> MaskedAutoencoder:
    return build_model(ModelConfig(preset="nano", mask_ratio=0.5), CROP, seed=1)


def held_out(data: PreparedData, model: MaskedAutoencoder, **changes: int) -> HeldOutSet:
    settings = {"seed": 9, "tokens": model.shape.tokens, "visible": model.shape.visible, "batch": 3} | changes
    return HeldOutSet(data, **settings)


def test_twice_the_same_and_no_generator_is_touched(data: PreparedData, model: MaskedAutoencoder) -> None:
    held = held_out(data, model)
    model.train()
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first, second = evaluate(model, held, 2), evaluate(model, held, 2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert model.training
    assert first.mean(NAMES) == second.mean(NAMES)
    assert first.count.tolist() == [5, 3]
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("world", [1, 2, 3, 9])
def test_ranks_add_up_to_the_whole(data: PreparedData, model: MaskedAutoencoder, world: int) -> None:
    whole = evaluate(model, held_out(data, model, batch=8), 2)
    parts = [evaluate(model, held_out(data, model, rank=r, world=world), 2).stacked() for r in range(world)]
    summed = Tally.of(torch.stack(parts).sum(0))
    assert summed.count.tolist() == [5, 3]
    for name in NAMES:
        assert summed.mean(NAMES)[name] == pytest.approx(whole.mean(NAMES)[name], rel=1e-6)
        assert summed.sem(NAMES)[name] == pytest.approx(whole.sem(NAMES)[name], rel=1e-4)


def test_mean_and_standard_error_by_hand(data: PreparedData, model: MaskedAutoencoder) -> None:
    tally = evaluate(model, held_out(data, model), 2)
    losses = []
    for i, crop in enumerate(data.domains["mr"].held_out):
        image = torch.from_numpy(np.load(crop.volume.file)[2:18, 1:17, 3:19][None, None])
        visible = torch.from_numpy(fixed_masks(9, "mr", 3, 8, 4)[i : i + 1])
        losses.append(model(image, visible).item())
    assert tally.mean(NAMES)["mr"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert tally.sem(NAMES)["mr"] == pytest.approx(np.std(losses, ddof=1) / math.sqrt(3), rel=1e-4)


def test_masks_are_fixed_by_seed_and_domain() -> None:
    masks = fixed_masks(4, "ct", 6, 64, 16)
    assert masks.shape == (6, 16)
    assert (np.diff(masks, axis=1) > 0).all()
    assert (fixed_masks(4, "ct", 9, 64, 16)[:6] == masks).all()
    assert (fixed_masks(4, "mr", 6, 64, 16) != masks).any()
    assert (fixed_masks(5, "ct", 6, 64, 16) != masks).any()
    assert len({tuple(row) for row in masks.tolist()}) == 6


def test_other_weights_stand_in_for_the_models_own(data: PreparedData, model: MaskedAutoencoder) -> None:
    other = build_model(ModelConfig(preset="nano", mask_ratio=0.5), CROP, seed=2)
    held = held_out(data, model)
    own = evaluate(model, held, 2).mean(NAMES)
    lent = evaluate(model, held, 2, weights=other.state_dict()).mean(NAMES)
    assert lent == evaluate(other, held, 2).mean(NAMES)
    assert lent != own
    assert evaluate(model, held, 2).mean(NAMES) == own


def test_bf16_is_near(data: PreparedData, model: MaskedAutoencoder) -> None:
    held = held_out(data, model)
    exact, cast = evaluate(model, held, 2), evaluate(model, held, 2, precision=torch.bfloat16)
    assert cast.mean(NAMES)["ct"] == pytest.approx(exact.mean(NAMES)["ct"], rel=0.02)


def test_crops_are_kept_in_memory_only_as_far_as_allowed(data: PreparedData, model: MaskedAutoencoder) -> None:
    kept, read = held_out(data, model), held_out(data, model, keep_bytes=4 * 16**3 * 2)
    first = evaluate(model, kept, 2).mean(NAMES), evaluate(model, read, 2).mean(NAMES)
    assert first[0] == first[1]
    assert (len(kept._kept), len(read._kept)) == (8, 2)


def test_an_unreadable_crop_is_left_out_and_noted_once(data: PreparedData, model: MaskedAutoencoder) -> None:
    Path(data.domains["mr"].held_out[1].volume.file).unlink()
    held = held_out(data, model)
    for _ in range(2):
        tally = evaluate(model, held, 2)
        assert tally.count.tolist() == [5, 2]
        assert [(f.domain, f.key) for f in held.failures] == [("mr", "mr1")]


def test_a_domain_without_crops_is_not_measured_never_zero(data: PreparedData, model: MaskedAutoencoder) -> None:
    empty = dataclasses.replace(data.domains["mr"], held_out=())
    tally = evaluate(model, held_out(PreparedData({**data.domains, "mr": empty}, CROP), model), 2)
    assert math.isnan(tally.mean(NAMES)["mr"])
    assert math.isnan(tally.sem(NAMES)["mr"])
    assert tally.mean(NAMES)["ct"] > 0
