"""What a person hears of steering: where the page is, each new mixture, why none came; how long a start may take."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.client import AllocationClient, MixtureCallback, Refused, Unreachable, desk
from service.client.cures import follows
from tests.service.client.scripted import Said, Scripted, Seen, answer, decision
from tests.service.client.test_callback import callback, mixture_at, moving, train

pytestmark = pytest.mark.usefixtures("token")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def service(weather: Scripted) -> Scripted:
    weather.otherwise = moving
    return weather


@pytest.fixture
def silent() -> Iterator[str]:
    """Somebody listens and never says anything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def infos(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]


def test_the_page_and_each_new_mixture_are_said(service: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    def thrice_the_same(seen: Seen) -> Said:
        if seen.path == "/v1/allocations":
            return moving(seen)
        weights = {"a": 0.2, "b": 0.8} if seen.body["position"] < 400 else {"a": 0.25, "b": 0.75}
        detail = "b rises from 50.0% to 80.0%"
        said = answer(seen.body["position"], weights)
        said["decision"] = {**decision(seen.body["position"], weights), "detail": detail}
        return Said(200, said)

    service.otherwise = thrice_the_same
    with caplog.at_level(logging.INFO, "isthmus"), callback(service, lag=0) as mixture:
        train(mixture, 500)
    why = "refit: the laws were fitted again, and the mixture follows their plan"
    assert infos(caplog) == [
        f"this run is steered; its page is {service.url}/allocations/a-1",
        f"mixture from draw 0 on: a 50.0%, b 50.0% ({why})",
        f"mixture from draw 100 on: a 20.0%, b 80.0% ({why}; b rises from 50.0% to 80.0%)",
        f"mixture from draw 400 on: a 25.0%, b 75.0% ({why}; b rises from 50.0% to 80.0%)",
    ]


def test_a_user_without_logging_sees_warnings_alone(service: Scripted) -> None:
    code = f"""
from service.client import AllocationClient, MixtureCallback
with MixtureCallback("run", ["a", "b"], 200, 100, client=AllocationClient({service.url!r}), lag=0) as mixture:
    mixture.count("a", 100)
    mixture.report({{"A": 1.0, "b": 2.0}})
"""
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = out.stderr.splitlines()
    assert line.startswith("eval_loss names an unknown target 'A' (did you mean 'a'?)")
    assert out.stdout == ""


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        (401, "isthmus token create"),
        (403, "scope report"),
        (404, "check the URL, the id and the token's project"),
        (409, "a run that begins again needs a new name, or `rewind`"),
        (413, "the report is too large"),
        (422, "mend what is named"),
        (429, "the service asks for fewer requests"),
        (500, "the service's log says why"),
        (503, "reports wait, and go out when it works again"),
    ],
)
def test_each_refusal_has_its_cure(service: Scripted, status: int, cure: str, caplog: pytest.LogCaptureFixture) -> None:
    with callback(service, lag=0) as mixture:
        train(mixture, 100)
        service.otherwise = lambda seen: Said(status, {"detail": "because of this"})
        train(mixture, 300)
        said = [record.getMessage() for record in caplog.records]
        assert "because of this" in said[0]
        assert cure in said[0]
        unsteered = status not in (429, 500, 503)
        assert len(said) == 1 + unsteered
        assert said[-1].startswith("3 reports in a row were refused: THIS RUN IS NOT STEERED") == unsteered
        service.otherwise = moving
        train(mixture, 100)
        assert mixture.weights == pytest.approx(mixture_at(500))


def test_the_last_report_is_heard_at_the_end(service: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    for strict in (False, True):
        service.otherwise = moving
        mixture = callback(service, lag=50, strict=strict)
        train(mixture, 90)
        service.otherwise = lambda seen: Said(422, {"detail": "no"})
        train(mixture, 10)
        if strict:
            with pytest.raises(Refused, match="no"):
                mixture.close()
        else:
            mixture.close()
    assert len(caplog.records) == 1
    assert "Refused: no (HTTP 422)" in caplog.text


def test_a_start_without_the_service_takes_seconds(caplog: pytest.LogCaptureFixture) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    mixture = MixtureCallback("run", ["a", "b"], 1_000, 100, client=AllocationClient(url), baseline={"a": 3, "b": 1})
    before = time.monotonic()
    mixture.choose()
    assert time.monotonic() - before < desk.START_SECONDS + 2
    assert mixture.weights == {"a": 0.75, "b": 0.25}
    (warning,) = [record.getMessage() for record in caplog.records]
    assert f"from {url}: connection refused: nothing listens there; beginning with the baseline mixture" in warning
    assert "going on trying" in warning
    mixture.close()


def test_a_silent_service_is_waited_for_as_long_as_is_said(silent: str, caplog: pytest.LogCaptureFixture) -> None:
    client = AllocationClient(silent, deadline=2)
    mixture = MixtureCallback("run", ["a", "b"], 1_000, 100, client=client, start_patience=0.6)
    before = time.monotonic()
    mixture.start()
    assert time.monotonic() - before < 3
    assert "time-out after 0.6 s" in caplog.text
    mixture.close()


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_asks_to_wait_did_answer(
    service: Scripted, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    service.otherwise = lambda seen: Said(status, {"detail": "later"}, {"Retry-After": "120"})
    with callback(service) as mixture:
        assert mixture.choose() in ("a", "b")
    assert f"{service.url} cannot serve now: later (HTTP {status}); beginning with the baseline mixture" in caplog.text
    assert "no answer" not in caplog.text


@pytest.mark.parametrize("queue", [":memory:", None])
def test_steering_sets_in_when_the_service_is_there(
    monkeypatch: pytest.MonkeyPatch, queue: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(desk, "AGAIN_SECONDS", 0.1)
    port = free_port()
    client = AllocationClient(f"http://127.0.0.1:{port}", queue=queue, deadline=0.5)
    with MixtureCallback("run", ["a", "b"], 10**6, 10**5, client=client, start_patience=0.2) as mixture:
        assert mixture.weights == {"a": 0.5, "b": 0.5}

        def begun(seen: Seen) -> Said:
            return Said(201, {"id": "a-1", "name": "run", **answer(0, {"a": 0.9, "b": 0.1})})

        service = Scripted(begun, port)
        caplog.set_level(logging.INFO, "isthmus")
        until = time.monotonic() + 10
        while mixture.weights["a"] != 0.9 and time.monotonic() < until:
            mixture.count("a", 1)
            time.sleep(0.02)
        service.close()
        assert mixture.weights == pytest.approx({"a": 0.9, "b": 0.1}), "long before a report is due"
    assert infos(caplog)[:2] == [
        "the service answers again; steering goes on",
        f"this run is steered; its page is http://127.0.0.1:{port}/allocations/a-1",
    ]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:{free}", "connection refused: nothing listens there (http://127.0.0.1:{free})"),
        ("https://no-such-host.invalid", "the name of the host is not known (https://no-such-host.invalid)"),
        ("https://127.0.0.1:{plain}", "TLS error: "),
    ],
)
def test_why_there_is_no_answer(service: Scripted, url: str, said: str) -> None:
    ports = {"free": free_port(), "plain": service.url.rpartition(":")[2]}
    with AllocationClient(url.format(**ports), allocation="a-1", deadline=0.2) as client:
        with pytest.raises(Unreachable) as caught:
            client.status()
        assert f"no answer from the service: {said.format(**ports)}" in str(caught.value)
        assert follows(caught.value)


def test_what_is_said_of_a_late_answer_is_the_time_that_passed(
    service: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()

    def slow(seen: Seen) -> Said:
        if seen.path.endswith("/reports"):
            go_on.wait(10)
        return moving(seen)

    service.otherwise = slow
    with callback(service, lag=10, patience=0.3) as mixture:
        train(mixture, 110)
        assert mixture.weights["a"] == 0.5
        go_on.set()
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "no answer after 0.3 s" in warning


def test_a_forked_child_neither_hangs_nor_sends(service: Scripted, tmp_path: Path) -> None:
    """Forked while the thread of its parent is sending, as a loader's worker is."""
    code = f"""
import os, sys, threading, time
from service.client import AllocationClient, MixtureCallback
client = AllocationClient({service.url!r}, queue={str(tmp_path / "q")!r})
mixture = MixtureCallback("run", ["a", "b"], 1_000, 100, client=client)
mixture.count(mixture.choose(), 100)
mixture.report({{"a": 1.0, "b": 1.0}})
time.sleep(0.1)
child = os.fork()
if not child:
    assert sum(mixture.weights.values()) == 1 and mixture.choose() in "ab" and not mixture.due
    mixture.count("a", 200)
    mixture.report({{"a": 1.0, "b": 1.0}})
    mixture.on_epoch_end({{"a": 1.0}}, {{"a": 300}})
    for call in (mixture.state_dict, client.flush, client.status):
        try:
            call()
        except Exception as error:
            print(type(error).__name__)
    mixture.close()
    client.close()
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
mixture.count("a", 25)
print(mixture.weights["a"], mixture.position)
mixture.close()
"""

    def slow(seen: Seen) -> Said:
        time.sleep(0.4 if seen.path.endswith("/reports") else 0)
        return moving(seen)

    service.otherwise = slow
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["WrongSettings"] * 3 + [f"{mixture_at(100)['a']} 125"]
    assert done.stderr.count("does nothing: it is a child of the process that trains") == 1
    assert len(service.seen) == 2, "the start and one report, both of the parent"


def test_a_loaders_worker_does_not_start_a_run(service: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils import data

    monkeypatch.setattr(data, "get_worker_info", lambda: object())
    mixture = callback(service)
    assert mixture.weights == {"a": 0.5, "b": 0.5}
    mixture.count("a", 100)
    assert not mixture.due
    assert service.seen == []
    monkeypatch.undo()
    mixture.close()


@pytest.mark.parametrize("configured", [False, True])
def test_lines_without_a_place_go_to_the_channel(service: Scripted, configured: bool) -> None:
    got: list[str] = []
    logger, root = logging.getLogger("isthmus"), logging.getLogger()
    level, handlers = logger.level, root.handlers
    try:
        logger.setLevel(logging.INFO if configured else logging.NOTSET)
        with callback(service, lag=0) as mixture:
            mixture.tell(got.append)
            train(mixture, 100)
    finally:
        logger.setLevel(level)
    assert root.handlers == handlers
    assert bool(got) != configured
    assert configured or got[0].startswith("this run is steered; its page is")
