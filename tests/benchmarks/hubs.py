"""Does the law-driven mixture find a planted hub?

    make hubs        (python -m tests.benchmarks.hubs [--seeds 10] [--compare])

Each seed draws its own phantoms (one hub whose patterns the leaves share, three leaves that share
nothing with each other, one island) and trains its own model with `transfer_law`. Counted are the
seeds in which the hub gets more than its uniform share of the draws after probing, and in which a
decision says that it is a hub. `--compare` trains each seed with `uniform` as well.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

NEEDED = 0.8
HUB = "hub"
TRAIN = {
    "global_batch": 16,
    "lr": 2e-3,
    "betas": [0.9, 0.99],
    "ema": 0.9,
    "decay_fraction": 0.0,
    "checkpoint_every": 19200,
}


def one(seed: int, compare: bool) -> dict[str, float | str | bool]:
    """One seed: the hub's share after probing, what was said, and the gain where asked for."""
    from tests.benchmarks.local import Recipe, run_locally
    from trainers.examples import data_section, hub_island, write_phantoms

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_phantoms(folder / "data", seed=seed, domains=hub_island(leaves=3), volumes=6, size=48)
        data = data_section(manifest) | {"root": str(folder / "data"), "cache": str(folder / "cache"), "crop": 16}
        recipe = Recipe(data, 19200, 384, {"preset": "nano", "patch": 4}, TRAIN)
        ours = run_locally(recipe, "transfer_law", seed, folder / "ours")
        led = [d for d in ours.decisions if d.reason == "refit" or d.reason.startswith("kept")]
        share = sum(d.weights[HUB] for d in led) / max(len(led), 1)
        said = next(
            (d.detail for d in led if d.weights[HUB] > 0.2 and f"{HUB} " in d.detail and "a hub" in d.detail), ""
        )
        gain = float("nan")
        if compare:
            gain = run_locally(recipe, "uniform", seed, folder / "uniform").mean_log - ours.mean_log
        return {"seed": seed, "share": share, "said": said, "gain": gain, "uniform": 1 / len(data["domains"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--compare", action="store_true")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    found = 0
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        for row in pool.map(one, seeds, [given.compare] * given.seeds):
            hit = row["share"] > row["uniform"] and bool(row["said"])
            found += hit
            gain = f", {row['gain']:+.1%} below uniform" if given.compare else ""
            said = row["said"] or "kept"
            print(f"seed {row['seed']}: hub {row['share']:.0%} against {row['uniform']:.0%}{gain}; {said}")
            sys.stdout.flush()
    print(f"the hub got more than its uniform share, with the reason said, in {found} of {given.seeds} seeds")
    sys.exit(0 if found >= NEEDED * given.seeds else 1)


if __name__ == "__main__":
    main()
