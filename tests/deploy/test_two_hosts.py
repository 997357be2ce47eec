"""Runs on two hosts with networks of their own, one of which is lost in the middle and comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.journal import Journal
from tests.deploy.two_hosts import Hosts, impossible, two_hosts
from tests.service.jobs.conftest import TOKEN, isthmus, job_of, wait_for, write_run
from trainers.loop import read_trace

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]
INTERVAL = 1_536
BUDGET = 40 * INTERVAL  # minutes: a lost host has to be noticed while there is something left to train


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    if why := impossible():
        pytest.skip(why)
    with two_hosts(tmp_path / "hosts.log", **TOKEN) as found:
        yield found


def begin(hosts: Hosts, folder: Path, workers: int | list[int]) -> str:
    """The job of a run that has reached its third report, with a worker on each host."""
    ray = {"workers": workers, "resize_seconds": 20}
    file = write_run(folder, "lost", budget=BUDGET, interval=INTERVAL, ray=ray)
    job = job_of(isthmus("submit", file, "--address", hosts.jobs))
    wait_for(lambda: f"3,840/{BUDGET:,}" in isthmus("logs", job, "--address", hosts.jobs))
    assert hosts.workers() == {1: 1, 2: 1}
    return job


def to_the_end(hosts: Hosts, job: str, run: Path, workers: list[int]) -> None:
    """It ended well, and nothing was left out or trained twice in another way; `workers` went on, one after another."""
    log = isthmus("logs", job, "--follow", "--address", hosts.jobs)
    status = json.loads(isthmus("status", job, "--json", "--address", hosts.jobs))[0]["status"]
    assert status == "SUCCEEDED", log
    assert f"{BUDGET:,}/{BUDGET:,} 100%" in log
    assert log.count("on from the checkpoint here") == len(workers)
    assert sorted(read_trace(run)) == list(range(BUDGET))  # raises if a repeated draw was another one
    with Journal(f"sqlite:///{run / 'journal.db'}") as journal:
        journal.verify(run.name)
        kinds = {kind: list(journal.events(run.name, kinds=[kind], active=True)) for kind in ("resumed", "decision")}
    assert [event.body["workers"] for event in kinds["resumed"]] == workers
    assert len(kinds["decision"]) == BUDGET // INTERVAL + 1


def test_a_lost_host_is_waited_for(hosts: Hosts, tmp_path: Path) -> None:
    job = begin(hosts, tmp_path, 2)
    hosts.lose(2)
    wait_for(lambda: hosts.workers()[1] == 0)
    hosts.start(2)
    to_the_end(hosts, job, tmp_path / "runs" / "lost", [2])


def test_an_elastic_run_goes_on_with_what_is_left_and_grows_again(hosts: Hosts, tmp_path: Path) -> None:
    job = begin(hosts, tmp_path, [1, 2])
    hosts.lose(2)
    wait_for(lambda: "1 worker goes on from" in isthmus("logs", job, "--address", hosts.jobs))
    hosts.start(2)
    to_the_end(hosts, job, tmp_path / "runs" / "lost", [1, 2])
