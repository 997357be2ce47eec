"""The loop to compare with: PyTorch's own DDP, DataLoader and optimiser, and nothing else.

Same model, same starting weights, same optimiser, clipping and DDP options, same crops from the same
cache and a random mask for each, as somebody would write it by hand. No moving average, no counting of
losses, no check of the gradient, no checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from trainers.loop import TrainJob, learning_rate
from trainers.loop.comm import Comm
from trainers.loop.parallel import build_optimizer
from trainers.model import build_model, resolve_shape
from trainers.volumes import PreparedData, read_crop

Sample = tuple[torch.Tensor, torch.Tensor]


class PlainCrops(Dataset[Sample]):
    """Every crop once, with patches to show drawn at random."""

    def __init__(self, data: PreparedData, tokens: int, visible: int) -> None:
        self.crop, self.tokens, self.visible = data.crop, tokens, visible
        self.items = [
            (volume, crop)
            for domain in data.domains.values()
            for volume in domain.train
            for crop in range(volume.crops)
        ]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        volume, crop = self.items[index]
        return torch.from_numpy(read_crop(volume, crop, self.crop)), torch.randperm(self.tokens)[: self.visible]


class BareLoop:
    """One rank of it; `train(draws)` goes on where the last call ended."""

    def __init__(self, job: TrainJob, comm: Comm) -> None:
        self.batch, self.clip = job.train.global_batch, job.train.clip
        shape = resolve_shape(job.model, job.data.crop)
        model = build_model(job.model, job.data.crop, job.seed)
        self.model = DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=True)
        self.optimizer = build_optimizer(model, job.train, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: learning_rate(job.train, job.budget, step * self.batch % job.budget) / job.train.lr,
        )
        crops = PlainCrops(job.data, shape.tokens, shape.visible)
        self.sampler: DistributedSampler[Sample] = DistributedSampler(crops, comm.world, comm.rank, drop_last=True)
        self.loader = DataLoader(crops, self.batch // comm.world, sampler=self.sampler, drop_last=True)
        self.batches = self._batches()

    def train(self, draws: int) -> None:
        for _ in range(draws // self.batch):
            image, visible = next(self.batches)
            loss = self.model(image, visible).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()

    def _batches(self) -> Iterator[Sample]:
        epoch = 0
        while True:
            self.sampler.set_epoch(epoch)
            yield from self.loader
            epoch += 1
