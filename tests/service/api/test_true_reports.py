"""What the interface says of reports that cannot be true, alone and among others, and that the right one follows."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.service.serving import NAMES, begin, report_body, send

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
