"""Starting values: places can be told apart, and a patch looks at its neighbours from the first step."""

import torch

from trainers.config.model import ModelConfig
from trainers.model import build_model

CROP = (16, 16, 16)


def model() -> torch.nn.Module:
    return build_model(ModelConfig(preset="tiny", patch=4), CROP, seed=0)


def test_no_two_places_look_alike() -> None:
    places = model().decoder_pos_embedding[0].detach()
    centred = torch.nn.functional.normalize(places - places.mean(0), dim=1)
    alike = centred @ centred.T - 2 * torch.eye(len(places))
    assert alike.max() < 0.9


def test_a_patch_attends_to_its_neighbours_at_the_start() -> None:
    with torch.no_grad():
        network = model()
        places = network.decoder_pos_embedding[0]
        block = network.decoder_blocks[0]
        qkv = block.attn.qkv(block.norm1(places))
        heads = block.attn.num_heads
        query, key, _ = qkv.reshape(len(places), 3, heads, -1).unbind(1)
        attention = (torch.einsum("ihd,jhd->hij", query, key) * query.shape[-1] ** -0.5).softmax(-1).mean(0)
    grid = torch.stack(torch.meshgrid(*[torch.arange(4.0)] * 3, indexing="ij"), -1).reshape(-1, 3)
    steps = torch.cdist(grid, grid, p=1)
    near, far = attention[steps == 1].mean(), attention[steps >= 5].mean()
    assert near > 2 * far
