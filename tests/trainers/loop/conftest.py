"""A tiny job on small volumes made here: three domains of smooth random fields, a nano model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policies.records import MixtureSchedule, Stage
from trainers.advisor import RecordedAdvisor
from trainers.config.model import ModelConfig
from trainers.config.training import TrainConfig
from trainers.loop import LocalComm, TrainResult, run
from trainers.loop.job import TrainJob
from trainers.volumes.records import HeldOutCrop, PreparedData, PreparedDomain, PreparedVolume

EDGE, CROP, CROPS = 24, (16, 16, 16), 12
INTERVAL, BUDGET, BATCH = 64, 320, 8
SHARES = ((0.5, 0.3, 0.2), (0.2, 0.2, 0.6), (0.1, 0.8, 0.1), (1 / 3, 1 / 3, 1 / 3))


def make_volume(folder: Path, name: str, rng: np.random.Generator) -> PreparedVolume:
    grid = np.stack(np.meshgrid(*[np.linspace(0, np.pi, EDGE)] * 3, indexing="ij"))
    waves = [np.sin((rng.integers(1, 4, 3)[:, None, None, None] * grid).sum(0) + rng.uniform(0, 6)) for _ in range(4)]
    file, places = folder / f"{name}.npy", folder / f"{name}.places.npy"
    np.save(file, np.sum(waves, axis=0).astype(np.float32))
    np.save(places, rng.integers(8, EDGE - 8, (CROPS, 3)).astype(np.int32))
    box = ((0, EDGE), (0, EDGE), (0, EDGE))
    return PreparedVolume(name, name, "", str(file), str(places), CROPS, (EDGE, EDGE, EDGE), box, 0.0)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder, rng = tmp_path_factory.mktemp("cache"), np.random.default_rng(7)
    domains = {}
    for name in ("ct", "mr", "pet"):
        train = tuple(make_volume(folder, f"{name}-{i}", rng) for i in range(6))
        other = make_volume(folder, f"{name}-held", rng)
        held_out = tuple(HeldOutCrop(other, (8 + i, 10, 12)) for i in range(4))
        domains[name] = PreparedDomain(name, "mr", train, held_out)
    return PreparedData(domains, CROP)


@pytest.fixture
def schedule(data: PreparedData) -> MixtureSchedule:
    """The mixture changes at three of the four boundaries."""
    stages = [Stage(i * INTERVAL, dict(zip(data.domains, s, strict=True))) for i, s in enumerate(SHARES)]
    return MixtureSchedule(tuple(stages))


MakeJob = Callable[..., TrainJob]


@pytest.fixture
def make_job(data: PreparedData, schedule: MixtureSchedule, tmp_path: Path) -> MakeJob:
    """A job by the recorded schedule; keyword arguments go to `TrainConfig`, or replace fields of the job."""

    def make(run: str = "run", fields: dict[str, Any] | None = None, **train: Any) -> TrainJob:
        settings: dict[str, Any] = {"global_batch": BATCH, "lr": 2e-3, "trace": True, "decision_lag": 32}
        standard: dict[str, Any] = {
            "name": run,
            "run_dir": str(tmp_path / run),
            "seed": 3,
            "budget": BUDGET,
            "interval": INTERVAL,
            "train": TrainConfig.model_validate(settings | train),
            "model": ModelConfig(preset="nano"),
            "data": data,
            "advisor": functools.partial(RecordedAdvisor, schedule, INTERVAL),
        }
        return TrainJob(**(standard | (fields or {})))

    return make


@pytest.fixture(scope="session")
def shared() -> dict[str, tuple[TrainJob, TrainResult]]:
    return {}


@pytest.fixture
def undisturbed(make_job, shared, tmp_path_factory) -> tuple[TrainJob, TrainResult]:
    """One run from start to end, made once."""
    if "run" not in shared:
        job = make_job(fields={"run_dir": str(tmp_path_factory.mktemp("undisturbed"))})
        shared["run"] = job, run(job, LocalComm())
    return shared["run"]
