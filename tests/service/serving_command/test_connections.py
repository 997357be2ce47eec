"""Connections that are held without a request, or with half of one: each has its end, and none keeps others out."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service.api import Settings
from service.serving.connections import RESERVED_FILES, Limits
from service.serving.door import Door
from tests.benchmarks import half_open
from tests.service.door_process import door_process
from tests.service.serving_ray import free_port, new_token

QUICK = Limits(most=60, by_address=20, head=0.5, idle=0.8, unread=0.5, stuck=0.5, body=0.5)
LATE = 3.5  # seconds after which all of these are over, on a busy machine
HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


def app() -> Starlette:
    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    async def seen(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{request.client.host if request.client else None} {request.url.scheme}")

    async def slow(_request: Request) -> PlainTextResponse:
        await asyncio.sleep(1.5)
        return PlainTextResponse("slow")

    async def large(_request: Request) -> PlainTextResponse:
        return PlainTextResponse(b"x" * 20_000_000)

    posts = [Route("/", read, methods=["POST"]), Route("/unread", seen, methods=["POST"])]
    return Starlette(routes=[*posts, Route("/", seen), Route("/slow", slow), Route("/large", large)])


@contextlib.contextmanager
def opened(limits: Limits = QUICK, settings: Settings | None = None) -> Iterator[tuple[Door, int]]:
    port = free_port()
    door = Door(app, "127.0.0.1", port, settings, limits)
    try:
        yield door, port
    finally:
        door.close()


@pytest.fixture(scope="module")
def quick() -> Iterator[tuple[Door, int]]:
    with opened() as found:
        yield found


def connect(port: int, data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
    found.sendall(data)
    return found


def ask(port: int, source: str = "127.0.0.1", path: str = "/") -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=source), timeout=10) as client:
        return client.get(f"http://127.0.0.1:{port}{path}")


def heard(one: socket.socket, drip: bytes = b"") -> tuple[bytes, float]:
    """All that comes until the other side ends it, while `drip` is sent again and again; and how long it took."""
    begun, found = time.monotonic(), b""
    one.settimeout(0.1)
    with one:
        while time.monotonic() - begun < 3 * LATE:
            try:
                data = one.recv(65536)
                found += data
                if not data:
                    break
            except TimeoutError:
                with contextlib.suppress(OSError):
                    one.sendall(drip)
            except OSError:
                break
    return found, time.monotonic() - begun


@pytest.mark.parametrize(
    ("begin", "drip", "said"),
    [
        (b"", b"", b""),
        (b"", b"G", b"408 Request Timeout"),
        (b"GET / HTTP/1.1\r\nHost: h", b"", b"408 Request Timeout"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n", b"X: y\r\n", b"408 Request Timeout"),
        (WHOLE, b"", b"127.0.0.1 http"),  # an idle connection
        (WHOLE + b"GET / HT", b"", b"408 Request Timeout"),
        (WHOLE, b"G", b"408 Request Timeout"),
        (HEAD, b"", b"408 Request Timeout"),
        (HEAD + b"abc", b"d", b"408 Request Timeout"),
        (CHUNKED + b"3\r\nabc\r\n", b"1\r\na\r\n", b"408 Request Timeout"),
        (HEAD.replace(b"/ H", b"/unread H"), b"d", b"127.0.0.1 http"),
        (CHUNKED.replace(b"/ H", b"/unread H"), b"1\r\na\r\n", b"127.0.0.1 http"),
    ],
    ids=str,
)
def test_every_wait_has_its_end(quick: tuple[Door, int], begin: bytes, drip: bytes, said: bytes) -> None:
    door, port = quick
    found, seconds = heard(connect(port, begin), drip)
    assert said in found
    assert 0.3 < seconds < 2 * LATE
    assert len(door.crowd) == 0


def test_an_answer_that_nobody_reads() -> None:
    with opened() as (door, port), connect(port, b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n"):
        until = time.monotonic() + 3 * LATE
        while len(door.crowd) == 0 or time.monotonic() < until - 3 * LATE + 0.2:
            time.sleep(0.05)
        while len(door.crowd) and time.monotonic() < until:
            time.sleep(0.05)
        assert len(door.crowd) == 0


@pytest.mark.parametrize(
    ("path", "answered"), [("/", b"400 Bad Request"), ("/unread", b"127.0.0.1 http")], ids=["unanswered", "answered"]
)
def test_a_body_that_breaks_its_chunks(
    quick: tuple[Door, int], caplog: pytest.LogCaptureFixture, path: str, answered: bytes
) -> None:
    one = connect(quick[1], CHUNKED.replace(b"/ H", path.encode() + b" H") + b"1\r\na\r\n")
    time.sleep(0.3)  # for the answer to be given, where one is
    one.sendall(b"no length\r\n")
    found, seconds = heard(one)
    assert answered in found
    assert found.count(b"HTTP/1.1 ") == 1
    assert seconds < LATE
    assert not [record for record in caplog.records if record.exc_info and record.name == "asyncio"]


def test_a_slow_but_honest_body_arrives(quick: tuple[Door, int]) -> None:
    with connect(quick[1], HEAD) as one:
        for _ in range(10):
            one.sendall(b"x" * 100)
            time.sleep(0.03)
        assert one.recv(1000).endswith(b"1000")


PATIENT = Limits(most=60, by_address=20, head=60, idle=60, unread=60, body=60)


@pytest.mark.parametrize("begin", [b"", b"GET / HT", WHOLE, HEAD, HEAD.replace(b"/ H", b"/unread H")], ids=str)
def test_who_only_holds_connections_keeps_nobody_out(begin: bytes) -> None:
    with opened(PATIENT) as (door, port), contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(connect(port, begin))
            if begin in (WHOLE, HEAD):
                time.sleep(0.005)  # for the request to be seen before the next connection comes
        for source in ("127.0.0.1", "127.0.0.2") * 3:
            assert ask(port, source).text == f"{source} http"
        assert len(door.crowd) <= PATIENT.by_address + 1


def test_many_addresses_make_room_too() -> None:
    with opened(PATIENT) as (door, port), contextlib.ExitStack() as stack:
        for number in range(100):
            stack.enter_context(connect(port, b"GET / HT", f"127.0.1.{1 + number % 50}"))
        assert ask(port).text == "127.0.0.1 http"
        assert len(door.crowd) <= PATIENT.most


def test_what_is_being_answered_makes_no_room() -> None:
    limits = Limits(most=60, by_address=3)
    with opened(limits) as (door, port):
        answers: list[httpx.Response] = []
        threads = [threading.Thread(target=lambda: answers.append(ask(port, path="/slow"))) for _ in range(3)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 1
        while [one.stage() for one in list(door.crowd._all)] != ["busy"] * 3 and time.monotonic() < until:
            time.sleep(0.02)
        with connect(port) as refused:
            said = refused.recv(1000)
        assert said.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert ask(port, "127.0.0.2").status_code == 200
        for thread in threads:
            thread.join()
        assert [answer.text for answer in answers] == ["slow"] * 3
        assert ask(port).status_code == 200


def test_a_proxy_has_no_limit_of_its_own() -> None:
    settings = Settings(behind_proxy=True)
    with opened(PATIENT, settings) as (door, port), contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(connect(port))
        assert ask(port).status_code == 200
        assert len(door.crowd) > PATIENT.by_address


def test_room_for_two_thousand_half_open_connections_of_one_address() -> None:
    assert Settings().connections > Settings().connections_by_address > 2000


def test_as_many_connections_as_there_may_be_files(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (300, 700))
    monkeypatch.setattr(resource, "setrlimit", lambda _what, both: set_to.append(both))
    found = Limits.of(Settings(connections=5000, connections_by_address=900, body_seconds=3))
    assert set_to == [(700, 700)]
    assert (found.most, found.by_address, found.body) == (700 - RESERVED_FILES, 700 - RESERVED_FILES, 3)
    assert Limits.of(Settings(connections=50)).most == 50


def test_nobody_on_loopback_says_where_others_come_from(quick: tuple[Door, int]) -> None:
    told = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "Forwarded": "for=192.0.2.1;proto=https"}
    assert httpx.get(f"http://127.0.0.1:{quick[1]}/", headers=told).text == "127.0.0.1 http"


@pytest.mark.slow
def test_two_thousand_half_open_connections(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    headers = {"Authorization": f"Bearer {new_token(store)}"}
    with door_process(store, free_port()) as url:
        found = half_open.rows(url, headers, 2000)
    with capsys.disabled():
        print(*found, sep="\n")
    assert all(good for *_, good in found), found
