"""What the clients do when the network, the server or the token is not as it should be."""

from __future__ import annotations

import asyncio
import logging
import random
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from service.client import (
    AllocationClient,
    AsyncAllocationClient,
    BadValue,
    Conflict,
    Forbidden,
    NotFound,
    Overloaded,
    Refused,
    ServerFault,
    Unauthorized,
    Unreachable,
    WrongSettings,
)
from service.client.retry import LONGEST_SECONDS, Deadline
from tests.service.client.scripted import HANG_UP, Said, Scripted

REPORT: dict[str, Any] = {"position": 100, "draws": {"a": 50, "b": 50}, "eval_loss": {"a": 1.0, "b": 2.0}}
# Ray Serve's words while its port is open and the service behind it is not there yet.
STARTING = Said(404, b"Path '/v1/allocations' not found. Ping http://.../-/routes for available routes.")
Send = Callable[..., Any]


def blocking(url: str, **settings: Any) -> Any:
    with AllocationClient(url, allocation="a-1", **settings) as client:
        return client.report(**REPORT)


def awaited(url: str, **settings: Any) -> Any:
    async def go() -> Any:
        async with AsyncAllocationClient(url, allocation="a-1", **settings) as client:
            return await client.report(**REPORT)

    return asyncio.run(go())


both = pytest.mark.parametrize("send", [blocking, awaited])
pytestmark = pytest.mark.usefixtures("token")


@both
@pytest.mark.parametrize("trouble", [Said(503), Said(502), Said(504), Said(429), STARTING, HANG_UP])
def test_passing_trouble_is_tried_again(send: Send, weather: Scripted, trouble: Said | str) -> None:
    weather.script = [trouble, trouble]
    assert send(weather.url).weights == {"a": 0.25, "b": 0.75}
    assert [seen.body for seen in weather.seen] == [weather.seen[0].body] * 3


@both
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, Refused),
        (422, Refused),
        (500, ServerFault),
        (307, WrongSettings),
    ],
)
def test_what_will_not_pass_is_said_once(send: Send, weather: Scripted, status: int, kind: type[Exception]) -> None:
    weather.script = [Said(status, {"title": "No", "detail": "because of this"})]
    with pytest.raises(kind) as caught:
        send(weather.url)
    assert len(weather.seen) == 1
    assert caught.value.status == status  # type: ignore[attr-defined]
    assert status == 307 or "because of this" in str(caught.value)


@both
def test_retry_after_is_honoured(send: Send, weather: Scripted) -> None:
    weather.script = [Said(429, headers={"Retry-After": "1"})]
    before = time.monotonic()
    send(weather.url)
    assert time.monotonic() - before >= 1.0


@both
def test_a_wait_beyond_the_deadline_is_not_waited_for(send: Send, weather: Scripted) -> None:
    weather.script = [Said(429, {"detail": "slow down"}, {"Retry-After": "3600"})]
    before = time.monotonic()
    with pytest.raises(Overloaded) as caught:
        send(weather.url, deadline=30)
    assert time.monotonic() - before < 5
    assert caught.value.retry_after == 3600


@both
def test_the_deadline_ends_the_tries(send: Send, weather: Scripted) -> None:
    weather.otherwise = lambda seen: Said(503)
    before = time.monotonic()
    with pytest.raises(Unreachable):
        send(weather.url, deadline=0.7)
    assert time.monotonic() - before < 3
    assert len(weather.seen) >= 2


@both
def test_nobody_listens(send: Send, weather: Scripted) -> None:
    weather.close()
    with pytest.raises(Unreachable, match="no answer from the service"):
        send(weather.url, deadline=0.3)


def test_a_rewind_that_may_have_arrived_is_not_sent_again(weather: Scripted) -> None:
    weather.script = [HANG_UP]
    with AllocationClient(weather.url, allocation="a-1") as client, pytest.raises(Unreachable):
        client.rewind(100)
    assert len(weather.seen) == 1


def test_backoff_doubles_within_bounds() -> None:
    from service.client.retry import FIRST_SECONDS

    deadline = Deadline(60, 30, dice=lambda: 1.0)
    assert [deadline.backoff(tries) / FIRST_SECONDS for tries in (1, 2, 3)] == [1, 2, 4]
    assert deadline.backoff(20) == LONGEST_SECONDS
    assert Deadline(60, 30, dice=lambda: 0.25).backoff(20) == LONGEST_SECONDS / 4


def test_the_training_runs_dice_are_left_alone(weather: Scripted) -> None:
    random.seed(5)
    expected = random.random()
    random.seed(5)
    weather.script = [Said(503), Said(503)]
    blocking(weather.url)
    assert random.random() == expected


@both
def test_the_token_is_shown_nowhere(
    send: Send, weather: Scripted, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = token.rsplit("_", 1)[-1]
    weather.script = [
        Said(422, {"detail": f"bad header 'Bearer {token}'", "errors": [{"field": "x", "value": secret}]})
    ]
    with pytest.raises(Refused) as caught:
        send(weather.url)
    weather.close()
    with pytest.raises(Unreachable) as lost:
        send(weather.url, deadline=0.2)
    assert weather.seen[0].headers["authorization"] == f"Bearer {token}"
    texts = [caplog.text, repr(caught.value.problem)]
    for error in (caught.value, lost.value):
        texts += [str(error), repr(error), *traceback.format_exception(error)]
    with AllocationClient(weather.url) as client:
        texts += [repr(client), repr(vars(client)), repr(client._talk.settings)]
    assert not [text for text in texts if secret in text]


def test_refusals_name_field_and_value(weather: Scripted) -> None:
    wrong = {"field": "body.eval_loss.a", "value": -1, "message": "losses must be > 0"}
    weather.script = [Said(422, {"title": "Bad report", "detail": "1 field is wrong", "errors": [wrong]})]
    with pytest.raises(Refused, match=r"1 field is wrong .*body.eval_loss.a: losses must be > 0") as caught:
        blocking(weather.url)
    assert (caught.value.field, caught.value.value) == ("body.eval_loss.a", -1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"eval_loss": {"a": float("inf"), "b": 1.0}}, "eval_loss of 'a' is inf"),
        ({"draws": {"a": "many"}}, "draws of 'a' is 'many'"),
        ({"position": 10.5}, "position is 10.5"),
        ({"position": -1}, "position is -1"),
        ({"lr_sum": float("-inf")}, "lr_sum is -inf"),
    ],
)
def test_numbers_that_cannot_travel(weather: Scripted, changes: dict[str, Any], field: str) -> None:
    with AllocationClient(weather.url, allocation="a-1") as client, pytest.raises(BadValue, match=field):
        client.report(**(REPORT | changes))
    assert weather.seen == []


def test_not_measured_travels_as_null(weather: Scripted) -> None:
    with AllocationClient(weather.url, allocation="a-1") as client:
        client.report(**(REPORT | {"eval_loss": {"a": float("nan"), "b": None}}))
    assert weather.seen[0].body["eval_loss"] == {"a": None, "b": None}


def test_many_reports_go_in_parts_of_a_thousand(weather: Scripted) -> None:
    reports = [REPORT | {"position": position} for position in range(1, 2_502)]
    with AllocationClient(weather.url, allocation="a-1") as client:
        assert client.report_many(reports).position == 2_501
    assert [len(seen.body) if isinstance(seen.body, list) else 1 for seen in weather.seen] == [1_000, 1_000, 501]


@pytest.mark.parametrize("url", ["http://example.org", "http://10.0.0.7:8900", "ftp://127.0.0.1", "127.0.0.1:8900"])
def test_a_token_is_not_sent_in_the_open(url: str) -> None:
    with pytest.raises(WrongSettings, match=url.replace(".", r"\.")):
        AllocationClient(url)


@pytest.mark.parametrize(
    ("url", "insecure"),
    [
        ("http://localhost:1", False),
        ("http://[::1]:1", False),
        ("https://example.org", False),
        ("http://10.0.0.7", True),
    ],
)
def test_urls_that_may_be_used(url: str, insecure: bool) -> None:
    AllocationClient(url, insecure=insecure).close()


def test_settings_come_from_the_environment(weather: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongSettings, match="ISTHMUS_URL"):
        AllocationClient()
    monkeypatch.setenv("ISTHMUS_URL", weather.url + "/v1/")
    with AllocationClient(allocation="a-1") as client:
        client.report(**REPORT)
    assert weather.seen[0].path == "/v1/allocations/a-1/reports"
    monkeypatch.delenv("ISTHMUS_TOKEN")
    with pytest.raises(WrongSettings, match="ISTHMUS_TOKEN"):
        AllocationClient(weather.url)


@pytest.mark.parametrize("said", [b"<html>Welcome to the intranet</html>", {"ok": True}, [1], None])
def test_an_answer_that_is_not_the_services(weather: Scripted, said: Any) -> None:
    weather.script = [Said(200, said), Said(200, said)]
    with pytest.raises(ServerFault, match="is this URL"):
        blocking(weather.url)
    with AllocationClient(weather.url) as client, pytest.raises(ServerFault, match="is this URL"):
        client.create("run", ["a"], 10, 1)
