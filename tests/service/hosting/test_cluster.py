"""Hosts as actors: killed in every way, they are made again and answer as before."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from policies import Domain
from service.actor import NAMESPACE
from service.hosting import NotAnswered, Refused
from service.hosting.cluster import Hosts, RayGateway
from service.journal import Journal
from service.owner import Spec
from tests.service.serving import NAMES, report_body

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    url = f"sqlite:///{tmp_path_factory.mktemp('hosts') / 'store.db'}"
    with Journal(url, shared=True):
        pass
    ray.init("local", num_cpus=2, include_dashboard=False, namespace=NAMESPACE, log_to_driver=False)
    yield Hosts(url, shards=2, node_id=ray.get_runtime_context().get_node_id())
    ray.shutdown()


async def report(gateway: RayGateway, allocation: str, position: int) -> dict[str, Any]:
    answer = await gateway.ask("report", allocation, [report_body(position)], timeout=60)
    return dict(answer["decision"])


def test_hosts_survive_kills_of_every_kind(hosts: Hosts, tmp_path: Path) -> None:
    spec = Spec(tuple(Domain(name) for name in NAMES), 1000, 100, policy="odm").to_dict()
    names = [f"a-{number:016x}" for number in range(6)]
    assert {hosts.shard(name) for name in names} == {0, 1}

    async def everything() -> None:
        gateway = RayGateway(hosts)
        await gateway.ready()
        for name in names:
            await gateway.ask("create", name, spec, "p", name, None, timeout=60)
        first = {name: await report(gateway, name, 60) for name in names}
        pids = [ray.get(hosts.reach(shard).pid.remote()) for shard in range(2)]
        assert len(set(pids)) == 2
        asked = [asyncio.create_task(report(gateway, name, 160)) for name in names]
        os.kill(pids[0], signal.SIGKILL)
        second = await asyncio.gather(*asked)
        ray.kill(hosts.reach(1))
        for name, decision in zip(names, second, strict=True):
            assert (await report(gateway, name, 60))["weights"] == first[name]["weights"]
            again = await report(gateway, name, 160)
            assert (again["weights"], again["replayed"]) == (decision["weights"], True)
        with pytest.raises(Refused, match="send reports in order") as caught:
            await report(gateway, names[0], 100)
        assert caught.value.index == 0
        with pytest.raises(NotAnswered, match="ask again"):
            await gateway.ask("report", names[0], [report_body(260)], timeout=1e-6)
        assert (await report(gateway, names[0], 260))["position"] == 300
        stats = await gateway.stats()
        assert len(stats) == 2
        assert all(host["waiting"] == 0 for host in stats)

    asyncio.run(everything())
    with Journal(hosts.url) as journal:
        assert [journal.verify(name) for name in names] == [8, 6, 6, 6, 6, 6]
        assert all(len(journal.events(name, kinds=["report"], active=True)) >= 2 for name in names)
    hosts.end()
    hosts.end()
    with pytest.raises(ValueError, match="Failed to look up actor"):
        ray.get_actor(hosts.name(0), namespace=NAMESPACE)
