"""The masked autoencoder against MONAI's own, its loss against a plain loop."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from monai.networks.nets import UNETR, MaskedAutoEncoderViT, ViT

from trainers.config.model import ModelConfig
from trainers.model import MaskedAutoencoder, build_model
from trainers.model.patches import hidden_patches_mse, patchify, unpatchify

CROP = (16, 24, 32)
CONFIG = ModelConfig(preset="nano", patch=(8, 8, 8))


@pytest.fixture
def model() -> MaskedAutoencoder:
    return build_model(CONFIG, CROP, seed=3)


def inputs(batch: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, 1, *CROP, generator=generator)
    tokens = 2 * 3 * 4
    visible = torch.stack([torch.randperm(tokens, generator=generator)[:6].sort().values for _ in range(batch)])
    return image, visible


@pytest.fixture
def monai(model: MaskedAutoencoder) -> MaskedAutoEncoderViT:
    shape = model.shape
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.meshgrid")
        net = MaskedAutoEncoderViT(
            in_channels=1,
            img_size=CROP,
            patch_size=(8, 8, 8),
            hidden_size=shape.hidden,
            mlp_dim=4 * shape.hidden,
            num_layers=shape.layers,
            num_heads=shape.heads,
            decoder_hidden_size=shape.decoder_hidden,
            decoder_mlp_dim=4 * shape.decoder_hidden,
            decoder_num_layers=shape.decoder_layers,
            decoder_num_heads=shape.decoder_heads,
        )
    net.load_state_dict(model.state_dict())
    return net


def test_same_mask_same_output_as_monai_to_the_bit(
    model: MaskedAutoencoder, monai: MaskedAutoEncoderViT, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, visible = inputs()
    monkeypatch.setattr(torch, "multinomial", lambda *args, **kwargs: visible)
    expected, mask = monai(image)
    found = model.rebuild(image, visible)
    assert torch.equal(found, expected)
    error = (expected - patchify(image, (8, 8, 8))).square().mean(-1)
    by_hand = (error * mask).sum(1) / mask.sum(1)
    torch.testing.assert_close(model(image, visible), by_hand)


def test_same_gradients_as_monai(
    model: MaskedAutoencoder, monai: MaskedAutoEncoderViT, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, visible = inputs()
    monkeypatch.setattr(torch, "multinomial", lambda *args, **kwargs: visible)
    monai(image)[0].square().sum().backward()
    model.rebuild(image, visible).square().sum().backward()
    theirs = dict(monai.named_parameters())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, theirs[name].grad)


def test_every_trainable_parameter_gets_a_gradient(model: MaskedAutoencoder) -> None:
    model(*inputs()).sum().backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_the_order_of_visible_patches_does_not_matter(model: MaskedAutoencoder) -> None:
    image, visible = inputs()
    torch.testing.assert_close(model(image, visible), model(image, visible.flip(1)), rtol=1e-5, atol=1e-6)


def test_a_sample_has_the_same_loss_in_any_company(model: MaskedAutoencoder) -> None:
    image, visible = inputs(batch=5)
    alone = torch.cat([model(image[i : i + 1], visible[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(model(image, visible), alone, rtol=1e-5, atol=1e-6)


def test_hidden_patches_do_not_leak_into_the_encoder(model: MaskedAutoencoder) -> None:
    image, visible = inputs(batch=1)
    patches = patchify(image, (8, 8, 8)).clone()
    hidden = torch.ones(patches.shape[1], dtype=torch.bool)
    hidden[visible[0]] = False
    patches[0, hidden] += 100.0
    other = unpatchify(patches, CROP, (8, 8, 8))
    assert torch.equal(model.rebuild(image, visible), model.rebuild(other, visible))


def test_bf16_autocast_forward_and_backward(model: MaskedAutoencoder) -> None:
    image, visible = inputs()
    exact = model(image, visible)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(image, visible)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0.02, atol=0.02)
    loss.mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_one_graph_without_breaks_for_compile(model: MaskedAutoencoder) -> None:
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    image, visible = inputs()
    torch.testing.assert_close(compiled(image, visible), model(image, visible), rtol=1e-5, atol=1e-6)


def test_patches_are_in_the_order_of_the_patch_embedding() -> None:
    image, _ = inputs(batch=2)
    patch = (4, 8, 2)
    conv = torch.nn.Conv3d(1, 64, kernel_size=patch, stride=patch, bias=False)
    conv.weight.data = torch.eye(64).reshape(64, 1, *patch)
    expected = conv(image).flatten(2).transpose(-1, -2)
    assert torch.equal(patchify(image, patch), expected)
    assert torch.equal(unpatchify(patchify(image, patch), CROP, patch), image)


@pytest.mark.parametrize("norm_pix", [False, True])
def test_loss_by_a_plain_loop(norm_pix: bool) -> None:
    rng = np.random.default_rng(0)
    prediction, target = rng.normal(size=(2, 5, 8)), rng.normal(2, 3, size=(2, 5, 8))
    visible = [[0, 3], [1, 4]]
    expected = []
    for b in range(2):
        errors = []
        for n in set(range(5)) - set(visible[b]):
            truth = target[b, n]
            if norm_pix:
                truth = (truth - truth.mean()) / np.sqrt(truth.var(ddof=1) + 1e-6)
            errors.append(np.mean((prediction[b, n] - truth) ** 2))
        expected.append(np.mean(errors))
    found = hidden_patches_mse(torch.tensor(prediction), torch.tensor(target), torch.tensor(visible), norm_pix)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_zeros_for_an_unreadable_volume_give_a_finite_loss() -> None:
    for norm_pix in (False, True):
        net = build_model(CONFIG.model_copy(update={"norm_pix": norm_pix}), CROP, seed=0)
        assert torch.isfinite(net(torch.zeros(1, 1, *CROP), torch.arange(6)[None])).all()


def test_start_is_fixed_by_the_seed_and_leaves_the_generator_alone() -> None:
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    first, again, other = (build_model(CONFIG, CROP, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not torch.equal(first.decoder_pred.weight, other.decoder_pred.weight)


def test_a_few_steps_lower_the_loss() -> None:
    net = build_model(CONFIG, CROP, seed=0)
    image, visible = inputs(batch=4)
    image = torch.nn.functional.avg_pool3d(image, 5, stride=1, padding=2) * 4
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = net(image, visible).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_encoder_weights_fit_vit_and_unetr(model: MaskedAutoencoder) -> None:
    shape = model.shape
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.meshgrid")
        vit = ViT(1, CROP, 8, shape.hidden, 4 * shape.hidden, shape.layers, shape.heads, pos_embed_type="sincos")
    last = f"blocks.{shape.layers}."
    encoder = {
        name.replace(last, "norm."): value
        for name, value in model.state_dict().items()
        if name.startswith(("blocks", "patch_embedding"))
    }
    assert set(vit.state_dict()) == set(encoder)
    vit.load_state_dict(encoder)
    unetr = UNETR(1, 2, (32, 32, 32), hidden_size=shape.hidden, mlp_dim=4 * shape.hidden, num_heads=shape.heads)
    block = {name: value.shape for name, value in unetr.vit.blocks[0].state_dict().items()}
    assert block == {name: value.shape for name, value in model.blocks[0].state_dict().items()}
