"""What a proxy forwards: believed of named proxies alone, and never more than it says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api import Settings
from service.api.forwarded import LOOPBACK, UNKNOWN, Forwarded, host_and_port, neighbourhood, read_address
from tests.service.serving import served

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def scope(peer: str | None = "127.0.0.1", scheme: str = "http", **headers: str | list[str]) -> dict[str, Any]:
    raw = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return {"type": "http", "client": None if peer is None else (peer, 1), "scheme": scheme, "headers": raw}


OPEN, BEHIND = Forwarded(False, LOOPBACK), Forwarded(True, (*LOOPBACK, "10.1.0.0/16", "2001:db8::7"))


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("::1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.1.2.3", "192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8::7", "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::"),
        ("10.1.2.3", "fe80::1%eth0", "fe80::"),
        ("10.1.2.3", "198.51.100.9, 192.0.2.1", "192.0.2.1"),
        ("10.1.2.3", ["198.51.100.9", "192.0.2.1"], "192.0.2.1"),
        ("10.1.2.3", "198.51.100.9, 192.0.2.1, 10.1.9.9", "192.0.2.1"),
        ("10.1.2.3", "10.1.9.9", "10.1.9.9"),
        ("10.1.2.3", "192.0.2.1, nonsense", "10.1.2.3"),
        ("10.1.2.3", "unknown", "10.1.2.3"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", ", ".join(["10.1.0.1"] * 5000), "10.1.0.1"),
        ("10.2.2.3", "192.0.2.1", "10.2.2.3"),
        ("192.0.2.9", "127.0.0.1", "192.0.2.9"),
        (None, "192.0.2.1", UNKNOWN),
        ("/run/socket", "192.0.2.1", UNKNOWN),
    ],
)
def test_whose_request_it_is(peer: str | None, told: str | list[str], client: str) -> None:
    assert BEHIND.client(scope(peer, x_forwarded_for=told)) == client
    own = UNKNOWN if read_address(peer or "") is None else neighbourhood(peer or "")
    assert OPEN.client(scope(peer, x_forwarded_for=told, forwarded="for=192.0.2.7")) == own


@pytest.mark.parametrize(
    ("peer", "scheme", "told", "behind", "without"),
    [
        ("127.0.0.1", "http", ["https"], True, False),
        ("127.0.0.1", "http", ["HTTPS "], True, False),
        ("127.0.0.1", "http", ["http, https"], True, False),
        ("127.0.0.1", "http", ["https, http"], False, False),
        ("127.0.0.1", "http", ["https", "http"], False, False),
        ("192.0.2.9", "http", ["https"], False, False),
        ("127.0.0.1", "http", [], False, False),
        ("127.0.0.1", "https", [], True, True),
        ("127.0.0.1", "https", ["https"], True, False),  # the server has believed anybody's header
    ],
)
def test_whether_it_came_over_tls(peer: str, scheme: str, told: list[str], behind: bool, without: bool) -> None:
    asked = scope(peer, scheme, x_forwarded_proto=told, forwarded="proto=https")
    assert BEHIND.is_secure(asked) is behind
    assert OPEN.is_secure(asked) is without


@pytest.mark.parametrize(
    ("peer", "told", "host"),
    [
        ("127.0.0.1", ["isthmus.example"], "isthmus.example"),
        ("127.0.0.1", ["Isthmus.Example:443"], "isthmus.example"),
        ("127.0.0.1", ["isthmus.example:8443"], "isthmus.example:8443"),
        ("127.0.0.1", ["[2001:db8::1]:443"], "[2001:db8::1]"),
        ("127.0.0.1", ["evil.example, isthmus.example"], "isthmus.example"),
        ("127.0.0.1", ["evil.example", "isthmus.example"], "isthmus.example"),
        ("127.0.0.1", ["isthmus.example\r\nX: y"], None),
        ("127.0.0.1", ["isthmus.example/path"], None),
        ("127.0.0.1", ["me@isthmus.example"], None),
        ("127.0.0.1", [], "here:8900"),
        ("192.0.2.9", ["isthmus.example"], "here:8900"),
    ],
)
def test_what_host_was_asked(peer: str, told: list[str], host: str | None) -> None:
    asked = scope(peer, host="here:8900", x_forwarded_host=told, x_forwarded_proto="https")
    assert BEHIND.host(asked) == host
    assert OPEN.host(asked) == "here:8900"


def test_hosts_and_their_ports() -> None:
    assert host_and_port("here:80", "http") == host_and_port("HERE", "http") == "here"
    assert host_and_port("here:443", "http") == "here:443"
    assert host_and_port("", "http") is None


def test_a_proxy_that_was_not_named_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    found = Forwarded(True, LOOPBACK)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            found.is_secure(scope("10.1.2.3", x_forwarded_proto="https"))
    assert [record.getMessage() for record in caplog.records] == [
        "what 10.1.2.3 forwards is not believed; if it is your proxy, name it with --proxy"
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"behind_proxy": True, "proxies": ("nginx",)}, "the proxy 'nginx' is none; give an address or a network"),
        ({"behind_proxy": True, "proxies": ("10.0.0.0/40",)}, "give an address or a network"),
        ({"proxies": ("10.0.0.0/8",)}, "set behind_proxy"),
        ({"connections": 1}, "connections is 1; it must be at least 10"),
        ({"connections_by_address": 0}, "connections_by_address is 0"),
        ({"domains": 201}, "domains is 201; it must be at most 200"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**given)


# -- nobody is kept out by who guesses at the same address


def enter(browser: httpx.Client, token: str, **headers: str) -> httpx.Response:
    return browser.post("/sign-in", data={"token": token, "to": "/"}, headers=headers)


def test_a_stranger_keeps_nobody_at_the_address_out(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 's.db'}", Settings(strangers=1, rate=1e6)) as service:
        token, own = service.vault.create("brains", "read")[1], {"Origin": service.url}
        with httpx.Client(base_url=service.url) as guesser, httpx.Client(base_url=service.url) as honest:
            guesses = [enter(guesser, f"isth_{n:012x}_" + "A" * 43, **own).status_code for n in range(6)]
            assert (guesses[0], guesses[-1]) == (401, 429)
            assert [guesser.get("/v1/allocations").status_code for _ in range(3)] == [429] * 3
            assert honest.get("/").status_code == 303
            assert honest.get("/sign-in").status_code == 200
            assert enter(honest, "mistyped", **own).status_code == 429
            assert enter(honest, token, **own).status_code == 303
            assert honest.get("/").status_code == 200
            caller = {"Authorization": f"Bearer {token}"}
            assert honest.get("/v1/allocations", headers=caller).status_code == 200


@pytest.mark.parametrize("behind", [False, True])
def test_who_guesses_is_counted_by_the_address_that_may_be_believed(tmp_path: Path, behind: bool) -> None:
    """Without a proxy another address in the header makes nobody another; behind one, it does."""
    settings = Settings(strangers=1, rate=1e6, behind_proxy=behind)
    with served(f"sqlite:///{tmp_path / 's.db'}", settings) as service, httpx.Client(base_url=service.url) as guesser:
        statuses = [
            guesser.get("/v1/allocations", headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(6)
        ]
        assert statuses[-1] == (401 if behind else 429)


def test_a_form_is_not_read_without_end(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 's.db'}") as service, httpx.Client(base_url=service.url) as browser:
        answer = browser.post("/sign-in", content=b"x" * 200_000, headers=FORM | {"Origin": service.url})
        assert answer.status_code == 413
