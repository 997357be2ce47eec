"""What a person changes in mid-run: modes, pins, domains, the way back; and what-if."""

from __future__ import annotations

import httpx
import pytest

from policies import MixtureSchedule
from tests.service.serving import NAMES, begin, report_body, send


def test_modes_and_pins(client: httpx.Client) -> None:
    path = begin(client, policy="odm")
    status = client.post(f"{path}/mode", json={"pin": {"ct": 0.6}}).json()
    assert (status["mode"], status["pin"]) == ("act", {"ct": 0.6})
    assert send(client, path, 50)["decision"]["weights"]["ct"] == pytest.approx(0.6)
    client.post(f"{path}/mode", json={"mode": "pause"})
    paused = send(client, path, 150)["decision"]
    assert (paused["reason"], paused["weights"]["ct"]) == ("paused", pytest.approx(0.6))
    status = client.post(f"{path}/mode", json={"mode": "act", "pin": {}}).json()
    assert (status["mode"], status["pin"]) == ("act", {})
    assert send(client, path, 250)["decision"]["reason"] != "paused"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"mode": "stop"}, "mode: input should be 'act', 'advise' or 'pause'; it is 'stop'"),
        ({"pin": {"pat": 0.5}}, "unknown domain 'pat' (did you mean 'pet'?)"),
        ({"pin": {"ct": 0.9, "mr": 0.9}}, "the pinned shares sum to 1.8"),
        ({"pin": {"ct": 2}}, "pin.ct: input should be less than or equal to 1; it is 2"),
        ({"pins": {}}, "there is no such field (did you mean 'pin'?)"),
    ],
)
def test_wrong_modes(client: httpx.Client, body: dict[str, object], words: str) -> None:
    path = begin(client)
    answer = client.post(f"{path}/mode", json=body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert client.get(path).json()["mode"] == "act"


def test_back_to_a_checkpoint(client: httpx.Client) -> None:
    path = begin(client, policy="odm")
    send(client, path, 50, 150, 250, 350)
    answer = client.post(f"{path}/rewind", json={"position": 150, "why": "loss spike"}).json()
    assert answer["attempt"] == 1
    assert max(stage["position"] for stage in answer["schedule"]["stages"]) <= 200
    assert client.get(path).json()["position"] == 150
    assert len(client.get(f"{path}/decisions").json()["items"]) == 3
    everything = client.get(f"{path}/decisions?inactive=true").json()["items"]
    assert [item["meta"]["active"] for item in everything] == [True, True, True, False, False]
    changed = report_body(250, draws=dict.fromkeys(NAMES, 80.0))
    assert client.post(f"{path}/reports", json=changed).status_code == 200
    beyond = client.post(f"{path}/rewind", json={"position": 900})
    assert beyond.status_code == 422
    assert "beyond the last report at 250" in beyond.json()["detail"]


def test_a_site_joins_and_one_leaves(client: httpx.Client) -> None:
    path = begin(client, policy="transfer_law")
    send(client, path, 50, 150)
    answer = client.post(f"{path}/domains", json={"domains": ["ct", "mr", {"name": "us", "pool": 300}]})
    assert answer.status_code == 200, answer.text
    weights = answer.json()["decision"]["weights"]
    assert set(weights) == {"ct", "mr", "us"}
    again = client.post(f"{path}/domains", json={"domains": ["ct", "mr", {"name": "us", "pool": 300}]})
    assert again.json()["decision"] == {**answer.json()["decision"], "replayed": True}
    stages = MixtureSchedule.from_dict(answer.json()["schedule"])
    assert stages.domains == ("ct", "mr", "pet", "us")
    assert stages.stage_at(199).weights["us"] == 0
    assert stages.stage_at(200).weights["pet"] == 0
    assert client.post(f"{path}/reports", json=report_body(250)).status_code == 422
    draws, losses = {"ct": 80.0, "mr": 80.0, "us": 30.0}, {"ct": 1.0, "mr": 1.0, "us": 2.0}
    body = report_body(250, draws=draws, eval_loss=losses)
    found = client.post(f"{path}/reports", json=body)
    assert found.status_code == 200, found.text
    assert set(found.json()["decision"]["weights"]) == {"ct", "mr", "us"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"domains": ["ct"], "position": 10}, "give one from the last report at 150"),
        ({"domains": ["ct", "ct"]}, "'ct' is given twice"),
        ({"domains": []}, "domains: list should have at least 1 item"),
        ({"domains": [{"name": "ct", "min_share": 0.8, "max_share": 0.5}]}, "above its max_share of 0.5"),
        ({"domains": [{"name": "ct", "poll": 3}]}, "domains.0.poll: there is no such field (did you mean 'pool'?)"),
    ],
)
def test_domains_that_cannot_be(client: httpx.Client, body: dict[str, object], words: str) -> None:
    path = begin(client)
    send(client, path, 150)
    answer = client.post(f"{path}/domains", json=body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert [one["name"] for one in client.get(path).json()["domains"]] == list(NAMES)


@pytest.mark.parametrize(
    ("joins", "words"),
    [
        ("lesion_low", "'lesion' and 'lesion_low' cannot stand together"),  # a target
        ("Lesion", "'lesion' and 'Lesion' differ by case alone"),
        ("pet_high", "'pet' and 'pet_high' cannot stand together"),  # it has left, and its series is there
        ("PET", "'pet' and 'PET' differ by case alone"),
    ],
)
def test_one_that_joins_shares_no_series(client: httpx.Client, joins: str, words: str) -> None:
    path = begin(client, targets={"lesion": 1})
    assert client.post(f"{path}/domains", json={"domains": ["ct", "mr"]}).status_code == 200
    answer = client.post(f"{path}/domains", json={"domains": ["ct", "mr", joins]})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert [one["name"] for one in client.get(path).json()["domains"]] == ["ct", "mr"]
    for good in ("pet", "lesion"):
        assert client.post(f"{path}/domains", json={"domains": ["ct", "mr", good]}).status_code == 200


def test_what_if(client: httpx.Client) -> None:
    path = begin(client, policy="transfer_law", domains=[{"name": name, "pool": 200} for name in NAMES])
    early = client.post(f"{path}/plan", json={"budgets": [1000]})
    assert early.status_code == 422
    assert "nothing can be planned" in early.json()["detail"]
    send(client, path, *range(50, 700, 50))
    grown = [{"name": "ct", "pool": 5000}, "mr", "pet"]
    plans = client.post(f"{path}/plan", json={"budgets": [1000, 4000], "domains": grown}).json()["plans"]
    assert [plan["budget"] for plan in plans] == [1000, 4000]
    for plan in plans:
        assert sum(plan["mixture"].values()) == pytest.approx(1)
        assert set(plan["predicted"]) == set(NAMES)
        assert plan["predicted"]["ct"]["low"] <= plan["predicted"]["ct"]["mean"] <= plan["predicted"]["ct"]["high"]
        assert set(plan["pool_value"]["ct"]) == {"mean", "low", "high"}
    wrong = client.post(f"{path}/plan", json={"budgets": [1000], "domains": ["ct", "mrr"]})
    assert wrong.status_code == 422
    assert "the law knows no domain 'mrr' (did you mean 'mr'?)" in wrong.json()["detail"]
