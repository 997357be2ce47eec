"""A run on two hosts with networks of their own, one of which is lost in the middle and comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.journal import Journal
from tests.deploy.two_hosts import impossible, two_hosts
from tests.service.jobs.conftest import TOKEN, isthmus, job_of, wait_for, write_run
from trainers.loop import read_trace

pytestmark = [pytest.mark.ray, pytest.mark.slow]
BUDGET, INTERVAL = 38_400, 1_536  # minutes: a lost host has to be noticed while there is something left to train


def test_a_lost_host_is_waited_for_and_nothing_is_trained_twice_in_another_way(tmp_path: Path) -> None:
    if why := impossible():
        pytest.skip(why)
    file, run = write_run(tmp_path, "lost", budget=BUDGET, interval=INTERVAL), tmp_path / "runs" / "lost"
    with two_hosts(tmp_path / "hosts.log", **TOKEN) as hosts:
        address = ("--address", hosts.jobs)
        job = job_of(isthmus("submit", file, *address))
        wait_for(lambda: "3,840/38,400" in isthmus("logs", job, *address))
        assert hosts.workers() == {1: 1, 2: 1}
        hosts.lose(2)
        wait_for(lambda: hosts.workers()[1] == 0)
        hosts.start(2)
        log = isthmus("logs", job, "--follow", *address)
        status = json.loads(isthmus("status", job, "--json", *address))[0]["status"]
    assert status == "SUCCEEDED", log
    assert "2 workers go on from the checkpoint here" in log
    assert "38,400/38,400 100%" in log
    trace = read_trace(run)  # raises if a repeated draw was another one
    assert sorted(trace) == list(range(BUDGET))
    with Journal(f"sqlite:///{run / 'journal.db'}") as journal:
        journal.verify("lost")
        assert [e.body["workers"] for e in journal.events("lost", kinds=["resumed"])] == [2]
        assert len(list(journal.events("lost", kinds=["decision"], active=True))) == BUDGET // INTERVAL + 1
        assert len(list(journal.events("lost", kinds=["finished"]))) == 1
