"""Settings every test shares. They must be in place before torch, ray or mlflow are imported."""

import os
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

# Files of few but long tests. With two processes they come first: a long one that begins last leaves a core idle.
LONG = (
    "trainers/ray/test_ray_train.py",
    "service/pretrain/test_end_to_end.py",
    "service/serving_command/test_serve.py",
    "service/jobs/test_submit.py",
    "trainers/loop/test_ranks.py",
    "policies/test_optimism.py",
    "service/test_actor.py",
    "service/hosting/test_cluster.py",
    "service/tournament/test_run.py",
    "service/tracking/test_server_down.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; all else in the order of collection."""
    places = {name: place for place, name in enumerate(LONG)}
    root = Path(__file__).parent
    items.sort(key=lambda item: places.get(item.path.relative_to(root).as_posix(), len(LONG)))
