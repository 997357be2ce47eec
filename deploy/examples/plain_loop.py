"""A plain PyTorch loop whose data mixture the allocation service steers.

Nothing of ours is imported but the client. The lines that steer end with `# steering`; without them this is an
ordinary loop over four domains, which draws them equally.

    isthmus serve                                    # in one terminal
    export ISTHMUS_TOKEN=...                         # isthmus token create --project demo --scope report
    export ISTHMUS_URL=http://127.0.0.1:8900
    python deploy/examples/plain_loop.py --name my-first-run
"""

from __future__ import annotations

import argparse
import logging

import torch
from torch import nn

from service.client import MixtureCallback  # steering

DOMAINS = ("ct", "t1", "t2", "pet")
# How far each domain's task lies from the one they share: pet is an island, the others help each other.
DISTANCE = {"ct": 0.2, "t1": 0.1, "t2": 0.2, "pet": 3.0}
# Noise of the targets: what no number of draws learns away.
NOISE = {"ct": 0.5, "t1": 0.3, "t2": 0.5, "pet": 0.1}
FEATURES, BATCH = 128, 20
# Ever smaller directions, each learnt later than the one before: the loss falls as a power law.
SCALE = torch.arange(1, FEATURES + 1) ** -0.75


class Source:
    """Endless synthetic samples of one domain: inputs, and noisy targets of its own linear task."""

    def __init__(self, name: str, seed: int) -> None:
        place = DOMAINS.index(name)
        tasks = torch.Generator().manual_seed(7)
        common, own = torch.randn(FEATURES, generator=tasks), torch.randn(4, FEATURES, generator=tasks)[place]
        self.task = (common + DISTANCE[name] * own) / (1 + DISTANCE[name])
        self.noise = NOISE[name]
        self.label = nn.functional.one_hot(torch.tensor(place), 4).float()
        self.dice = torch.Generator().manual_seed(seed * 100 + place)

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = SCALE * torch.randn(size, FEATURES, generator=self.dice)
        noise = self.noise * torch.randn(size, generator=self.dice)
        apart = torch.einsum("bf,d->bdf", inputs, self.label).flatten(1)
        return torch.cat([inputs, apart], 1), inputs @ self.task + noise


def build() -> nn.Module:
    """What the domains share, and what is each one's own."""
    return nn.Sequential(nn.Linear(5 * FEATURES, 1), nn.Flatten(0))


def evaluate(model: nn.Module, held_out: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> dict[str, float]:
    """Mean squared error by domain, always on the same samples."""
    with torch.no_grad():
        return {name: float(nn.functional.mse_loss(model(x), y)) for name, (x, y) in held_out.items()}


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="plain-loop", help="of the run; a run that begins anew needs a new one")
    parser.add_argument("--draws", type=int, default=20_000, help="samples to learn from")
    parser.add_argument("--interval", type=int, default=400, help="samples between two reports")
    parser.add_argument("--queue", default=None, help="file for reports that cannot be delivered at once")
    chosen = parser.parse_args(arguments)

    torch.manual_seed(0)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    sources = {name: Source(name, seed=1) for name in DOMAINS}
    held_out = {name: Source(name, seed=2).batch(1024) for name in DOMAINS}

    mixture = MixtureCallback(chosen.name, DOMAINS, chosen.draws, chosen.interval, queue=chosen.queue)  # steering
    for step in range(chosen.draws // BATCH):
        domains = [mixture.choose() for _ in range(BATCH)]  # steering
        samples = [sources[domain].batch(1) for domain in domains]
        inputs, targets = (torch.cat(part) for part in zip(*samples, strict=True))
        loss = nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mixture.count(domains)  # steering
        if mixture.due:  # steering
            losses = evaluate(model, held_out)
            mixture.report(losses)  # steering
            shares = "  ".join(f"{name} {share:.2f} ({losses[name]:.3f})" for name, share in mixture.weights.items())
            print(f"{(step + 1) * BATCH:>7} draws  {shares}  {mixture.reason}")
    mixture.close()  # steering
    return mixture.draws


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    logging.getLogger("isthmus").setLevel(logging.INFO)  # the page's address, and each new mixture
    main()
