"""What the product's loop costs beside a bare PyTorch one: samples per CPU-second of each, and their ratio.

Two Ray Train workers over gloo, policy `transfer_law` behind the real owner actor and SQLite journal,
MLflow tracker on; five domains of phantoms. Both loops take turns inside the workers (`turns.py`).

    python -m tests.benchmarks.loop [--rounds N] [--interval DRAWS] [--preset NAME]
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import math
import statistics
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from service.config import Config
from service.pretrain.begin import begun, prepare_data
from service.pretrain.cluster import connected
from service.pretrain.console import Console
from service.pretrain.session import train
from trainers.examples.phantoms import hub_island, write_phantoms

WORKERS, BATCH, CROP = 2, 32, 32
BOUND = 0.95
EVAL_CAP = 0.05


@dataclasses.dataclass(frozen=True)
class LoopCost:
    """CPU-seconds on the same number of draws, over all workers; `rounds` holds (ours, bare) by interval.

    Ours is without held-out evaluation, with checkpoints. `idle`: CPU-seconds per second that Ray's
    threads take in a worker that does nothing; they run under both loops.
    """

    rounds: list[tuple[float, float]]
    draws: int
    evaluation: float
    checkpoints: float
    owner: float
    tracker: float
    idle: float
    refits: int

    @property
    def ours(self) -> float:
        return math.fsum(ours for ours, _ in self.rounds)

    @property
    def alone(self) -> float:
        """Samples per CPU-second of the worker processes, ours over bare; the middle of the intervals."""
        return statistics.median(bare / ours for ours, bare in self.rounds)

    @property
    def whole(self) -> float:
        """The same with all that owner and tracker did charged to ours."""
        return self.alone * self.ours / (self.ours + self.owner + self.tracker)

    @property
    def eval_share(self) -> float:
        return self.evaluation / (self.evaluation + self.ours)


def make_config(folder: Path, intervals: int, interval: int, preset: str) -> Config:
    manifest = write_phantoms(folder / "volumes", domains=hub_island(3), volumes=4, size=48)
    return Config.model_validate(
        {
            "name": "bench",
            "budget": intervals * interval,
            "interval": interval,
            "runs": str(folder / "runs"),
            "data": {
                "root": str(folder / "volumes"),
                "cache": str(folder / "cache"),
                "crop": CROP,
                "domains": {name: {"path": name, "kind": "mr"} for name in manifest.domains},
            },
            "model": {"preset": preset, "patch": 8},
            "train": {"global_batch": BATCH, "eval_fraction": EVAL_CAP},
            "ray": {"workers": WORKERS, "max_failures": 0},
        }
    )


def measure(rounds: int, interval: int, preset: str) -> LoopCost:
    """Train `rounds` measured intervals after the warm-up, as `isthmus pretrain` does."""
    from tests.benchmarks import turns

    console = Console(io.StringIO())
    with tempfile.TemporaryDirectory() as folder, mock.patch("trainers.ray_train.train_worker", turns.worker):
        config = make_config(Path(folder), turns.WARM_UP_INTERVALS + rounds, interval, preset)
        data = prepare_data(config, console)
        with begun(config, data, console) as run, connected(config.ray):
            train(run, console)
            refits = len(list(run.journal.events(run.name, kinds=["decision"])))
        return tally(turns.read_ranks(run.folder.path), interval, refits)


def tally(ranks: list[dict[str, Any]], interval: int, refits: int) -> LoopCost:
    """Add up over ranks."""
    rounds = list(zip(*(rank["rounds"] for rank in ranks), strict=True))

    def total(what: str) -> float:
        return math.fsum(part[what] for row in rounds for part in row)

    before, after = ranks[0]["beside"]
    return LoopCost(
        rounds=[(sum(part["ours"] for part in row), sum(part["bare"] for part in row)) for row in rounds],
        draws=len(rounds) * interval,
        evaluation=total("evaluation"),
        checkpoints=total("checkpoint"),
        owner=after["owner"] - before["owner"],
        tracker=after["tracker"] - before["tracker"],
        idle=sum(rank["idle_share"] for rank in ranks) / len(ranks),
        refits=refits,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4, help="intervals measured")
    parser.add_argument("--interval", type=int, default=512, help="draws")
    parser.add_argument("--preset", default="small")
    options = parser.parse_args()
    cost = measure(options.rounds, options.interval, options.preset)
    print(cost)
    print([round(bare / ours, 3) for ours, bare in cost.rounds], cost.alone, cost.whole)


if __name__ == "__main__":
    main()
