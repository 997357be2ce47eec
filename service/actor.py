"""Owners as Ray actors: found by name or made again from the journal, whoever asks first.

The actor adds to `Owner` a process of its own, a name in the cluster and restarts; no decision is
made here. Reads and holds run in threads beside the one that fits, so they never wait for a fit.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
from collections.abc import Mapping
from typing import Any, TypeVar

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from policies import Decision, LossReport
from service.journal import Journal
from service.journal.engine import is_sqlite
from service.owner.lasting import LastingOwner

log = logging.getLogger(__name__)

NAMESPACE = "isthmus"
ASK_AGAIN = 5  # times to make a lost actor again before the caller hears of it
T = TypeVar("T")

# One thread each for BLAS and OpenMP: a second one spins against the training on a busy machine.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class OwnerLost(RuntimeError):
    """The owner cannot be kept alive: see to its node or its store, then resume."""


class OwnerActor:
    """`Owner` with its own journal connection, in a process of its own."""

    def __init__(self, url: str, allocation: str) -> None:
        self._journal = Journal(url)
        self._owner = LastingOwner(self._journal, allocation)

    def start(self) -> Decision:
        return self._owner.ask(lambda owner: owner.start())

    def decide(self, report: LossReport) -> Decision:
        return self._owner.ask(lambda owner: owner.decide(report))

    def rewind(self, position: int, why: str) -> None:
        self._owner.ask(lambda owner: owner.rewind(position, why))

    @ray.method(concurrency_group="beside")  # type: ignore[untyped-decorator]
    def hold(self, report: LossReport, why: str) -> Decision:
        return self._owner.ask(lambda owner: owner.hold(report, why))

    @ray.method(concurrency_group="beside")  # type: ignore[untyped-decorator]
    def note(self, kind: str, position: int, body: Mapping[str, Any]) -> None:
        self._owner.ask(lambda owner: owner.note(kind, position, body))

    @ray.method(concurrency_group="beside")  # type: ignore[untyped-decorator]
    def set_mode(self, mode: str, pin: Mapping[str, float] | None) -> None:
        self._owner.ask(lambda owner: owner.set_mode(mode, pin))

    @ray.method(concurrency_group="beside")  # type: ignore[untyped-decorator]
    def status(self) -> dict[str, Any]:
        return self._owner.ask(lambda owner: owner.status())

    @ray.method(concurrency_group="beside")  # type: ignore[untyped-decorator]
    def pid(self) -> int:
        """The process, for tests that kill it."""
        return os.getpid()

    @ray.method(concurrency_group="beside")  # type: ignore[untyped-decorator]
    def head(self) -> str:
        return self._journal.head(self._owner.allocation)


def actor_name(kind: str, url: str, allocation: str) -> str:
    """One name per store and allocation: two stores on one cluster may use the same run name."""
    return f"{kind}/{allocation}@{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def get_or_create(kind: str, actor_class: type, address: OwnerAddress, *args: Any, threads: int = 4) -> Any:
    """The named actor, made if it is not there (never only looked up: it may have been lost for good)."""
    name = actor_name(kind, address.url, address.allocation)
    return named_actor(name, actor_class, address.node_id, *args, concurrency_groups={"beside": threads})


def named_actor(name: str, actor_class: type, node_id: str | None, *args: Any, **more: Any) -> Any:
    """The detached actor of that name, on `node_id` if given, made from `args` if it is not there.

    more: options of `ray.remote`, such as how many calls it takes at once.
    """
    options: dict[str, Any] = {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        "max_task_retries": -1,
        "num_cpus": 0,
        "runtime_env": {"env_vars": ENVIRONMENT},
    }
    if node_id is not None:
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node_id, soft=False)
    remote = ray.remote(**more)(actor_class) if more else ray.remote(actor_class)
    return remote.options(**options).remote(*args)


def stop_actor(kind: str, url: str, allocation: str) -> None:
    """End a detached actor for good; its journal remains. Quiet if there is none."""
    try:
        ray.kill(ray.get_actor(actor_name(kind, url, allocation), namespace=NAMESPACE))
    except ValueError:
        log.debug("no %s of '%s' to stop", kind, allocation)


@dataclasses.dataclass(frozen=True)
class OwnerAddress:
    """How to reach the owner of an allocation, from any process of the cluster.

    `node_id` is set where the store is a file of one machine, so that a restart happens there too.
    """

    url: str = dataclasses.field(repr=False)  # it may hold a password
    allocation: str
    node_id: str | None = None

    @classmethod
    def here(cls, url: str, allocation: str) -> OwnerAddress:
        """For the driver: a SQLite store ties the owner to this machine."""
        node = ray.get_runtime_context().get_node_id() if is_sqlite(url) else None
        return cls(url, allocation, node)

    def reach(self) -> Any:
        return get_or_create("owner", OwnerActor, self, self.url, self.allocation)

    def advisor(self) -> ActorAdvisor:
        """The factory that training is given; picklable with `self`."""
        return ActorAdvisor(self)

    def digest(self) -> str:
        """Digest of the journal's last event, for checkpoints."""
        return self.advisor().ask("head")  # type: ignore[no-any-return]


class ActorAdvisor:
    """The `Advisor` of training: each call goes to the owner, which is made again if it was lost."""

    def __init__(self, address: OwnerAddress) -> None:
        self._address = address
        self._actor: Any = None

    def start(self) -> Decision:
        return self.ask("start")  # type: ignore[no-any-return]

    def decide(self, report: LossReport) -> Decision:
        return self.ask("decide", report)  # type: ignore[no-any-return]

    def hold(self, report: LossReport, why: str) -> Decision:
        return self.ask("hold", report, why)  # type: ignore[no-any-return]

    def note(self, kind: str, position: int, body: dict[str, Any]) -> None:
        self.ask("note", kind, position, body)

    def ask(self, method: str, *args: Any) -> Any:
        """Safe to repeat: every call of an owner gives the same when it is asked again."""
        why = ""
        for _ in range(ASK_AGAIN):
            if self._actor is None:
                self._actor = self._address.reach()
            try:
                return ray.get(getattr(self._actor, method).remote(*args))
            except (ActorDiedError, ActorUnavailableError) as error:
                why = cause(error)
                log.warning("the owner of '%s' was lost, making it again: %s", self._address.allocation, why)
                self._actor = None
        raise OwnerLost(f"the owner of '{self._address.allocation}' was lost {ASK_AGAIN} times in a row: {why}")


def cause(error: BaseException) -> str:
    """The last line of what Ray says, which names the cause; the rest is its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
