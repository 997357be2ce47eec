"""The owner as an actor: found again, made again, and its answers unchanged."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from policies import BadReport, Domain, LossReport
from service.actor import NAMESPACE, OwnerAddress, actor_name, stop_actor
from service.journal import Journal
from service.owner import Spec

pytestmark = pytest.mark.ray
NAMES = ("ct", "mr")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(address="local", num_cpus=2, include_dashboard=False, namespace=NAMESPACE, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        spec = Spec(tuple(Domain(name) for name in NAMES), 400, 100, policy="uniform")
        journal.create("run", spec.to_dict())
        yield journal


def report(position: int) -> LossReport:
    return LossReport(position, dict.fromkeys(NAMES, position / 2), dict.fromkeys(NAMES, 1.0 / position))


def test_owner_survives_kills_of_every_kind(cluster: None, journal: Journal) -> None:
    address = OwnerAddress.here(journal.url, "run")
    assert address.node_id is not None
    advisor = pickle.loads(pickle.dumps(address.advisor))()
    first = advisor.start()
    decision = advisor.decide(report(60))
    assert (decision.position, decision.replayed) == (100, False)

    actor = ray.get_actor(actor_name("owner", journal.url, "run"), namespace=NAMESPACE)
    os.kill(ray.get(actor.pid.remote()), signal.SIGKILL)
    assert advisor.decide(report(60)) == dataclasses.replace(decision, replayed=True)

    ray.kill(actor)
    assert advisor.decide(report(60)) == dataclasses.replace(decision, replayed=True)
    assert advisor.start() == dataclasses.replace(first, replayed=True)
    assert advisor.decide(report(160)).position == 200
    advisor.note("checkpoint", 160, {"path": "x"})
    assert address.digest() == journal.head("run")
    with pytest.raises(BadReport, match="send reports in order"):
        advisor.decide(report(100))
    kinds = [event.kind for event in journal.events("run")]
    assert kinds == ["allocation", "decision", "report", "decision", "report", "decision", "checkpoint"]

    stop_actor("owner", journal.url, "run")
    stop_actor("owner", journal.url, "run")
    with pytest.raises(ValueError, match="Failed to look up actor"):
        ray.get_actor(actor_name("owner", journal.url, "run"), namespace=NAMESPACE)
