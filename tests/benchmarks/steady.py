"""Is the recipe steady? The spread over seeds of the final loss at a fixed mixture, on the example data.

    make steady      (python -m tests.benchmarks.steady [--seeds 10])

Runs the demo's recipe (deploy/examples/demo.yaml) with `uniform` and prints the standard deviation
of the final mean log loss over seeds, with its 90 % interval (chi-squared).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy/examples/demo.yaml"
BOUND = 0.05


def one(seed: int) -> float:
    """Final mean log loss of one seed."""
    from service.config import load_config
    from tests.benchmarks.local import Recipe, run_locally

    config = load_config(CONFIG)
    recipe = Recipe(
        config.data.model_dump(),
        config.budget,
        config.interval,
        config.model.model_dump(),
        config.train.model_dump() | {"checkpoint_every": config.budget},
    )
    with tempfile.TemporaryDirectory() as name:
        return run_locally(recipe, "uniform", seed, Path(name)).mean_log


def main() -> None:
    from scipy.stats import chi2

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    count = parser.parse_args().seeds
    values = []
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        for seed, value in enumerate(pool.map(one, range(count))):
            values.append(value)
            print(f"seed {seed}: {value:.4f}", flush=True)
    mean = math.fsum(values) / count
    squares = math.fsum((value - mean) ** 2 for value in values)
    low, high = (math.sqrt(squares / chi2.ppf(q, count - 1)) for q in (0.95, 0.05))
    sd = math.sqrt(squares / (count - 1))
    print(
        f"final mean log loss {mean:.4f}, standard deviation over {count} seeds {sd:.4f}, 90 % [{low:.4f}, {high:.4f}]"
    )
    sys.exit(0 if high < BOUND else 1)


if __name__ == "__main__":
    main()
