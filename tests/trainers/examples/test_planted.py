"""A small real autoencoder finds what is planted: the hub teaches the leaves, and nothing else teaches anyone."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from trainers.config.model import ModelConfig
from trainers.examples import hub_island, write_phantoms
from trainers.model import build_model

CROP, BATCH, STEPS = 16, 16, 300


def crops(volumes: list[np.ndarray], count: int, random: np.random.Generator) -> torch.Tensor:
    out = []
    for _ in range(count):
        volume = volumes[random.integers(len(volumes))]
        x, y, z = random.integers(0, volume.shape[0] - CROP + 1, 3)
        out.append(volume[x : x + CROP, y : y + CROP, z : z + CROP])
    return torch.from_numpy(np.stack(out)[:, None])


def visible(count: int, tokens: int, shown: int, generator: torch.Generator) -> torch.Tensor:
    return torch.stack([torch.randperm(tokens, generator=generator)[:shown] for _ in range(count)])


def losses_after(source: list[np.ndarray], held_out: dict[str, torch.Tensor]) -> dict[str, float]:
    model = build_model(ModelConfig(preset="nano", patch=4), (CROP,) * 3, seed=0)
    tokens, shown = model.shape.tokens, model.shape.visible
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.95), weight_decay=0.05)
    random, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 30, (STEPS - step) / 60)
        loss = model(crops(source, BATCH, random), visible(BATCH, tokens, shown, generator)).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
    masks = visible(64, tokens, shown, torch.Generator().manual_seed(1))
    with torch.no_grad():
        return {name: float(model(images, masks).mean()) for name, images in held_out.items()}


@pytest.mark.slow
def test_hub_teaches_leaves_and_nothing_teaches_the_island(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    manifest = write_phantoms(tmp_path, domains=hub_island(leaves=3), volumes=5, size=48)
    volumes: dict[str, list[np.ndarray]] = {name: [] for name in manifest.domains}
    for entry in manifest.entries:
        voxels = np.asarray(nibabel.load(tmp_path / entry.file).dataobj, dtype=np.float32)
        volumes[entry.domain].append((voxels - voxels.mean()) / voxels.std())
    held_out = {name: crops(v[:1], 64, np.random.default_rng(2)) for name, v in volumes.items()}
    after = {s: losses_after(volumes[s][1:], held_out) for s in ("hub", "leaf_1", "island")}
    for source, row in after.items():
        print(source, {name: round(value, 3) for name, value in row.items()})
    own = after["leaf_1"]["leaf_1"]
    assert after["hub"]["leaf_1"] < 1.35 * own
    assert max(after["hub"][leaf] for leaf in ("leaf_2", "leaf_3")) < 0.8 * after["leaf_1"]["leaf_3"]
    assert min(after["leaf_1"][leaf] for leaf in ("leaf_2", "leaf_3")) > 1.5 * own
    assert min(after["hub"]["island"], after["leaf_1"]["island"]) > 1.5 * after["island"]["island"]
