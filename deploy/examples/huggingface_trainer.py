"""A Hugging Face Trainer whose data mixture the allocation service steers. Run it as plain_loop.py says.

Needs `transformers` and `accelerate`. The lines that steer end with `# steering`.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import torch
from torch import nn
from torch.utils.data import ConcatDataset, Dataset
from transformers import Trainer, TrainingArguments

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
        return {"inputs": self.inputs[index], "labels": self.targets[index], "domain": self.domain}


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(FEATURES + 3, 32), nn.GELU(), nn.Linear(32, 1))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor, domain: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.layers(torch.cat([inputs, nn.functional.one_hot(domain, 3).float()], 1)).squeeze(1)
        return {"loss": nn.functional.mse_loss(found, labels), "logits": found}


class MixedTrainer(Trainer):  # steering
    mixture: MixtureCallback  # steering

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:  # steering
        sizes = [len(part) for part in self.train_dataset.datasets]  # steering
        return self.mixture.sampler(dict(zip(DOMAINS, sizes, strict=True)))  # steering

    def training_step(self, model: Any, inputs: Any, *rest: Any) -> Any:  # steering
        self.mixture.count(inputs["domain"])  # steering
        return super().training_step(model, inputs, *rest)  # steering


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="huggingface", help="of the run; a run that begins anew needs a new one")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", default=None, help="checkpoints; where there is one, training goes on from it")
    chosen = parser.parse_args(arguments)
    out = chosen.out or tempfile.mkdtemp(prefix="huggingface-")
    every = 10
    settings = TrainingArguments(
        output_dir=out,
        max_steps=chosen.steps,
        per_device_train_batch_size=BATCH,
        learning_rate=3e-3,
        eval_strategy="steps",
        eval_steps=every,
        save_steps=5 * every,
        logging_steps=5 * every,
        remove_unused_columns=False,  # the domain has to reach the loop
        ignore_data_skip=True,  # the sampler goes on by itself
        report_to=[],
        use_cpu=True,
        seed=0,
    )
    trainer = MixedTrainer(
        Model(),
        settings,
        train_dataset=ConcatDataset([Samples(i, 400, seed=1) for i in range(3)]),
        eval_dataset={name: Samples(i, 128, seed=2) for i, name in enumerate(DOMAINS)},
    )
    mixture = MixtureCallback(chosen.name, DOMAINS, budget=chosen.steps * BATCH, interval=every * BATCH)  # steering
    trainer.mixture = mixture  # steering
    trainer.add_callback(mixture.for_transformers())  # steering
    trainer.train(resume_from_checkpoint=_has_checkpoint(out))
    mixture.close()  # steering
    print(f"{mixture.position} draws, {mixture.draws}; now {mixture.weights} ({mixture.reason})")
    return mixture.draws


def _has_checkpoint(folder: str) -> bool:
    from transformers.trainer_utils import get_last_checkpoint

    return get_last_checkpoint(folder) is not None


if __name__ == "__main__":
    main()
