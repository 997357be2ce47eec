"""SIGKILL for every part of the service at seeded instants, under load: no acknowledged report is lost, no
decision changes, clients carry on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from service.journal import Journal
from tests.faults.service.compare import Account, account
from tests.faults.service.courses import COURSES
from tests.faults.service.head import head
from tests.faults.service.house import House, house
from tests.faults.service.load import Load
from tests.faults.service.monkey import Strike, plan, strike_all
from tests.faults.service.peace import Peace, in_peace
from tests.faults.tree import sigkill
from tests.service import postgres
from tests.service.serving_ray import new_token

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(3600)]

PARTS = ["replica"] * 20 + ["controller"] * 5


@pytest.fixture(scope="module")
def peace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peace]:
    with in_peace(tmp_path_factory.mktemp("peace")) as found:
        yield found


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.installed() as found:
        yield found


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of store, new and empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return new_database(request.getfixturevalue("server"), tmp_path)


def new_database(server: postgres.Server, tmp_path: Path) -> str:
    return server.url("".join(sign for sign in tmp_path.name.lower() if sign.isalnum()))


def under_load(
    folder: Path, store: str, url: str, strikes: list[Strike], kill: Callable[[str], list[int]], peace: Peace
) -> Account:
    """Strikes while clients train; then everything is compared, and the counts are printed."""
    began = time.monotonic()
    load = Load(url, new_token(store, "report"), folder, COURSES)
    load.start()
    try:
        strike_all(strikes, load, kill)
    except BaseException:
        load.end(0)
        raise
    load.end()
    load.check()
    seconds = time.monotonic() - began
    with Journal(store) as journal:
        found = account(journal, load.clients, peace)
    print(_told(folder.name, strikes, found, seconds))
    assert not found.wrong, "\n".join(found.wrong[:10])
    assert found.sent == found.acknowledged == found.stored == found.decided
    assert all(strike.back is not None for strike in strikes)
    assert found.mixtures > 5 * len(COURSES), "too few different mixtures to notice one that was lost"
    return found


def _told(name: str, strikes: list[Strike], found: Account, seconds: float) -> str:
    rows = [f"\n{name}: {len(strikes)} strikes in {seconds:.0f} s"]
    for kind in dict.fromkeys(strike.kind for strike in strikes):
        mine = [strike for strike in strikes if strike.kind == kind]
        back = sorted(strike.back for strike in mine if strike.back is not None)
        rows.append(
            f"  {kind:<11} {len(mine):>3} strikes, {sum(len(s.pids) for s in mine)} processes killed; next report "
            f"acknowledged after {back[len(back) // 2]:.1f} s (median), {back[-1]:.1f} s (longest)"
        )
    troubles = ", ".join(f"{what} {count}" for what, count in found.troubles.most_common()) or "none"
    rows.append(
        f"  reports: {found.sent} sent, {found.acknowledged} acknowledged, {found.stored} stored once; "
        f"{found.decided} decisions, {found.mixtures} mixtures; owners opened {found.owners} times; "
        f"differences: {len(found.wrong)}; clients lived with: {troubles}"
    )
    return "\n".join(rows)


def victims(service: House) -> Callable[[str], list[int]]:
    """Kills one process of the role that is named."""

    def kill(kind: str) -> list[int]:
        return [process.pid for process in _present(service, kind)[:1] if sigkill(process)]

    return kill


def _present(service: House, kind: str) -> list[psutil.Process]:
    """A part that was killed a moment ago may not be back yet."""
    until = time.monotonic() + 60
    while not (found := service.role(kind)):
        assert time.monotonic() < until, f"there is no {kind}: {service.said}"
        time.sleep(0.1)
    return found


def test_the_process_of_an_allocation(tmp_path: Path, store: str, peace: Peace) -> None:
    with house(tmp_path, store, "--shards", "2") as service:
        found = under_load(tmp_path, store, service.url, plan(["host"] * 20, 21), victims(service), peace)
        assert service.starts == 1
    assert found.owners > len(COURSES), "no owner was made again"


def test_the_parts_that_answer(tmp_path: Path, store: str, peace: Peace) -> None:
    with house(tmp_path, store) as service:
        under_load(tmp_path, store, service.url, plan(PARTS, 22), victims(service), peace)
        assert service.starts == 1


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_the_service(tmp_path: Path, store: str, peace: Peace) -> None:
    """The process alone, or with everything it started; a supervisor starts it again."""
    with house(tmp_path, store) as service:
        strikes = plan(["serve"] * 10 + ["all of it"] * 10, 23)
        under_load(tmp_path, store, service.url, strikes, lambda kind: service.kill(kind == "all of it"), peace)
        assert service.starts >= 21


def test_the_head_of_the_cluster(tmp_path: Path, server: postgres.Server, peace: Peace) -> None:
    """Nothing of the cluster survives its head: the store does, and the service begins anew on the next one."""
    store = new_database(server, tmp_path)
    with ExitStack() as stack:
        cluster = stack.enter_context(head(tmp_path))
        more = cluster.variables
        service = stack.enter_context(house(tmp_path, store, "--address", cluster.address, more=more))
        strikes = plan(["head"] * 20, 24)
        under_load(tmp_path, store, service.url, strikes, lambda _: cluster.kill(everything=True), peace)


def test_the_database(tmp_path: Path, server: postgres.Server, peace: Peace) -> None:
    store = new_database(server, tmp_path)

    def kill(_kind: str) -> list[int]:
        killed = server.kill()
        time.sleep(0.5)
        server.start()
        return killed

    with house(tmp_path, store) as service:
        under_load(tmp_path, store, service.url, plan(["postmaster"] * 20, 25), kill, peace)
        assert service.starts == 1
