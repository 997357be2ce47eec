"""Begin, report, read, archive: what a trainer does, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from policies import LossReport, MixtureSchedule, make_policy
from policies.records import Decision, Domain
from service.journal.names import allocation_id
from service.owner import Spec
from tests.service.serving import NAMES, Served, begin, new_body, report_body, send, served


def test_begun_once_however_often_it_is_asked(client: httpx.Client) -> None:
    first = client.post("/v1/allocations", json=new_body())
    again = client.post("/v1/allocations", json=new_body())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert first.headers["location"] == f"/v1/allocations/{first.json()['id']}"
    decision = Decision.from_dict(first.json()["decision"])
    assert (decision.position, decision.replayed, set(decision.weights)) == (0, False, set(NAMES))
    other = client.post("/v1/allocations", json=new_body(budget=2000))
    assert other.status_code == 409
    assert "'first' exists with another specification; choose another name" in other.json()["detail"]


def test_domains_may_be_names_records_or_a_mapping(client: httpx.Client) -> None:
    records = [{"name": "ct", "pool": 500, "max_epochs": 2}, "mr", {"name": "pet", "min_share": 0.1}]
    mapping = {"ct": {"pool": 500, "max_epochs": 2.0}, "mr": {}, "pet": {"min_share": 0.1}}
    first = client.post("/v1/allocations", json=new_body(domains=records))
    again = client.post("/v1/allocations", json=new_body(domains=mapping))
    assert (first.status_code, again.status_code) == (201, 200)
    shown = client.get(first.headers["location"]).json()["domains"]
    assert [Domain.from_dict(one) for one in shown] == [
        Domain("ct", 500, max_epochs=2.0),
        Domain("mr"),
        Domain("pet", min_share=0.1),
    ]


def test_decisions_are_those_of_the_policy_itself(client: httpx.Client) -> None:
    path = begin(client, policy="transfer_law")
    policy = make_policy("transfer_law", [Domain(name) for name in NAMES], 1000, interval=100)
    for position in range(50, 1000, 50):
        answer = send(client, path, position)
        policy.observe(LossReport.from_dict(report_body(position)))
        assert Decision.from_dict(answer["decision"]) == policy.propose()
        assert answer["position"] == position
        schedule = MixtureSchedule.from_dict(answer["schedule"])
        assert schedule.stage_at(policy.propose().position).weights == policy.propose().weights
    assert client.get(f"{path}/schedule").json() == answer["schedule"]
    law = client.get(f"{path}/law").json()
    assert set(law["transfer"]["ct"]) == set(NAMES)
    assert law["position"] <= 1000


def test_a_position_is_answered_once(client: httpx.Client) -> None:
    path = begin(client)
    first = send(client, path, 50)
    again = send(client, path, 50)
    assert again["decision"] == {**first["decision"], "replayed": True}
    changed = report_body(50, draws=dict.fromkeys(NAMES, 1.0))
    answer = client.post(f"{path}/reports", json=changed)
    assert answer.status_code == 409
    assert "a position is answered once" in answer.json()["detail"]


def test_many_reports_at_once_are_the_same_as_one_by_one(client: httpx.Client) -> None:
    one, many = begin(client, "one", policy="odm"), begin(client, "many", policy="odm")
    single = send(client, one, 50, 120, 230)
    bodies = [report_body(position) for position in (50, 120, 230)]
    grouped = client.post(f"{many}/reports", json=bodies)
    assert grouped.status_code == 200
    assert grouped.json() == single
    assert client.post(f"{many}/reports", json=bodies).json()["decision"]["replayed"] is True


def test_those_before_a_bad_one_are_kept(client: httpx.Client) -> None:
    path = begin(client)
    bad = [report_body(50), report_body(120), report_body(90)]
    answer = client.post(f"{path}/reports", json=bad)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["errors"][0]["field"] == "2"
    assert "report 2: position 90 comes after 120 was reported" in problem["detail"]
    assert client.get(path).json()["position"] == 120


def test_archived_is_read_but_takes_nothing_more(client: httpx.Client) -> None:
    path = begin(client)
    send(client, path, 50)
    before = client.get(f"{path}/schedule").json()
    assert client.delete(path).json()["archived_at"] > 0
    assert client.delete(path).status_code == 200
    assert client.post(f"{path}/reports", json=report_body(150)).status_code == 409
    assert client.post(f"{path}/mode", json={"mode": "pause"}).status_code == 409
    assert client.post(f"{path}/rewind", json={"position": 0}).status_code == 409
    assert client.get(f"{path}/schedule").json() == before
    assert client.get("/v1/allocations").json()["items"] == []
    assert len(client.get("/v1/allocations?archived=true").json()["items"]) == 1


def test_lists_come_in_pages_without_gap_or_double(client: httpx.Client) -> None:
    begun = [begin(client, f"run {number}") for number in range(7)]
    found, cursor = [], ""
    while cursor is not None:
        page = client.get(f"/v1/allocations?limit=3{cursor and f'&cursor={cursor}'}").json()
        assert len(page["items"]) <= 3
        found += [f"/v1/allocations/{item['id']}" for item in page["items"]]
        cursor = page["next"]
    assert found == begun[::-1]
    send(client, begun[0], *range(50, 350, 50))
    every = client.get(f"{begun[0]}/decisions").json()["items"]
    assert [item["meta"]["report"] for item in every] == [None, 50, 100, 150, 200, 250, 300]
    first = client.get(f"{begun[0]}/decisions?limit=4").json()
    rest = client.get(f"{begun[0]}/decisions?limit=4&cursor={first['next']}").json()
    assert first["items"] + rest["items"] == every
    assert rest["next"] is None


@pytest.mark.parametrize("cursor", ["x", "W10", "WzFd", "W251bGxd", "_" * 150, "WzFlOTk5LCAieCJd"])
def test_a_cursor_that_no_page_gave(client: httpx.Client, cursor: str) -> None:
    answer = client.get("/v1/allocations", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "cursor"


def test_the_page_of_a_run(client: httpx.Client) -> None:
    path = begin(client, "My <run>", policy="transfer_law")
    send(client, path, *range(50, 500, 50))
    page = client.get(f"{path}/report")
    assert page.headers["content-type"].startswith("text/html")
    assert "<title>Isthmus: My &lt;run&gt;</title>" in page.text


def test_the_same_service_on_either_store(store_url: str) -> None:
    with served(store_url) as service, service.client() as client:
        path = begin(client, policy="transfer_law")
        answer = send(client, path, *range(100, 600, 100))
        assert client.get(f"{path}/schedule").json() == answer["schedule"]
        assert service.journal.verify(path.rsplit("/", 1)[1]) > 10


def test_no_law_yet_is_null(client: httpx.Client) -> None:
    path = begin(client)
    assert client.get(f"{path}/law").text == "null"


def test_another_service_sees_what_this_one_decided(service: Served, client: httpx.Client, tmp_path: object) -> None:
    path = begin(client)
    answer = send(client, path, 50, 120)
    with served(service.journal.url) as other, other.client() as there:
        assert there.get(f"{path}/schedule").json() == answer["schedule"]
        assert send(there, path, 120)["decision"]["replayed"] is True


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?limt=5", "'limt': there is no such parameter (did you mean 'limit'?); known are limit, cursor, archived"),
        ("?limit=5&=null", "'': there is no such parameter; known are"),
    ],
)
def test_an_unknown_parameter_is_named(client: httpx.Client, query: str, words: str) -> None:
    answer = client.get(f"/v1/allocations{query}")
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert client.get(begin(client, "asked") + query).json()["detail"].endswith("known are none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"domains": ["ct", "a" * 65]}, "(65 characters) will not do; use 1 to 64 letters"),
        ({"domains": ["ct", "mr/brain"]}, "domain name 'mr/brain' will not do"),
        ({"domains": {"ct": {}, "ct_low": {}}}, "'ct' and 'ct_low' cannot stand together"),
        ({"domains": ["ct", {"name": "CT"}]}, "'ct' and 'CT' differ by case alone"),
        ({"domains": ["ct", "mr"], "targets": {"ct": 1, "held out": 1}}, "target name 'held out' will not do"),
        ({"domains": ["ct", "mr"], "targets": {"ct_high": 1}}, "targets: 'ct' and 'ct_high' cannot stand together"),
    ],
)
def test_names_follow_one_rule(client: httpx.Client, change: dict[str, object], message: str) -> None:
    answer = client.post("/v1/allocations", json=new_body(**change))
    assert answer.status_code == 422
    assert message in answer.json()["detail"]


def test_an_allocation_from_before_the_rule_goes_on(service: Served, client: httpx.Client) -> None:
    """Begun again, reported to, planned and changed under the names it has; a new one follows the rule."""
    names = ["CT brain/ü", "ct", "ct_low"]
    domains = tuple(Domain.from_dict({"name": name}) for name in names)
    about = {"name": "old", "project": "brains"}
    spec = Spec(domains, 1000, 100, policy="uniform", about=about)
    id = allocation_id("brains", "old")
    service.journal.create(id, spec.to_dict(), project="brains", name="old")
    again = client.post("/v1/allocations", json=new_body("old", domains=names, policy="uniform"))
    assert (again.status_code, again.json()["id"]) == (200, id)
    body = {"position": 50, "draws": dict.fromkeys(names, 50 / 3), "eval_loss": dict.fromkeys(names, 1.0)}
    answer = client.post(f"/v1/allocations/{id}/reports", json=body)
    assert answer.status_code == 200
    assert set(answer.json()["decision"]["weights"]) == set(names)
    more = client.post(f"/v1/allocations/{id}/domains", json={"domains": [*names, "pet"]})
    assert set(more.json()["decision"]["weights"]) == {*names, "pet"}
    wrong = client.post(f"/v1/allocations/{id}/domains", json={"domains": [*names, "ct_high"]})
    assert wrong.status_code == 422
    assert client.get(f"/v1/allocations/{id}").json()["domains"][0]["name"] == "CT brain/ü"
    for now in (["pet", "ct"], [*names, "pet"]):  # one that left may come back
        assert client.post(f"/v1/allocations/{id}/domains", json={"domains": now}).status_code == 200
