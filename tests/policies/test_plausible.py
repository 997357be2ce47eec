"""Reports whose counts cannot be true are refused with both numbers and the cure; what honest callers send passes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from policies import BadReport, Domain, LossReport, load_policy, make_policy, make_world

NAMES = ("ct", "mr", "pet")
INTERVAL = 100


def policy(name: str = "uniform", domains: tuple[str, ...] = NAMES, **more: Any) -> Any:
    return make_policy(name, [Domain(domain) for domain in domains], 100_000, interval=INTERVAL, **more)


def report(position: int, *draws: float, **more: Any) -> LossReport:
    """Draws by domain; equal parts of the position where none are given."""
    counts = draws or (position / 3,) * 3
    losses = dict.fromkeys(NAMES[: len(counts)], 1.0)
    return LossReport(position, dict(zip(NAMES, counts, strict=False)), losses, **more)


STEPS = "position counted steps of 64 samples"
SINCE = "it looks as if draws counted since the last report"
WRONG = [
    ([report(100, 2000, 2400, 2000)], f"the draws sum to 6400 at position 100.*{STEPS}.*send position in samples"),
    ([report(100, 66, 67, 67)], "the draws sum to 200 at position 100.*steps of 2 samples.*one of 2 ranks"),
    ([report(100, 60, 60, 60)], "the draws sum to 180 at position 100.*send position as the number of samples"),
    ([report(0, 10, 10, 0)], "the draws sum to 20 at position 0"),
    ([report(100), report(101, 80, 80, 80)], "the draws sum to 240 at position 101"),
    ([report(400, 80, 80, 80), report(500, 140, 140, 140)], "the draws grew by 180 from position 400 to 500.*only 100"),
    ([report(6400, 33, 33, 34)], "sum to only 100 at position 6400.*batches of 64 samples"),
    ([report(600, 33, 33, 34)], "sum to only 100 at position 600.*batches of 6 samples"),
    ([report(50_000, 0, 0, 0)], "sum to only 0 at position 50000; send the number of samples"),
    ([report(100), report(200, *(100 / 3,) * 3)], f"sum to 100 at position 200: 0 more than at 100.*{SINCE}"),
    ([report(100), report(200, 34, 33.4, 33.4)], f"moved on by 100; {SINCE}"),
    ([report(100, 33, 33, 34), report(300, 66, 66, 68)], f"sum to 200 at position 300: 100 more.*{SINCE}"),
    ([report(100, 50, 25, 25), report(200, 25, 50, 25)], "draws of 'ct' fell from 50.*not those since the last report"),
    ([report(100), report(200), report(5000, *(205 / 3,) * 3)], "5 more than at 200"),
    ([report(100, train_count={"ct": 80.0, "mr": 20.0})], "train_count of 'ct' is 80 at position 100.*only 33.3333"),
    ([report(100), report(200, train_count={"ct": 66.7, "mr": 66.7, "pet": 66.7})], "train_count of 'ct' is 66.7"),
    ([report(100, lr_sum=3e-4), report(200, lr_sum=3e-4)], "lr_sum is 0.0003 at position 200 as it was at 100.*sum"),
    ([report(100, lr_sum=0.0), report(200, lr_sum=0.0)], "lr_sum is 0 at position 200 as it was at 100"),
    ([report(100, lr_sum=3e-4), report(200, lr_sum=2e-4)], "lr_sum fell from 0.0003 to 0.0002"),
    ([report(100_001)], "position is 100001, beyond the budget"),
]  # fmt: skip


@pytest.mark.parametrize(("reports", "said"), WRONG)
def test_what_cannot_be_true_is_refused_and_leaves_nothing(reports: list[LossReport], said: str) -> None:
    running = policy()
    for good in reports[:-1]:
        running.observe(good)
    before = running.dump()
    with pytest.raises(BadReport, match=said):
        running.observe(reports[-1])
    assert running.dump() == before
    position = min(max(reports[-1].position, 1), 100_000)
    if position > (reports[-2].position if len(reports) > 1 else 0):
        running.observe(report(position))  # the correct one, at the same position
    running.observe(report(100_000) if position < 100_000 else report(position))
    assert running.dump()["last"]["position"] == 100_000


HONEST = [
    [report(100), report(200), report(300)],
    [report(60, 15, 15, 15), report(160, 40, 40, 40), report(260, 65, 65, 65)],  # a quarter is masked out
    [report(100, 33, 33, 33), report(200, 67, 67, 67)],  # rounded down, rounded up
    [report(100, 34, 34, 34), report(200, 67, 67, 67)],
    [report(100, 36, 36, 36), report(200, 70, 70, 68)],  # a batch of 8 ended after the report's position
    [report(100), report(101, 34, 34, 34), report(102, 34, 34, 34)],  # reports close to each other
    [report(100, 0, 0, 0, train_count={"ct": 0.0}), report(200, 33, 33, 34)],  # every step was skipped, and it says so
    [report(1000), report(1100, 334, 334, 334, train_count={"ct": 1.0, "mr": 1.0, "pet": 0.0})],
    [report(100, 50, 50, 0), report(300, 50, 50, 90)],
    [report(400, 80, 80, 80), report(500)],  # the last had missed some, and this one has them
    [report(100, lr_sum=0.1), report(200, lr_sum=0.2), report(300, lr_sum=0.2), report(400, lr_sum=0.2)],
    [report(100, lr_sum=0.1), report(200), report(300, lr_sum=0.3)],
    [LossReport(100, dict.fromkeys(NAMES, 33.0), dict.fromkeys(NAMES, math.nan))],  # nothing was measured
]


@pytest.mark.parametrize("reports", HONEST)
def test_what_an_honest_caller_sends_is_taken(reports: list[LossReport]) -> None:
    running = policy()
    for one in reports:
        running.observe(one)
    assert running.dump()["last"] == reports[-1].to_dict()


def test_domains_that_leave_take_their_draws_along_and_those_that_join_bring_none() -> None:
    running = policy(domains=("ct", "mr"))
    running.observe(report(1000, 500, 500))
    running.update_domains(1000, [Domain("ct")])
    running.observe(report(2000, 510))  # most of it was drawn from the one that left
    running.update_domains(2000, [Domain("ct"), Domain("mr")])
    with pytest.raises(BadReport, match="the draws grew by 1640 from position 2000 to 3000"):
        running.observe(report(3000, 1600, 1050))
    running.observe(report(3000, 1010, 1000))


def test_one_that_is_back_brings_what_was_drawn_before_it_left() -> None:
    running = policy(domains=("ct", "mr"))
    running.observe(report(1000, 350, 350))  # three in ten are masked out
    running.update_domains(1080, [Domain("ct")])  # 80 draws after the report
    running.observe(report(1100, 390))
    running.update_domains(1100, [Domain("ct"), Domain("mr")])
    running.observe(report(1200, 490, 445))
    with pytest.raises(BadReport, match="the draws grew by 165 from position 1200 to 1300"):
        running.observe(report(1300, 565, 535))


def test_a_dump_goes_on_with_the_same_checks() -> None:
    running = policy()
    running.observe(report(100, lr_sum=3e-4))
    copy = load_policy(json.loads(json.dumps(running.dump())))
    for wrong in (report(200, *(100 / 3,) * 3), report(200, lr_sum=3e-4)):
        with pytest.raises(BadReport):
            copy.observe(wrong)
    copy.observe(report(200, lr_sum=6e-4))


def test_a_report_that_was_accepted_once_is_replayed_as_it_was() -> None:
    """A journal of an older version may hold what is refused now; replayed, it gives what it gave."""
    running = policy()
    running.replay(report(100, 2000, 2400, 2000))
    assert running.dump()["last"]["position"] == 100
    with pytest.raises(BadReport, match="unknown domain"):
        running.replay(LossReport(200, {"us": 1.0}, {"us": 1.0}))


@pytest.mark.parametrize("world", ["hubs", "small_pools", "lr_schedule"])
def test_simulated_trainings_say_what_is_true(world: str) -> None:
    running_world = make_world(world, 5, seed=1, noise=0.003)
    running = make_policy("uniform", running_world.domains, running_world.budget, interval=running_world.interval)
    while running_world.position < running_world.budget:
        step = min(running_world.interval, running_world.budget - running_world.position)
        running.observe(running_world.advance(running.propose().weights, step))
    assert running.dump()["last"]["position"] == running_world.budget
