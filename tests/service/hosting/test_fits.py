"""Turns at fits: fair between projects, long ones beside the others, and nobody holds a thread while waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service.hosting import Busy, Host, HostSettings, LocalGateway, Refused
from service.hosting.fair import FairQueue
from service.hosting.fits import LONG_DOMAINS, LONG_SECONDS, Claim, FitNeeded, FitQueue, Turn
from service.journal import Journal
from tests.service.hosting.conftest import Fitting, body, spec

HUGE = 200  # domains


def claim(project: str, allocation: str = "a", size: int = 5) -> Claim:
    return Claim(project, f"{project}.{allocation}", size)


def given(found: Future[Turn]) -> Turn:
    assert found.done(), "its turn has not come"
    return found.result()


def test_projects_take_turns_then_their_allocations() -> None:
    queue: FairQueue[str] = FairQueue()
    for project, allocation, item in (
        [("p", "a", f"pa{n}") for n in range(3)] + [("p", "b", f"pb{n}") for n in range(2)] + [("q", "a", "qa0")]
    ):
        queue.push(project, allocation, item)
    assert (len(queue), queue.of("p"), queue.of("q"), queue.of("r")) == (6, 5, 1, 0)
    assert queue.clear() == ["pa0", "qa0", "pb0", "pa1", "pb1", "pa2"]
    assert (len(queue), queue.pop()) == (0, None)


def test_a_project_that_comes_late_is_next_however_many_wait() -> None:
    fits = FitQueue(1)
    running = given(fits.claim(claim("greedy")))
    waiting = [fits.claim(claim("greedy", f"a{n}")) for n in range(132)]
    late = fits.claim(claim("modest"))
    fits.end(running)
    fits.end(given(late))
    fits.end(given(waiting[0]))
    again = fits.claim(claim("modest"))
    assert given(waiting[1])
    assert not again.done(), "who comes again and again is no better off"
    assert fits.waiting == 131


def test_a_long_fit_holds_up_only_long_ones() -> None:
    fits = FitQueue(1)
    long = given(fits.claim(claim("greedy", size=HUGE)))
    next_long, short = fits.claim(claim("other", size=LONG_DOMAINS + 1)), fits.claim(claim("modest"))
    assert given(short).long is False
    assert not next_long.done()
    fits.end(long)
    assert given(next_long).long is True


def test_what_was_long_before_is_long_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fits, clock = FitQueue(1), [0.0]
    monkeypatch.setattr(time, "thread_time", lambda: clock[0])

    def fit(seconds: float) -> bool:
        """Whether it was taken for a long one."""
        turn = given(fits.claim(claim("p")))
        with fits.asking(turn):
            fits.run(claim("p"), lambda: clock.__setitem__(0, clock[0] + seconds))
        fits.end(turn)
        return turn.long

    took = [fit(seconds * LONG_SECONDS) for seconds in (0.1, 3.0, 0.1, 0.1, 0.1)]
    assert took == [False, False, True, True, False]


def test_too_many_of_one_project_are_sent_away() -> None:
    fits = FitQueue(1, most=3)
    given(fits.claim(claim("greedy")))
    waiting = [fits.claim(claim("greedy", size=size)) for size in (5, 5, HUGE, HUGE)]
    with pytest.raises(Busy, match="3 fits of this project are waiting already; ask again later"):
        fits.claim(claim("greedy"))
    fits.claim(claim("modest"))
    assert waiting[0].cancel()
    assert [one.done() for one in waiting] == [True, False, True, False]


def test_who_gives_up_is_passed_over_and_an_end_ends_all() -> None:
    fits = FitQueue(1)
    turn = given(fits.claim(claim("p")))
    gone, stays = fits.claim(claim("q")), fits.claim(claim("r"))
    gone.cancel()
    fits.end(turn)
    held, last = given(stays), fits.claim(claim("s"))
    ended = threading.Thread(target=fits.close)
    ended.start()
    with pytest.raises(CancelledError):
        last.result(10)
    assert ended.is_alive(), "what runs is waited for"
    fits.end(held)
    ended.join(10)
    assert not ended.is_alive()
    with pytest.raises(Busy, match="this host is ending"):
        fits.claim(claim("p"))


def test_without_a_turn_a_question_is_broken_off() -> None:
    fits = FitQueue(1)
    with fits.asking(None), pytest.raises(FitNeeded) as caught:
        fits.run(claim("p"), lambda: 1)
    turn = given(fits.claim(caught.value.claim))
    with fits.asking(turn):
        assert fits.run(claim("p"), lambda: 2) == 2
        with pytest.raises(FitNeeded):  # a turn is for one fit
            fits.run(claim("p"), lambda: 3)
    fits.end(turn)
    assert fits.run(claim("p"), lambda: 4) == 4
    assert fits.done == 2


# -- with a host and a journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{tmp_path / 'store.db'}", shared=True) as found:
        yield found


class Gate:
    """Fits that wait until they are let through; `order` are the seeds of those that ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.order = threading.Event(), []
        decide = Fitting._decide

        def slow(policy: Fitting, position: int) -> Any:
            if policy._last is not None:
                assert self.open.wait(30)
                self.order.append(policy.seed)
            return decide(policy, position)

        monkeypatch.setattr(Fitting, "_decide", slow)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def run(journal: Journal, talk: Callable[[LocalGateway], Awaitable[None]], **settings: int) -> None:
    gateway = LocalGateway(Host(journal, HostSettings(**settings)))
    try:
        asyncio.run(talk(gateway))  # type: ignore[arg-type]
    finally:
        gateway.close()


async def begin(gateway: LocalGateway, name: str, project: str, policy: str = "fitting", seed: int = 0) -> None:
    await gateway.ask("create", name, {**spec(policy), "seed": seed}, project, name, None, timeout=30)


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_no_thread_is_held_and_the_modest_are_not_kept_waiting(journal: Journal, gate: Gate) -> None:
    """More fits of one project than there are threads; then another's light report, and its fit."""

    async def talk(gateway: LocalGateway) -> None:
        for number in range(4):
            await begin(gateway, f"g{number}", "greedy", seed=number)
        await begin(gateway, "modest", "m", seed=100)
        await begin(gateway, "light", "m", "scripted")
        asked = [
            asyncio.create_task(gateway.ask("report", f"g{one % 4}", [body(10 + one)], timeout=60)) for one in range(60)
        ]
        await until(lambda: gateway._host.stats()["waiting"] == 3)
        late = asyncio.create_task(gateway.ask("report", "modest", [body(60)], timeout=60))
        await until(lambda: gateway._host.stats()["waiting"] == 4)
        begun = time.perf_counter()
        light = await gateway.ask("report", "light", [body(60)], timeout=60)
        assert light["decision"]["reason"] == "refit"
        assert time.perf_counter() - begun < 5
        await gateway.ask("set_mode", "g0", "advise", None, timeout=10)  # beside the fit of g0 itself
        gate.open.set()
        assert (await late)["decision"]["reason"] == "refit"
        assert gate.order.index(100) == 1, "after the fit that ran when it came"
        await asyncio.gather(*asked)

    threads = 6
    pool = ThreadPoolExecutor.__init__

    def small(self: ThreadPoolExecutor, _most: int, **more: Any) -> None:
        pool(self, threads, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "__init__", small)
        run(journal, talk)


def test_a_batch_takes_a_turn_for_each_fit_and_goes_on_where_it_was(journal: Journal, gate: Gate) -> None:
    async def talk(gateway: LocalGateway) -> None:
        await begin(gateway, "batch", "greedy", seed=1)
        await begin(gateway, "modest", "m", seed=2)
        batch = asyncio.create_task(
            gateway.ask("report", "batch", [body(60), body(160), body(260), body(100)], timeout=60)
        )
        await until(lambda: gateway._host.fits._running == 1)
        late = asyncio.create_task(gateway.ask("report", "modest", [body(60)], timeout=60))
        await until(lambda: gateway._host.stats()["waiting"] == 1)
        gate.open.set()
        await late
        with pytest.raises(Refused, match="send reports in order") as caught:
            await batch
        assert caught.value.index == 3
        assert gate.order == [1, 2, 1, 1]
        assert gateway._host.stats()["fits"] == 4

    run(journal, talk)
    assert journal.verify("batch") == 2 + 2 * 3


def test_a_line_on_one_allocation_has_an_end(journal: Journal, gate: Gate) -> None:
    async def talk(gateway: LocalGateway) -> None:
        await begin(gateway, "a", "p")
        asked = [asyncio.create_task(gateway.ask("report", "a", [body(60)], timeout=60)) for _ in range(20)]
        await until(lambda: sum(one.done() for one in asked) == 4)
        gate.open.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        busy = [one for one in answers if isinstance(one, Busy)]
        assert len(busy) == 4
        assert "16 requests on this allocation are waiting already" in str(busy[0])
        replayed = [one["decision"]["replayed"] for one in answers if isinstance(one, dict)]
        assert sorted(replayed) == [False] + [True] * 15

    run(journal, talk)


def test_too_many_fits_of_a_project_are_busy_and_what_was_sent_is_kept(journal: Journal, gate: Gate) -> None:
    async def talk(gateway: LocalGateway) -> None:
        for number in range(4):
            await begin(gateway, f"g{number}", "greedy", seed=number)
        asked = [asyncio.create_task(gateway.ask("report", f"g{n}", [body(60)], timeout=60)) for n in range(3)]
        await until(lambda: gateway._host.stats()["waiting"] == 2)
        with pytest.raises(Busy, match="2 fits of this project"):
            await gateway.ask("report", "g3", [body(60)], timeout=60)
        gate.open.set()
        await asyncio.gather(*asked)
        again = await gateway.ask("report", "g3", [body(60)], timeout=60)
        assert again["decision"]["replayed"] is False

    run(journal, talk, waiting=2)
    assert journal.verify("g3") == 4
