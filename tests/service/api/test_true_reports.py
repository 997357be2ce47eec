"""What the interface says of reports that cannot be true, alone and among others, and that the right one follows."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.service.serving import NAMES, Served, begin, report_body, send

THIRD = {"draws": dict.fromkeys(NAMES, 100 / 3)}
WRONG: list[tuple[dict[str, Any], str]] = [
    (report_body(50, draws=dict.fromkeys(NAMES, 3200 / 3)), "the draws sum to 3200 at position 50"),
    (report_body(500, draws=dict.fromkeys(NAMES, 10 / 3)), "the draws sum to only 10 at position 500; it looks as if"),
    (report_body(50, train_count={"ct": 49}), "train_count of 'ct' is 49 at position 50, but its draws grew by only"),
    (report_body(50, eval_loss=dict.fromkeys(NAMES, 1e300)), "eval_loss of 'ct' is 1e+300"),
    (report_body(1001), "position is 1001, beyond the budget of 1000"),
]  # fmt: skip


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_one_sentence_and_the_right_one_is_taken(client: httpx.Client, wrong: Any, said: str, several: bool) -> None:
    path = begin(client)
    answer = client.post(f"{path}/reports", json=[wrong] if several else wrong)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert answer.json()["detail"].startswith("report 0: ") == several
    assert client.get(path).json()["position"] == 0
    assert [item["position"] for item in client.get(f"{path}/decisions").json()["items"]] == [0]
    assert send(client, path, min(wrong["position"], 900), 1000)["position"] == 1000


def test_among_several_it_is_named_and_those_before_it_are_kept(client: httpx.Client) -> None:
    path = begin(client)
    bodies = [report_body(100, **THIRD), report_body(200, **THIRD), report_body(300)]
    for _ in range(2):  # sent again, it is the same
        answer = client.post(f"{path}/reports", json=bodies)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("report 1: the draws sum to 100 at position 200: 0 more than at 100")
        assert answer.json()["errors"][0]["field"] == "1.draws"
        assert client.get(path).json()["position"] == 100
    bodies[1] = report_body(200)
    answer = client.post(f"{path}/reports", json=bodies)
    assert (answer.status_code, answer.json()["position"]) == (200, 300)


LATER: list[tuple[dict[str, Any], str, str]] = [
    ({"lr_sum": 0.05}, "lr_sum fell from 0.1 to 0.05", "lr_sum"),
    ({"train_count": {"ct": 70.0}}, "train_count of 'ct' is 70 at position 200, but its draws", "train_count.ct"),
    ({"eval_loss": {**report_body(200)["eval_loss"], "nix": 1.0}}, "unknown target 'nix'", "eval_loss.nix"),
    ({"eval_sem": {"nix": 1.0}}, "eval_sem names an unknown target 'nix'", "eval_sem.nix"),
    ({"train_loss": {"nix": 1.0}}, "train_loss names an unknown domain 'nix'; known are ct, mr, pet", "train_loss.nix"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "said", "field"), LATER)
def test_what_is_filled_in_later_has_to_be_true(
    service: Served, client: httpx.Client, more: Any, said: str, field: str
) -> None:
    """A position that was answered may be completed, not spoilt: the policy would drop what it cannot use."""
    path = begin(client)
    send(client, path, 50)
    for body in (report_body(100, lr_sum=0.1), report_body(200)):
        assert client.post(f"{path}/reports", json=body).status_code == 200
    answer = client.post(f"{path}/reports", json=report_body(200) | more)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert answer.json()["errors"][0]["field"] == field
    right = report_body(200, lr_sum=0.2, train_count={"ct": 25.0}, eval_sem={"ct": 0.1})
    assert client.post(f"{path}/reports", json=right).json()["decision"]["replayed"] is True
    send(client, path, 300)
    assert "fit_failed" not in [event.kind for event in service.journal.events(path.rpartition("/")[2])]
