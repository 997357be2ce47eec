"""What the product's loop costs beside a bare PyTorch one: samples per CPU-second of each, and their ratio.

Two Ray Train workers over gloo, policy `transfer_law` behind the real owner actor and SQLite journal,
MLflow tracker on; five domains of phantoms. Both loops take turns inside the workers (`turns.py`).

    python -m tests.benchmarks.loop [--pairs N] [--interval DRAWS] [--preset NAME]
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import statistics
import tempfile
from pathlib import Path
from unittest import mock

from service.config import Config
from service.pretrain.begin import begun, prepare_data
from service.pretrain.cluster import connected
from service.pretrain.console import Console
from service.pretrain.session import train
from trainers.examples.phantoms import hub_island, write_phantoms

WORKERS, BATCH, CROP = 2, 16, 32
BOUND = 0.95
EVAL_CAP = 0.05


@dataclasses.dataclass(frozen=True)
class LoopCost:
    """Ratios of samples per CPU-second, ours over bare; the middle of the pairs, and the lowest and highest.

    alone: the worker processes; whole: with all CPU-seconds of owner and tracker charged to ours.
    eval_share: of ours, in held-out evaluation. idle: CPU-seconds per second of Ray's threads in a worker.
    """

    pairs: list[float]
    bare_rate: float
    owner_seconds: float
    tracker_seconds: float
    ours_seconds: float
    bare_seconds: float
    eval_share: float
    idle: float
    refits: int

    @property
    def alone(self) -> float:
        return statistics.median(self.pairs)

    @property
    def whole(self) -> float:
        charged = self.ours_seconds + self.owner_seconds + self.tracker_seconds
        return self.alone * self.ours_seconds / charged


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
            "ray": {"workers": WORKERS},
        }
    )


def measure(pairs: int, interval: int, preset: str) -> LoopCost:
    from tests.benchmarks import turns

    console = Console(io.StringIO())
    with tempfile.TemporaryDirectory() as folder, mock.patch("trainers.ray_train.train_worker", turns.worker):
        config = make_config(Path(folder), turns.WARM_UP_INTERVALS + pairs, interval, preset)
        data = prepare_data(config, console)
        with begun(config, data, console) as run, connected(config.ray):
            train(run, console)
            refits = len(list(run.journal.events(run.name, kinds=["decision"])))
        files = [json.loads(p.read_text()) for p in sorted((Path(folder) / "runs/bench").glob("turns-*.json"))]
    return tally(files, refits)


def tally(ranks: list[dict], refits: int) -> LoopCost:  # type: ignore[type-arg]
    """Add up over ranks, turn by turn."""
    rows = list(zip(*(rank["turns"] for rank in ranks), strict=True))
    rate = [row[0]["draws"] / sum(r["seconds"] for r in row) for row in rows]
    ours = [i for i, row in enumerate(rows) if row[0]["who"] == "ours"]
    seconds = {who: sum(r["seconds"] for row in rows for r in row if r["who"] == who) for who in ("ours", "bare")}
    evaluation = sum(r["evaluation"] for row in rows for r in row)
    before, after = ranks[0]["beside"]
    return LoopCost(
        pairs=sorted(rate[i] / rate[i + 1] for i in ours),
        bare_rate=statistics.median(rate[i + 1] for i in ours),
        owner_seconds=after["owner"] - before["owner"],
        tracker_seconds=after["tracker"] - before["tracker"],
        ours_seconds=seconds["ours"],
        bare_seconds=seconds["bare"],
        eval_share=evaluation / (evaluation + seconds["ours"]),
        idle=statistics.mean(rank["idle_share"] for rank in ranks),
        refits=refits,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--interval", type=int, default=384)
    parser.add_argument("--preset", default="small")
    options = parser.parse_args()
    cost = measure(options.pairs, options.interval, options.preset)
    print(cost, cost.alone, cost.whole)


if __name__ == "__main__":
    main()
