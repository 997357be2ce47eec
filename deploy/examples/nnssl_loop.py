"""A loop of the nnssl and nnU-Net kind: epochs of a fixed number of iterations, a loader that takes one sampling
probability a case, hooks on a trainer class. Steering it is a subclass with two hooks.

Run it as plain_loop.py says. The trainer here is a small stand-in of the same shape: in nnssl, whose loader takes
`sampling_probabilities` and gets None from every trainer, the subclass goes over the trainer of your choice.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter

import numpy as np
import torch
from torch import nn

from service.client import MixtureCallback

MODALITIES = {"ct": 40, "t1": 120, "pet": 15}  # preprocessed cases of each
ITERATIONS, BATCH, PATCH = 10, 4, 32


def cases(seed: int) -> tuple[list[str], torch.Tensor]:
    """Modality and volume of each case; a modality is a smooth pattern of its own plus noise."""
    dice = torch.Generator().manual_seed(7)
    patterns = {name: torch.randn(PATCH, generator=dice).cumsum(0) / 3 for name in MODALITIES}
    names = [name for name, number in MODALITIES.items() for _ in range(number)]
    noise = torch.Generator().manual_seed(seed)
    scale = 1 + 0.3 * torch.randn(len(names), 1, generator=noise)
    return names, torch.stack([patterns[n] for n in names]) * scale + 0.2 * torch.randn(
        len(names), PATCH, generator=noise
    )


class MaeTrainer:
    """What such frameworks offer: `get_dataloader` once an epoch, `on_validation_epoch_end` after it."""

    def __init__(self, epochs: int) -> None:
        torch.manual_seed(0)
        self.num_epochs, self.current_epoch = epochs, 0
        self.modality, self.volumes = cases(seed=1)
        self.held_out_modality, self.held_out = cases(seed=2)
        self.network = nn.Sequential(nn.Linear(PATCH, 48), nn.GELU(), nn.Linear(48, PATCH))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), 1e-3)
        self.seen: Counter[str] = Counter()
        self.dice = np.random.default_rng(0)

    def sampling_probabilities(self) -> list[float] | None:
        return None

    def train_epoch(self) -> None:
        probabilities = self.sampling_probabilities()
        for _ in range(ITERATIONS):
            keys = self.dice.choice(len(self.modality), BATCH, p=probabilities)
            self.seen.update(self.modality[key] for key in keys)
            self.optimizer.zero_grad()
            self.masked_loss(self.volumes[keys]).mean().backward()
            self.optimizer.step()

    def masked_loss(self, volumes: torch.Tensor) -> torch.Tensor:
        """Reconstruction error of what was masked, by case; the mask is always the same quarter that is left."""
        mask = (torch.arange(PATCH) % 4 != 0).float()
        error = (self.network(volumes * (1 - mask)) - volumes) ** 2
        return (error * mask).sum(1) / mask.sum()

    def on_validation_epoch_end(self, losses: dict[str, float]) -> None:
        self.seen.clear()

    def validate(self) -> dict[str, float]:
        with torch.no_grad():
            loss = self.masked_loss(self.held_out)
        rows = np.array(self.held_out_modality)
        return {name: float(loss[torch.from_numpy(rows == name)].mean()) for name in MODALITIES}

    def run_training(self) -> None:
        while self.current_epoch < self.num_epochs:
            self.train_epoch()
            self.on_validation_epoch_end(self.validate())
            self.current_epoch += 1


class SteeredTrainer(MaeTrainer):
    """All that steering takes."""

    def __init__(self, name: str, epochs: int) -> None:
        super().__init__(epochs)
        draws = ITERATIONS * BATCH
        # An interval of four epochs; the loader's probabilities change at the next epoch after an answer.
        self.mixture = MixtureCallback(name, list(MODALITIES), budget=epochs * draws, interval=4 * draws, lag=0)

    def sampling_probabilities(self) -> list[float] | None:
        return self.mixture.probabilities(self.modality)

    def on_validation_epoch_end(self, losses: dict[str, float]) -> None:
        self.mixture.on_epoch_end(losses, draws=self.seen)
        super().on_validation_epoch_end(losses)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="nnssl-loop", help="of the run; a run that begins anew needs a new one")
    parser.add_argument("--epochs", type=int, default=80)
    chosen = parser.parse_args(arguments)
    trainer = SteeredTrainer(chosen.name, chosen.epochs)
    with trainer.mixture as mixture:
        trainer.run_training()
        print(f"{mixture.position} draws, {mixture.draws}; now {mixture.weights} ({mixture.reason})")
        return mixture.draws


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    logging.getLogger("isthmus").setLevel(logging.INFO)  # the page's address, and each new mixture
    main()
