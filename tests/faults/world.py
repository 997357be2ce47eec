"""The run that is disturbed: small volumes, many decisions, everything that could differ written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from trainers.examples.phantoms import hub_island, write_phantoms

INTERVAL, INTERVALS = 384, 20
BUDGET = INTERVAL * INTERVALS

# Readier to move than the defaults: many different mixtures in few draws, so that a lost decision shows.
BOLD = {"sure": 0.6, "caution": 0.3, "least_gain": 0.0, "probe_until": 0.4, "sure_gift": 0.0, "latest": 1.0}
POLICY = {"name": "transfer_law", "options": BOLD}


def write_world(folder: Path) -> None:
    """Phantom volumes of four domains; all runs share them and their cache."""
    write_phantoms(folder / "volumes", domains=hub_island(2), volumes=4, size=24)


def write_config(folder: Path, name: str) -> Path:
    """The configuration of one run: the same for all but the name.

    Checkpoints do not fall on reports, so that a run taken up from one repeats reports that were answered.
    """
    domains = {d.name: {"path": d.name, "kind": "mr"} for d in hub_island(2)}
    train: dict[str, Any] = {"global_batch": 16, "eval_fraction": 0.2, "max_eval_crops": 8, "checkpoint_every": 304}
    body = {
        "name": name,
        "budget": BUDGET,
        "interval": INTERVAL,
        "data": {"root": "volumes", "cache": "cache", "crop": 16, "domains": domains},
        "model": {"preset": "nano"},
        "train": train | {"deterministic": True, "trace": True, "progress_seconds": 0.1},
        "policy": POLICY,
        "ray": {"workers": 2},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(body))
    return path
