"""A replica that listens itself: shared with others, watched, and closed without losing what is being answered."""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service.serving.door import Door
from tests.service.serving_ray import free_port


def named(name: str) -> Starlette:
    async def slow(_request: Request) -> PlainTextResponse:
        await asyncio.sleep(0.5)
        return PlainTextResponse(name)

    return Starlette(routes=[Route("/", lambda _request: PlainTextResponse(name)), Route("/slow", slow)])


def test_two_share_a_port_and_one_remains() -> None:
    port = free_port()
    doors = {name: Door(lambda name=name: named(name), "127.0.0.1", port) for name in ("first", "second")}
    try:
        url = f"http://127.0.0.1:{port}"
        heard = {httpx.get(url).text for _ in range(60)}  # a connection each; the kernel divides them
        assert heard == {"first", "second"}
        doors["first"].close()
        assert {httpx.get(url).text for _ in range(10)} == {"second"}
        with pytest.raises(RuntimeError, match="has ended"):
            doors["first"].check_health()
        doors["second"].check_health()
    finally:
        for door in doors.values():
            door.close()


def test_what_is_being_answered_is_answered() -> None:
    port = free_port()
    door = Door(lambda: named("late"), "127.0.0.1", port)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.get, f"http://127.0.0.1:{port}/slow")
        time.sleep(0.2)
        door.close()
        assert asked.result().text == "late"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}")


def test_a_port_of_somebody_else() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            Door(lambda: named("none"), "127.0.0.1", taken.getsockname()[1])


def test_a_head_without_end_is_refused() -> None:
    port = free_port()
    door = Door(lambda: named("small"), "127.0.0.1", port)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
            one.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: " + b"a" * 200_000)
            assert one.recv(100).startswith(b"HTTP/1.1 4")
        assert httpx.get(f"http://127.0.0.1:{port}").text == "small"
    finally:
        door.close()
