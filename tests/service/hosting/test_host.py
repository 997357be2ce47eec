"""A host answers for many allocations as their owners would, whoever else is at the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from policies import BadSetup
from service.hosting import Busy, Host, HostSettings, Refused
from service.hosting.seats import WAITING
from service.journal import Journal
from tests.service.hosting.conftest import Fitting, body, spec
from tests.service.owner.conftest import Scripted


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{tmp_path / 'store.db'}", shared=True) as found:
        yield found


@pytest.fixture
def host(journal: Journal) -> Iterator[Host]:
    found = Host(journal)
    yield found
    found.close()


def create(host: Host, name: str = "a", policy: str = "scripted", **options: Any) -> dict[str, Any]:
    return host.create(name, spec(policy, **options), "p", name, None)


def decisions(journal: Journal, allocation: str) -> list[tuple[int, Any]]:
    events = journal.events(allocation, kinds=["decision"], active=True)
    return [(event.position, event.body["weights"]) for event in events]


def test_few_are_kept_and_the_others_come_back_as_they_were(journal: Journal) -> None:
    host = Host(journal, HostSettings(owners=3))
    try:
        names = [f"run{number}" for number in range(10)]
        for name in names:
            create(host, name)
        for position in (60, 160, 260):
            for name in names:
                answer = host.report(name, [body(position)])
                assert answer["decision"]["detail"] == f"from {1 + [60, 160, 260].index(position)} reports"
        assert host.stats()["owners"] <= 3
    finally:
        host.close()


def test_two_hosts_on_one_store_never_both_decide(store_url: str) -> None:
    with Journal(store_url, shared=True) as one, Journal(store_url, shared=True) as two:
        hosts = [Host(one), Host(two)]
        try:
            create(hosts[0])
            positions = range(20, 400, 20)
            with ThreadPoolExecutor(4) as pool:
                for position in positions:
                    asked = [pool.submit(host.report, "a", [body(position)]) for host in hosts for _ in range(2)]
                    answers = [each.result()["decision"] for each in asked]
                    assert sorted(answer["replayed"] for answer in answers) == [False, True, True, True]
                    assert all(answer["weights"] == answers[0]["weights"] for answer in answers)
            assert [position for position, _ in decisions(one, "a")] == [0, *positions]
            assert one.verify("a") == 2 + 2 * len(positions)
        finally:
            for host in hosts:
                host.close()


def test_a_change_by_one_host_is_known_to_the_other(journal: Journal, host: Host) -> None:
    other = Host(journal)
    try:
        create(host)
        host.report("a", [body(60)])
        other.set_domains("a", [{"name": "ct"}, {"name": "us"}], None)
        losses = {"ct": 1.0, "us": 1.0}
        new = body(160, draws={"ct": 60.0, "us": 20.0}, eval_loss=losses)
        assert set(host.report("a", [new])["decision"]["weights"]) == {"ct", "us"}
        with pytest.raises(Refused, match="unknown domain 'mr'"):
            other.report("a", [body(260)])
        other.set_mode("a", "act", {"us": 0.75})
        newer = body(260, draws={"ct": 70.0, "us": 30.0}, eval_loss=losses)
        assert host.report("a", [newer])["decision"]["weights"]["us"] == pytest.approx(0.75)
        other.rewind("a", 160, "")
        assert host.report("a", [newer])["decision"]["replayed"] is False
    finally:
        other.close()


def test_fits_queue_in_order_and_keep_nobody_else_waiting(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["first", "second", "third"]
    for number, name in enumerate(names):
        host.create(name, {**spec("fitting"), "seed": number}, "p", name, None)
    create(host, "light")
    begins, gate, order = threading.Event(), threading.Event(), []
    decide = Fitting._decide

    def slow(self: Fitting, position: int) -> Any:
        if self._last is not None:
            begins.set()
            assert gate.wait(20)
            order.append(self.seed)
        return decide(self, position)

    monkeypatch.setattr(Fitting, "_decide", slow)
    with ThreadPoolExecutor(8) as pool:
        asked = []
        for number, name in enumerate(names):
            asked.append(pool.submit(host.report, name, [body(60)]))
            assert begins.wait(10)
            until = time.monotonic() + 10
            while host.stats()["waiting"] < number and time.monotonic() < until:
                time.sleep(0.01)
        begun = time.perf_counter()
        assert host.report("light", [body(60)])["decision"]["reason"] == "refit"
        assert time.perf_counter() - begun < 5
        assert host.stats()["waiting"] == 2
        assert not any(each.done() for each in asked)
        gate.set()
        assert all(each.result(20)["decision"]["reason"] == "refit" for each in asked)
    assert order == [0, 1, 2]
    assert host.stats()["fits"] == 3


def test_too_many_on_one_allocation_are_sent_away(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    create(host)
    gate = threading.Event()
    monkeypatch.setattr(Scripted, "gate", gate)
    with ThreadPoolExecutor(WAITING + 4) as pool:
        asked = [pool.submit(host.report, "a", [body(60)]) for _ in range(WAITING)]
        until = time.monotonic() + 20
        busy = None
        while busy is None and time.monotonic() < until:
            probe = pool.submit(host.report, "a", [body(60)])
            time.sleep(0.05)
            if probe.done():
                busy = probe.exception()
            else:
                asked.append(probe)
        gate.set()
        assert isinstance(busy, Busy)
        answers = [each.result(20)["decision"]["replayed"] for each in asked]
    assert answers.count(False) == 1


def test_a_failing_policy_keeps_the_mixture_and_the_service(host: Host) -> None:
    create(host, break_at=[60])
    answer = host.report("a", [body(60), body(160)])
    assert answer["decision"]["reason"] == "refit"
    assert answer["position"] == 160


def test_refusals_name_the_report(host: Host) -> None:
    create(host)
    with pytest.raises(Refused, match="send reports in order") as caught:
        host.report("a", [body(60), body(160), body(100)])
    assert (caught.value.index, caught.value.answered) == (2, False)
    with pytest.raises(Refused, match="a position is answered once") as caught:
        host.report("a", [body(60, draws={"ct": 1.0, "mr": 2.0, "pet": 3.0})])
    assert (caught.value.index, caught.value.answered) == (0, True)
    with pytest.raises(BadSetup, match="beyond the last report at 160"):
        host.rewind("a", 170, "")
