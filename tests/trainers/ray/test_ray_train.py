"""The loop under Ray Train: a killed worker is replaced; what no restart can cure is not retried."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

import numpy as np
import pytest

from policies.records import MixtureSchedule, Stage
from trainers.advisor import RecordedAdvisor
from trainers.config.model import ModelConfig
from trainers.config.training import RayConfig, TrainConfig
from trainers.loop import ResumeRefused, TrainJob, read_trace
from trainers.ray_train import AUTH_VARIABLE, fit, worker_resources, worker_variables
from trainers.volumes.records import HeldOutCrop, PreparedData, PreparedDomain, PreparedVolume

EDGE, INTERVAL, BUDGET = 20, 80, 240


def make_volume(folder: Path, name: str, rng: np.random.Generator) -> PreparedVolume:
    file, places = folder / f"{name}.npy", folder / f"{name}.places.npy"
    np.save(file, rng.normal(size=(EDGE, EDGE, EDGE)).astype(np.float32))
    np.save(places, rng.integers(8, EDGE - 8, (6, 3)).astype(np.int32))
    return PreparedVolume(
        name, name, "", str(file), str(places), 6, (EDGE, EDGE, EDGE), ((0, EDGE), (0, EDGE), (0, EDGE)), 0.0
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("cache"), np.random.default_rng(1)
    domains = {}
    for name in ("ct", "mr"):
        held_out = make_volume(folder, f"{name}-held", rng)
        train = tuple(make_volume(folder, f"{name}-{i}", rng) for i in range(3))
        domains[name] = PreparedDomain(name, "mr", train, (HeldOutCrop(held_out, (9, 9, 9)),) * 2)
    return PreparedData(domains, (16, 16, 16))


@pytest.fixture
def make_job(data, tmp_path):
    stages = (Stage(0, {"ct": 0.5, "mr": 0.5}), Stage(INTERVAL, {"ct": 0.9, "mr": 0.1}))

    def make(name: str, **train) -> TrainJob:
        return TrainJob(
            name=name,
            run_dir=str(tmp_path / name),
            seed=1,
            budget=BUDGET,
            interval=INTERVAL,
            train=TrainConfig(global_batch=8, lr=train.pop("lr", 1e-3), trace=True, **train),
            model=ModelConfig(preset="nano"),
            data=data,
            advisor=functools.partial(RecordedAdvisor, MixtureSchedule(stages), INTERVAL),
        )

    return make


@pytest.mark.ray
@pytest.mark.timeout(1200)  # three starts of workers; a busy machine takes minutes for each
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own: it pickles its data context
def test_a_killed_worker_is_replaced_and_the_stream_is_the_same(cluster, make_job, monkeypatch, tmp_path):
    job, marker = make_job("killed", checkpoint_every=40), tmp_path / "marker"
    monkeypatch.setenv("ISTHMUS_FAULT", f"step:18:{marker}")
    result = fit(job, RayConfig(workers=2))
    assert marker.exists()
    assert result.position == BUDGET
    assert result.resumed_from == 120
    trace = read_trace(job.run_dir)  # raises if a repeated draw was another one
    assert sorted(trace) == list(range(BUDGET))
    assert {row["stage"] for row in trace.values()} == {0, INTERVAL}
    pointers = [json.loads(path.read_text()) for path in (Path(job.run_dir) / "ray").rglob("pointer.json")]
    newest = max(pointers, key=lambda pointer: pointer["position"])
    assert newest["position"] == BUDGET
    assert Path(newest["path"]).is_dir()

    monkeypatch.delenv("ISTHMUS_FAULT")
    with pytest.raises(ResumeRefused, match=r"train\.lr was 0\.001 when the run was started and is 0\.01 now"):
        fit(make_job("killed", lr=1e-2), RayConfig(workers=1))


def test_what_a_worker_gets(monkeypatch):
    monkeypatch.setenv(AUTH_VARIABLE, "token")
    monkeypatch.delenv("ISTHMUS_FAULT", raising=False)
    cpu, gpu = RayConfig(cpus_per_worker=2, resources={"trainer": 1}), RayConfig(use_gpu=True)
    assert worker_resources(cpu) == {"CPU": 2, "trainer": 1}
    assert worker_resources(gpu) == {"CPU": 1, "GPU": 1}
    assert worker_variables(cpu) == {"RAY_AUTH_MODE": "token", "OMP_NUM_THREADS": "1"}
    assert "OMP_NUM_THREADS" not in worker_variables(gpu)
    assert os.environ[AUTH_VARIABLE] == "token"
