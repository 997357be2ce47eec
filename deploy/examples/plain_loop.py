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

import torch
from torch import nn

from service.client import MixtureCallback  # steering

DOMAINS = ("ct", "t1", "t2", "pet")
# How far each domain's task lies from the common one: pet is an island, t1 nearly the common task.
DISTANCE = {"ct": 0.5, "t1": 0.1, "t2": 0.4, "pet": 2.0}
FEATURES, BATCH = 16, 20


class Source:
    """Endless synthetic samples of one domain: inputs, and noisy targets of its own linear task."""

    def __init__(self, name: str, seed: int) -> None:
        place = DOMAINS.index(name)
        tasks = torch.Generator().manual_seed(7)
        common, own = torch.randn(FEATURES, 4, generator=tasks), torch.randn(4, FEATURES, 4, generator=tasks)[place]
        self.task = common + DISTANCE[name] * own
        self.label = nn.functional.one_hot(torch.tensor(place), 4).float()
        self.dice = torch.Generator().manual_seed(seed * 100 + place)

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = torch.randn(size, FEATURES, generator=self.dice)
        noise = 0.1 * torch.randn(size, 4, generator=self.dice)
        return torch.cat([inputs, self.label.expand(size, -1)], 1), inputs @ self.task + noise


def build() -> nn.Module:
    return nn.Sequential(nn.Linear(FEATURES + 4, 64), nn.GELU(), nn.Linear(64, 4))


def evaluate(model: nn.Module, held_out: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> dict[str, float]:
    """Mean squared error by domain, always on the same samples."""
    with torch.no_grad():
        return {name: float(nn.functional.mse_loss(model(x), y)) for name, (x, y) in held_out.items()}


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="plain-loop", help="of the run; a run that begins anew needs a new one")
    parser.add_argument("--draws", type=int, default=10_000, help="samples to learn from")
    parser.add_argument("--interval", type=int, default=500, help="samples between two reports")
    parser.add_argument("--queue", default=None, help="file for reports that cannot be delivered at once")
    chosen = parser.parse_args(arguments)

    torch.manual_seed(0)
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    sources = {name: Source(name, seed=1) for name in DOMAINS}
    held_out = {name: Source(name, seed=2).batch(256) for name in DOMAINS}

    mixture = MixtureCallback(  # steering
        chosen.name,
        DOMAINS,
        budget=chosen.draws,
        interval=chosen.interval,
        queue=chosen.queue,  # steering
    )  # steering
    for step in range(chosen.draws // BATCH):
        domain = mixture.choose()  # steering
        inputs, targets = sources[domain].batch(BATCH)
        loss = nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mixture.count(domain, BATCH, loss=loss.item())  # steering
        if mixture.due:  # steering
            losses = evaluate(model, held_out)
            mixture.report(losses)  # steering
            shares = "  ".join(f"{name} {share:.2f} ({losses[name]:.3f})" for name, share in mixture.weights.items())
            print(f"{(step + 1) * BATCH:>7} draws  {shares}  {mixture.reason}")
    mixture.close()  # steering
    return mixture.draws


if __name__ == "__main__":
    main()
