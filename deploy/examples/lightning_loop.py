"""A Lightning module whose data mixture the allocation service steers. Run it as plain_loop.py says.

Needs `lightning`. The lines that steer end with `# steering`.
"""

from __future__ import annotations

import argparse
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from service.client import MixtureCallback  # steering

DOMAINS = ("ct", "t1", "pet")
BATCH, FEATURES = 16, 12


class Samples(Dataset[dict[str, Any]]):
    """`size` samples of one domain: its own linear task, near the others' or far from them."""

    def __init__(self, domain: int, size: int, seed: int) -> None:
        tasks, dice = torch.Generator().manual_seed(7), torch.Generator().manual_seed(100 * seed + domain)
        task = torch.randn(FEATURES, generator=tasks) + domain * torch.randn(3, FEATURES, generator=tasks)[domain]
        self.domain = domain
        self.inputs = torch.randn(size, FEATURES, generator=dice)
        self.targets = self.inputs @ task + 0.1 * torch.randn(size, generator=dice)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"inputs": self.inputs[index], "targets": self.targets[index], "domain": self.domain}


class Model(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(FEATURES + 3, 32), nn.GELU(), nn.Linear(32, 1))

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        label = nn.functional.one_hot(batch["domain"], 3).float()
        found = self.layers(torch.cat([batch["inputs"], label], 1)).squeeze(1)
        return nn.functional.mse_loss(found, batch["targets"])

    def training_step(self, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        return self.loss(batch)

    def validation_step(self, batch: dict[str, torch.Tensor], index: int, dataloader_idx: int = 0) -> None:
        name = f"val_loss/{DOMAINS[dataloader_idx]}"
        self.log(name, self.loss(batch), add_dataloader_idx=False, batch_size=len(batch["domain"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), 3e-3)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="lightning", help="of the run; a run that begins anew needs a new one")
    parser.add_argument("--steps", type=int, default=200, help="of the whole run")
    parser.add_argument("--stop", type=int, default=None, help="stop after so many steps, to go on later")
    parser.add_argument("--checkpoint", default=None, help="written at the end")
    parser.add_argument("--resume", default=None, help="a checkpoint to go on from")
    chosen = parser.parse_args(arguments)
    every, sizes = 10, dict.fromkeys(DOMAINS, 400)
    lightning.seed_everything(0, verbose=False)

    mixture = MixtureCallback(chosen.name, DOMAINS, budget=chosen.steps * BATCH, interval=every * BATCH)  # steering
    trainer = lightning.Trainer(
        max_steps=chosen.stop or chosen.steps,
        val_check_interval=every,
        check_val_every_n_epoch=None,
        callbacks=[mixture.for_lightning()],  # steering
        use_distributed_sampler=False,  # the sampler draws for each rank by itself
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = ConcatDataset([Samples(i, sizes[name], seed=1) for i, name in enumerate(DOMAINS)])
    trainer.fit(
        Model(),
        DataLoader(data, BATCH, sampler=mixture.sampler(sizes)),  # steering
        [DataLoader(Samples(i, 128, seed=2), 128) for i in range(3)],
        ckpt_path=chosen.resume,
    )
    if chosen.checkpoint:
        trainer.save_checkpoint(chosen.checkpoint)
    mixture.close()  # steering
    print(f"{mixture.position} draws, {mixture.draws}; now {mixture.weights} ({mixture.reason})")
    return mixture.draws


if __name__ == "__main__":
    main()
