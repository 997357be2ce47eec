"""`make bench`: every bound in one table; exits 1 if one is missed.

All figures are CPU-seconds, so a busy machine changes them little; rates are given as ratios of loops that
took turns in one run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch count the cores
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from tests.benchmarks import loop, refit, stream
from tests.benchmarks.shown import Row, show

LOOP_ROUNDS, LOOP_INTERVAL, LOOP_PRESET = 4, 512, "small"
REFITS = ((20, 1_000), (20, 10_000), (8, 10_000))
STREAM_ROUNDS = 3


def loop_rows() -> list[Row]:
    cost = loop.measure(LOOP_ROUNDS, LOOP_INTERVAL, LOOP_PRESET)
    ratios = ", ".join(f"{bare / ours:.3f}" for ours, bare in cost.rounds)
    what = f"samples per CPU-second, Ray Train loop with transfer_law / bare DDP loop ({cost.draws:,} draws each)"
    return [
        (what, f"{cost.alone:.3f} ({ratios})", f">= {loop.BOUND}", cost.alone >= loop.BOUND),
        (
            "the same with the owner's and the tracker's CPU-seconds charged to the loop",
            f"{cost.whole:.3f} (owner {cost.owner:.1f} s, tracker {cost.tracker:.1f} s, loop {cost.ours:.1f} s)",
            "",
            True,
        ),
        (
            "held-out evaluation, share of the loop's compute",
            f"{cost.eval_share:.1%}",
            f"<= {loop.EVAL_CAP:.0%}",
            cost.eval_share <= loop.EVAL_CAP,
        ),
        ("checkpoints, share of the loop", f"{cost.checkpoints / cost.ours:.1%}", "", True),
        ("Ray's threads in an idle worker, of a core", f"{cost.idle:.1%}", "", True),
    ]


def refit_rows() -> list[Row]:
    rows = []
    for domains, reports in REFITS:
        cost = refit.measure(domains, reports)
        figure = f"{cost.best:.2f} s (best of {refit.TIMED_REFITS}; middle {cost.middle:.2f} s)"
        held = cost.best < refit.BOUND_SECONDS
        rows.append(
            (f"warm refit, {domains} domains, {reports:,} reports", figure, f"< {refit.BOUND_SECONDS:g} s", held)
        )
    return rows


def stream_rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        data = stream.make_data(Path(folder), crop=32)
        rows: list[Row] = []
        for workers in (0, 1):
            ratios = stream.compare(data, STREAM_ROUNDS, 64 * stream.BATCH, workers)
            figure = f"{ratios[len(ratios) // 2]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            rows.append(
                (f"samples read per CPU-second, stream / plain DataLoader, loader_workers={workers}", figure, "", True)
            )
    return rows


def main() -> int:
    return show("python -m tests.benchmarks", [*refit_rows(), *stream_rows(), *loop_rows()])


if __name__ == "__main__":
    sys.exit(main())
