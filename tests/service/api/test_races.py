"""Many at once: one create is the first, what is archived stays so, and a retry changes nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from service.hosting import Host
from service.journal import AllocationExists, Archived, Journal
from service.journal.names import allocation_id
from service.owner import Spec
from tests.service.serving import NAMES, Served, begin, new_body, report_body, send

MANY = 8


def at_once(calls: list[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    """All calls from threads that wait for each other first."""
    ready = threading.Barrier(len(calls))

    def call(one: Callable[[], httpx.Response]) -> httpx.Response:
        ready.wait()
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [found.result() for found in [pool.submit(call, one) for one in calls]]


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def create(client: httpx.Client, body: dict[str, Any]) -> Callable[[], httpx.Response]:
    return lambda: client.post("/v1/allocations", json=body)


def test_of_parallel_creates_one_is_the_first(service: Served) -> None:
    clients = [service.client() for _ in range(MANY)]
    for turn in range(3):
        body = new_body(f"run-{turn}")
        answers = at_once([create(each, body) for each in clients])
        assert statuses(answers) == {201: 1, 200: MANY - 1}
        assert len({answer.json()["id"] for answer in answers}) == 1
        replayed = Counter(answer.json()["decision"]["replayed"] for answer in answers)
        assert replayed == {False: 1, True: MANY - 1}
        assert len(service.journal.events(answers[0].json()["id"], kinds=["decision"])) == 1
    answers = at_once([create(each, new_body("other", seed=seed)) for seed, each in enumerate(clients)])
    assert statuses(answers) == {201: 1, 409: MANY - 1}
    for each in clients:
        each.close()


def test_of_parallel_creates_in_two_services_one_is_the_first(store_url: str) -> None:
    body = Spec.from_dict({**Spec((), 1000, 100, policy="uniform").to_dict(), "domains": [{"name": n} for n in NAMES]})
    id = allocation_id("p", "a")
    with Journal(store_url, shared=True) as one, Journal(store_url, shared=True) as two:
        hosts = [Host(one), Host(two)]
        ready = threading.Barrier(6)

        def begun(number: int) -> bool:
            ready.wait()
            return bool(hosts[number % 2].create(id, body.to_dict(), "p", "a", None)["fresh"])

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(begun, range(6))) == 1
        for host in hosts:
            host.close()
        one.archive(id)
        for journal in (one, two):
            with pytest.raises(Archived, match="allocation 'a' is archived; begin another one"):
                journal.create(id, body.to_dict(), project="p", name="a")
            with pytest.raises(AllocationExists):
                journal.create(id, {**body.to_dict(), "seed": 3}, project="p", name="a")


def test_an_archived_name_is_a_conflict_for_whatever_would_change_it(client: httpx.Client) -> None:
    path = begin(client)
    send(client, path, 50)
    before = client.delete(path).json()
    changes = [
        ("/v1/allocations", new_body()),
        ("/v1/allocations", new_body(seed=3)),
        (f"{path}/reports", report_body(50)),
        (f"{path}/reports", [report_body(150)]),
        (f"{path}/mode", {"mode": "pause", "pin": {"ct": 0.5}}),
        (f"{path}/mode", {"pin": {"xray": 0.5}}),
        (f"{path}/domains", {"domains": ["ct", "mr"]}),
        (f"{path}/rewind", {"position": 0}),
        (f"{path}/rewind", {"position": 999}),
    ]
    for where, body in changes:
        answer = client.post(where, json=body)
        assert answer.status_code == 409, (where, body, answer.text)
        if body != new_body(seed=3):
            assert answer.json()["detail"] == "allocation 'first' is archived; begin another one"
    assert client.delete(path).json() == client.get(path).json() == before
    assert client.get("/v1/allocations").json()["items"] == []
    assert [item["name"] for item in client.get("/v1/allocations?archived=true").json()["items"]] == ["first"]
    for read in ("schedule", "decisions", "law", "report"):
        assert client.get(f"{path}/{read}").status_code == 200


def test_archive_create_rewind_and_reports_at_once_leave_one_story(service: Served, client: httpx.Client) -> None:
    path = begin(client)
    send(client, path, 50, 150)
    answers = at_once(
        [
            lambda: client.post("/v1/allocations", json=new_body()),
            lambda: client.post(f"{path}/reports", json=report_body(250)),
            lambda: client.post(f"{path}/reports", json=report_body(250)),
            lambda: client.post(f"{path}/rewind", json={"position": 50}),
            lambda: client.post(f"{path}/mode", json={"pin": {"ct": 0.5}}),
            lambda: client.delete(path),
            lambda: client.delete(path),
        ]
    )
    assert statuses(answers).keys() <= {200, 409}
    assert [answer.status_code for answer in answers[5:]] == [200, 200]
    id = path.rpartition("/")[2]
    events = service.journal.events(id)
    assert events[-1].kind == "archived"
    assert Counter(event.kind for event in events)["archived"] == 1
    positions = [
        (event.attempt, event.kind, event.position) for event in events if event.kind in ("report", "decision")
    ]
    assert len(positions) == len(set(positions))
    assert service.journal.verify(id) == len(events)


def test_a_rewind_sent_twice_is_one_attempt(client: httpx.Client) -> None:
    path = begin(client)
    send(client, path, 50, 150)
    first, again = (client.post(f"{path}/rewind", json={"position": 50}).json() for _ in range(2))
    assert first == again
    assert first["attempt"] == 1
    send(client, path, 150)
    assert client.post(f"{path}/rewind", json={"position": 50}).json()["attempt"] == 2
    assert client.post(f"{path}/rewind", json={"position": 0}).json()["attempt"] == 3


@pytest.mark.parametrize("mode", ["act", "advise", "pause"])
def test_a_pin_answers_what_it_does(client: httpx.Client, mode: str) -> None:
    path = begin(client)
    send(client, path, 50)
    answer = client.post(f"{path}/mode", json={"mode": mode, "pin": {"ct": 0.6}}).json()
    assert (answer["mode"], answer["pin"]) == (mode, {"ct": 0.6})
    for position in (150, 250):
        decision = send(client, path, position)["decision"]
        assert decision["weights"] == pytest.approx({"ct": 0.6, "mr": 0.2, "pet": 0.2})
    stages = client.get(f"{path}/schedule").json()["stages"]
    assert [stage["position"] for stage in stages] == [0, 200]
    client.post(f"{path}/mode", json={"pin": {}})
    weights = send(client, path, 350)["decision"]["weights"]
    assert weights["ct"] == pytest.approx(1 / 3 if mode == "act" else 0.6)
