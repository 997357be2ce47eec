"""Ranks that are not alike: unequal counts, an error on one of them, one that goes. None of the others may hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.client.lock import FileLock
from tests.service.client.conftest import TOKEN
from tests.service.client.scripted import Said, Scripted, Seen, answer
from tests.service.client.test_callback import mixture_at

ROOT = Path(__file__).parents[3]


def moving(seen: Seen) -> Said:
    """As in `test_callback`, for many allocations."""
    if seen.path == "/v1/allocations":
        name = seen.body["name"]
        return Said(201, {"id": f"a-{name}", "name": name, **answer(0, {"a": 0.5, "b": 0.5})})
    return Said(200, answer(seen.body["position"], mixture_at(seen.body["position"])))


class Crews:
    """What came of each scenario in `crew`, and the reports that it sent."""

    def __init__(self, found: dict[str, list[Any]], seen: list[Seen]) -> None:
        self.found, self._seen = found, seen

    def reports(self, name: str) -> list[dict[str, Any]]:
        return [one.body for one in self._seen if one.path == f"/v1/allocations/a-{name}/reports"]

    def values(self, name: str) -> list[Any]:
        assert all("value" in rank for rank in self.found[name]), self.found[name]
        return [rank["value"] for rank in self.found[name]]

    def errors(self, name: str) -> list[str]:
        assert all("error" in rank for rank in self.found[name]), self.found[name]
        return [rank["error"] for rank in self.found[name]]


@pytest.fixture(scope="module")
def crews(tmp_path_factory: pytest.TempPathFactory) -> Crews:
    """All scenarios in one process that imports torch once."""
    queue = tmp_path_factory.mktemp("crew") / "held.jsonl"
    held = FileLock(queue.with_name("held.jsonl.lock"))
    server = Scripted(moving)
    given = {"ISTHMUS_URL": server.url, "ISTHMUS_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.service.client.crew", "-", str(queue)],
        cwd=ROOT,
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    server.close()
    held.release()
    assert done.returncode == 0, done.stderr
    return Crews(json.loads(done.stdout.splitlines()[-1]), server.seen)


def test_none_hangs(crews: Crews) -> None:
    assert [name for name, ranks in crews.found.items() if "hung" in ranks] == []


def test_unequal_counts_are_added_up(crews: Crews) -> None:
    first, *others = crews.values("uneven")
    assert all(other == first for other in others), "the same position and mixture at each step, on all ranks"
    sent = crews.reports("uneven")
    assert all(sum(body["draws"].values()) == body["position"] for body in sent)
    drawn = [27 if step % 5 < 4 else 23 for step in range(40)]
    positions = [sum(drawn[: step + 1]) for step in range(40)]
    # Due at the first step whose true position fills an interval, whatever each rank counted.
    full = [next(at for at in positions if at >= boundary) for boundary in range(100, 1_000, 100)]
    assert [body["position"] for body in sent[:9]] == full
    assert sent[-1]["position"] == 1_000
    assert first["drawn"]["a"] == sum(drawn) == 1_048


def test_ranks_may_count_in_unequally_many_calls(crews: Crews) -> None:
    first, second = crews.values("by_domain")
    assert first == second
    assert [position for position, _ in first] == list(range(20, 1_001, 20))
    sent = crews.reports("by_domain")
    assert [body["position"] for body in sent] == list(range(100, 1_001, 100))
    halves = sum(5 for rank in range(2) for step in range(50) if (step + rank) % 3)
    assert sent[-1]["draws"] == {"a": halves, "b": 1_000 - halves}
    assert sum(sent[-1]["train_count"].values()) == 100


def test_a_rank_may_have_nothing_to_count(crews: Crews) -> None:
    first, second = crews.values("idle")
    assert first == second
    assert [body["draws"]["a"] for body in crews.reports("idle")] == [
        body["position"] for body in crews.reports("idle")
    ]
    assert len(crews.reports("idle")) == 9


def test_unequal_ranks_resume(crews: Crews) -> None:
    for rank in crews.values("resumed"):
        assert rank["parts"] == rank["whole"]
    assert [body["position"] for body in crews.reports("resumed")] == [
        body["position"] for body in crews.reports("resumed-parts")
    ]


def test_the_last_batch_passes_the_budget(crews: Crews) -> None:
    last = crews.reports("beyond_the_budget")[-1]
    before = crews.reports("beyond_the_budget")[-2]
    assert last["position"] == sum(last["draws"].values()) == 1_000
    assert before["position"] == 945
    # Of the 63 draws of the last step 55 are left: 20 of a become 17.46, 43 of b 37.54.
    assert {name: last["draws"][name] - before["draws"][name] for name in last["draws"]} == {"a": 17, "b": 38}


@pytest.mark.parametrize(
    ("name", "failed", "cause"),
    [
        ("unreadable", 0, "BadValue: eval_loss of 'a' is 'oops'"),
        ("unknown_on_rank_1", 1, "UnknownName: eval_loss names an unknown target 'A' (did you mean 'a'?)"),
        ("evaluation_raises", 1, "RuntimeError: cannot read the held-out set"),
        ("wrong_count_caught", 1, "UnknownName: 'c' is no domain of this run"),
        ("queue_in_use", 0, "QueueInUse: queue"),
        ("queue_that_cannot_be", 0, "WrongSettings: queue '/dev/null/queue.jsonl' can be no file"),
    ],
)
def test_what_fails_on_one_rank_raises_on_all(crews: Crews, name: str, failed: int, cause: str) -> None:
    errors = crews.errors(name)
    assert errors[failed].startswith(cause)
    said = cause.removeprefix("BadValue: ").removeprefix("UnknownName: ").removeprefix("WrongSettings: ")
    assert errors[1 - failed].startswith(f"RankFailed: rank {failed}: {said.removeprefix('QueueInUse: ')}")
    assert crews.reports(name) == [], "nothing was sent"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other_interval", "WrongSettings: ranks differ in interval: 100 on rank 0, 200 on rank 1"),
        ("other_domains", "WrongSettings: ranks differ in domains: ['b', 'a'] on rank 0, ['a', 'b'] on rank 1"),
    ],
)
def test_ranks_that_were_told_different_things_do_not_begin(crews: Crews, name: str, said: str) -> None:
    assert all(error.startswith(said) for error in crews.errors(name))


def test_where_nothing_may_raise_the_rest_goes_on(crews: Crews) -> None:
    assert crews.values("unreadable_and_not_strict") == [pytest.approx(mixture_at(200)["a"])] * 2
    assert "eval_loss of 'a' is 'oops'" in crews.found["unreadable_and_not_strict"][0]["log"][0]
    # Rank 1 could read it.
    assert crews.reports("unreadable_and_not_strict")[0]["eval_loss"] == {"a": 1.0, "b": 2.5}
    assert crews.values("unreadable_mapping") == [pytest.approx(mixture_at(200)["a"])] * 2
    assert "stale file handle" in crews.found["unreadable_mapping"][0]["log"][0]
    assert crews.values("wrong_count_and_not_strict") == [390, 390]
    assert "rank 1: 'c' is no domain of this run" in crews.found["wrong_count_and_not_strict"][1]["log"][0]


def test_one_rank_may_evaluate_for_all(crews: Crews) -> None:
    assert [body["eval_loss"] for body in crews.reports("rank_0_evaluates")] == [{"a": 1.0, "b": 2.0}] * 2
    assert len(set(crews.values("rank_0_evaluates"))) == 1
    assert crews.reports("divided_evaluation")[0]["eval_loss"] == {"a": 3.0, "b": 7.0}


def test_a_rank_that_goes_is_named(crews: Crews) -> None:
    assert crews.found["closes_early"][1]["value"] == "done"
    assert crews.found["closes_early_and_not_strict"][1]["value"] == [3, {}]
    for rank in (0, 2):
        assert "RanksApart: rank 1 has closed its callback" in crews.found["closes_early"][rank]["error"]
        assert crews.found["closes_early_and_not_strict"][rank]["value"] == [50, {"a": 1_500, "b": 0}]
        (warning,) = crews.found["closes_early_and_not_strict"][rank]["log"]
        assert "rank 1 has closed its callback" in warning
        assert "is not steered any more" in warning
        assert "RanksApart: another rank has gone" in crews.found["dies"][rank]["error"]
    assert crews.found["dies"][1] == "gone"
    assert "rank 1: 'c' is no domain of this run" in crews.found["wrong_count"][0]["error"]
    assert crews.found["wrong_count"][1]["error"].startswith("UnknownName: 'c' is no domain")


def test_ranks_that_make_different_calls_are_told(crews: Crews) -> None:
    for error in crews.errors("other_calls"):
        assert error.startswith("RanksApart: rank ")
        assert "in state_dict after step 1" in error
        assert "in report after step 1" in error
        assert "every rank must make the same calls" in error
