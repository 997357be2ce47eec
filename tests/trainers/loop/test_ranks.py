"""The same run on one, two and four processes, by DDP and FSDP."""

from __future__ import annotations

import functools

import pytest

from policies.records import MixtureSchedule, Stage
from trainers.advisor import RecordedAdvisor
from trainers.loop import LocalComm, NonFiniteLoss, TrainJob, TrainResult, read_trace, run, run_ranks

INTERVAL = 160


@pytest.fixture
def job_of(make_job, schedule):
    """Steps of four draws; the mixture changes every 40 steps."""
    stages = [Stage(i * INTERVAL, stage.weights) for i, stage in enumerate(schedule.stages)]
    advisor = functools.partial(RecordedAdvisor, MixtureSchedule(tuple(stages)), INTERVAL)

    def make(run: str, steps: int, **train) -> TrainJob:
        fields = {"budget": 4 * steps, "interval": INTERVAL, "advisor": advisor}
        return make_job(run, fields, global_batch=4, decision_lag=80, **{"lr": 1e-3, **train})

    return make


@pytest.fixture(scope="module")
def shared() -> dict[int, tuple[TrainJob, TrainResult]]:
    return {}


@pytest.fixture
def alone(job_of, shared):
    """The run on one process, made once for each length."""

    def get(steps: int) -> tuple[TrainJob, TrainResult]:
        if steps not in shared:
            job = job_of(f"alone-{steps}", steps)
            shared[steps] = job, run(job, LocalComm())
        return shared[steps]

    return get


def assert_alike(one: tuple[TrainJob, TrainResult], other: tuple[TrainJob, TrainResult]) -> None:
    """The same draws, and losses within 1e-3."""
    assert read_trace(one[0].run_dir) == read_trace(other[0].run_dir)
    assert one[1].draws == other[1].draws
    for name, loss in one[1].eval_loss.items():
        assert other[1].eval_loss[name] == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_change_neither_the_stream_nor_the_loss(alone, job_of, world):
    job = job_of("many", 200)
    assert_alike(alone(200), (job, run_ranks(job, world)))


def test_accumulation_and_loaders_on_two_ranks(alone, job_of):
    job = job_of("parts", 40, micro_batch=1, loader_workers=1)
    assert_alike(alone(40), (job, run_ranks(job, 2)))


def test_a_killed_rank_then_another_number_of_ranks(alone, job_of, monkeypatch, tmp_path):
    """Two sharded ranks, one of them killed; then one rank; the run ends as if on one rank all along."""
    monkeypatch.setenv("ISTHMUS_FAULT", f"step:25:{tmp_path / 'marker'}")
    with pytest.raises(RuntimeError):
        run_ranks(job_of("resized", 40, sharding="fsdp", checkpoint_every=40), 2)
    plain = job_of("resized", 40)
    result = run(plain, LocalComm())
    assert result.resumed_from == 80
    assert_alike(alone(40), (plain, result))


def test_one_rank_then_two_sharded_ones(alone, job_of, monkeypatch, tmp_path):
    monkeypatch.setenv("ISTHMUS_FAULT", f"step:25:{tmp_path / 'marker'}")
    with pytest.raises(RuntimeError, match="rank 0 died"):
        run_ranks(job_of("grown", 40, checkpoint_every=40), 1)
    job = job_of("grown", 40, sharding="fsdp")
    result = run_ranks(job, 2)
    assert result.resumed_from == 80
    assert_alike(alone(40), (job, result))


def test_all_ranks_stop_alike(job_of):
    """A rate that makes the loss overflow: every rank raises the same error, and none hangs."""
    with pytest.raises(NonFiniteLoss):
        run_ranks(job_of("diverging", 40, lr=1e30, warmup=0, clip=1e30), 2)
