"""Reports and decisions of a run: when they are asked for, and what happens where none comes."""

from __future__ import annotations

import time

from policies.records import Decision
from tests.trainers.loop.runs import assert_same_end, recording
from trainers.advisor import PolicyAdvisor, RecordedAdvisor
from trainers.loop import (
    LocalComm,
    read_trace,
    run,
)


def test_reports_come_where_they_should_and_add_up(make_job, schedule):
    advisor = recording(schedule, 64)
    job = make_job(fields={"advisor": lambda: advisor})
    run(job, LocalComm())
    assert [r.position for r in advisor.reports] == [32, 96, 160, 224, 320]
    trace = read_trace(job.run_dir)
    before: dict[str, float] = dict.fromkeys(job.domains, 0.0)
    for report in advisor.reports:
        drawn = [trace[i]["domain"] for i in range(report.position)]
        assert report.draws == {name: drawn.count(name) for name in job.domains}
        assert report.train_count == {name: report.draws[name] - before[name] for name in job.domains}
        assert report.lr_sum > 0
        before = dict(report.draws)
    kinds = [kind for kind, _, _ in advisor.notes]
    assert kinds.count("throughput") == 5
    assert kinds.count("checkpoint") == 5
    assert kinds[-1] == "finished"


def test_an_advisor_that_is_away_for_a_moment_is_asked_again(make_job, schedule, undisturbed):
    advisor = recording(schedule, 64)
    advisor.away = 2
    job = make_job(fields={"advisor": lambda: advisor})
    run(job, LocalComm())
    assert_same_end(undisturbed[0], job)


class Slow(RecordedAdvisor):
    """Never answers the second report in time."""

    held: list[int]

    def decide(self, report):
        if report.position == 96:
            time.sleep(1.5)
        return super().decide(report)

    def hold(self, report, why):
        self.held.append(report.position)
        return Decision(128, self.schedule.stage_at(127).weights, "hold", detail=why)


def test_no_answer_in_time_holds_the_mixture(make_job, schedule):
    advisor = Slow(schedule, 64)
    advisor.held = []
    job = make_job(fields={"advisor": lambda: advisor}, advisor_timeout_seconds=0.3)
    result = run(job, LocalComm())
    assert 96 in advisor.held
    assert 128 not in [stage["position"] for stage in result.schedule["stages"]]
    assert result.position == job.budget


def test_deterministic_waits_for_the_answer(make_job, schedule, undisturbed):
    advisor = Slow(schedule, 64)
    advisor.held = []
    job = make_job(fields={"advisor": lambda: advisor}, advisor_timeout_seconds=0.3, deterministic=True)
    run(job, LocalComm())
    assert advisor.held == []
    assert_same_end(undisturbed[0], job)


def test_a_policy_that_breaks_does_not_stop_training(make_job):
    class Broken:
        def propose(self):
            return Decision(0, {"ct": 0.5, "mr": 0.25, "pet": 0.25}, "start")

        def observe(self, report):
            raise ValueError("the fit exploded")

    advisor = PolicyAdvisor(Broken(), 64)
    result = run(make_job(fields={"advisor": lambda: advisor}), LocalComm())
    assert result.position == 320
    assert {answer.reason for answer in advisor.answers.values()} == {"start", "hold"}
    assert "the fit exploded" in advisor.answers[32].detail
