"""Pages and plans take turns, fair between projects and without a thread for who waits."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path

import pytest

from service.api import Settings
from service.api.thinking import MOST_WAITING, Thinking
from service.hosting import Busy
from tests.service.serving import begin, report_body, send, served


def test_one_at_a_time_and_projects_take_turns() -> None:
    gate, order = threading.Event(), []

    async def talk() -> None:
        thinking = Thinking()

        async def page(project: str, number: int) -> None:
            def work() -> None:
                assert gate.wait(20)
                order.append(f"{project}{number}")

            await thinking.do(project, work)

        pages = [asyncio.create_task(page("greedy", number)) for number in range(MOST_WAITING + 1)]
        await asyncio.sleep(0.05)
        pages += [asyncio.create_task(page("modest", 0))]
        await asyncio.sleep(0.05)
        with pytest.raises(Busy, match="of this project"):
            await page("greedy", 99)
        assert threading.active_count() < 10
        gate.set()
        await asyncio.gather(*pages)

    asyncio.run(talk())
    assert order[:3] == ["greedy0", "modest0", "greedy1"]
    assert len(order) == MOST_WAITING + 2


def test_who_waits_too_long_or_gives_up_keeps_nobody() -> None:
    gate = threading.Event()

    async def talk() -> None:
        thinking = Thinking(patience=0.1)
        first = asyncio.create_task(thinking.do("p", lambda: gate.wait(20)))
        await asyncio.sleep(0.02)
        gone = asyncio.create_task(thinking.do("q", lambda: True))
        await asyncio.sleep(0.02)
        gone.cancel()
        with pytest.raises(Busy, match="ask again"):
            await thinking.do("r", lambda: True)
        gate.set()
        assert await first
        assert await thinking.do("s", lambda: 5) == 5

    asyncio.run(talk())


def test_one_project_leaves_connections_for_the_others(tmp_path: Path) -> None:
    settings = Settings(connections=10, rate=1e6)
    with served(f"sqlite:///{tmp_path / 's.db'}", settings) as found, found.client() as client:
        path, service = begin(client), found.app.state.service
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(service.room("brains"))
            answer = client.post(f"{path}/reports", json=report_body(50))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert "4 requests of this project are waiting already" in answer.json()["detail"]
            with found.client(project="hearts") as other:
                begin(other)
        send(client, path, 50)
        assert not service._asked


def test_a_failure_passes_the_turn_on() -> None:
    async def talk() -> None:
        thinking = Thinking()
        with pytest.raises(ZeroDivisionError):
            await thinking.do("p", lambda: 1 // 0)
        assert await thinking.do("p", lambda: 1) == 1

    asyncio.run(talk())
