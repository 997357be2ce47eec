"""Who may do what, and what never gets in or out."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import httpx
import pytest

from service.api import Settings
from service.tokens import Vault
from service.tokens.token import SCOPES
from tests.service.serving import Served, begin, new_body, report_body, send, served

MISSING = "/v1/allocations/a-0123456789abcdef"
UNKNOWN = "isth_0123456789ab_" + "A" * 43


def calls(path: str) -> list[tuple[str, str, str, object]]:
    """Every call under /v1: the scope it needs, method, path, a good body."""
    return [
        ("report", "POST", "/v1/allocations", new_body("other")),
        ("read", "GET", "/v1/allocations", None),
        ("read", "GET", path, None),
        ("report", "POST", f"{path}/reports", report_body(50)),
        ("read", "GET", f"{path}/schedule", None),
        ("read", "GET", f"{path}/decisions", None),
        ("read", "GET", f"{path}/law", None),
        ("read", "GET", f"{path}/report", None),
        ("read", "POST", f"{path}/plan", {"budgets": [1000]}),
        ("admin", "POST", f"{path}/mode", {"mode": "advise"}),
        ("admin", "POST", f"{path}/domains", {"domains": ["ct", "mr"]}),
        ("admin", "POST", f"{path}/rewind", {"position": 0}),
        ("admin", "DELETE", path, None),
    ]


def is_problem(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], set(body)) == (status, {"type", "title", "status", "detail", "instance", "errors"})
    return dict(body)


def test_every_call_of_the_interface_is_tried_here(service: Served) -> None:
    paths = service.app.openapi()["paths"]
    known = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    tried = {(method, path.replace("ID", "{id}")) for _, method, path, _ in calls("/v1/allocations/ID")}
    assert {call for call in known if call[1].startswith("/v1")} == tried


def test_scopes_open_what_they_should_and_nothing_more(service: Served, client: httpx.Client) -> None:
    path = begin(client)
    for scope in SCOPES:
        with service.client(scope) as caller:
            for needed, method, where, body in calls(path):
                answer = caller.request(method, where, json=body)
                if SCOPES.index(scope) < SCOPES.index(needed):
                    said = is_problem(answer, 403)["detail"]
                    assert said == f"this token has scope '{scope}'; '{needed}' is needed"
                elif not where.endswith("/plan"):  # a uniform policy has no law to plan with
                    assert answer.status_code in (200, 201), (scope, method, where, answer.text)


def test_another_projects_allocation_does_not_exist(service: Served, client: httpx.Client) -> None:
    path = begin(client)
    with service.client("admin", project="hearts") as stranger:
        for _, method, where, body in calls(path):
            if where == "/v1/allocations":
                continue
            there, missing = stranger.request(method, where, json=body), where.replace(path, MISSING)
            nowhere = stranger.request(method, missing, json=body)
            found, expected = is_problem(there, 404), is_problem(nowhere, 404)
            assert {**found, "instance": ""} == {**expected, "instance": ""}
        assert stranger.get("/v1/allocations?archived=true").json()["items"] == []
        assert stranger.post("/v1/allocations", json=new_body(budget=500)).status_code == 201
    assert client.get(path).json()["position"] == 0
    assert client.get(path).json()["archived_at"] is None


@pytest.mark.parametrize("path", ["/v1", "/v1/allocations", "/v1/nothing", MISSING, "/v1/%2e%2e/etc/passwd"])
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic aXN0aDox", f"Bearer {UNKNOWN}"])
def test_without_a_valid_token_nothing_is_told(service: Served, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    with service.client(None, **headers) as caller:
        for method in ("GET", "POST"):
            answer = caller.request(method, path, content=b"{" if method == "POST" else None)
            is_problem(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_ends_when_it_is_revoked_or_too_old(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 's.db'}") as service:
        with service.client() as caller:
            assert caller.get("/v1/allocations").status_code == 200
            token = service.vault.list()[0]
            Vault(service.journal).revoke(token.id)
            until = time.monotonic() + 10
            while caller.get("/v1/allocations").status_code == 200:
                assert time.monotonic() < until
                time.sleep(0.2)
            is_problem(caller.get("/v1/allocations"), 401)
        old = Vault(service.journal, clock=lambda: time.time() - 86400)
        _, text = old.create("brains", "admin", days=0.5)
        with service.client(None, Authorization=f"Bearer {text}") as caller:
            is_problem(caller.get("/v1/allocations"), 401)


def test_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    settings = Settings(max_body=10_000, rate=1e6)
    with served(f"sqlite:///{tmp_path / 's.db'}", settings) as service, service.client() as caller:
        path = begin(caller)
        whole = [report_body(position) for position in range(1, 200)]
        is_problem(caller.post(f"{path}/reports", json=whole), 413)
        text = json.dumps(whole).encode()
        pieces = (text[at : at + 500] for at in range(0, len(text), 500))
        answer = caller.post(f"{path}/reports", content=pieces, headers={"Content-Type": "application/json"})
        is_problem(answer, 413)
        assert send(caller, path, 50)["position"] == 50


def test_too_fast_is_told_to_wait(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 's.db'}", Settings(rate=2, burst=5)) as service:
        with service.client() as caller, service.client() as other:
            statuses = [caller.get("/v1/allocations").status_code for _ in range(10)]
            assert statuses[:5] == [200] * 5
            assert statuses[-1] == 429
            answer = caller.get("/v1/allocations")
            is_problem(answer, 429)
            assert 1 <= int(answer.headers["retry-after"]) <= 2
            assert other.get("/v1/allocations").status_code == 200
            assert caller.get("/healthz").status_code == 200
        with service.client(None) as stranger:
            assert 429 in [stranger.get("/v1/allocations").status_code for _ in range(40)]


def test_too_many_allocations(tmp_path: Path) -> None:
    settings = Settings(allocations=2, rate=1e6)
    with served(f"sqlite:///{tmp_path / 's.db'}", settings) as service, service.client() as caller:
        paths = [begin(caller, "one"), begin(caller, "two")]
        answer = is_problem(caller.post("/v1/allocations", json=new_body("three")), 409)
        assert "project 'brains' has 2 allocations" in str(answer["detail"])
        assert caller.post("/v1/allocations", json=new_body("two")).status_code == 200
        caller.delete(paths[0])
        begin(caller, "three")


NOT_JSON = [b"", b"{", b"[" * 50_000, b'{"name": ' + b"9" * 6000 + b"}", b"\xff\xfe", b'"text"', b"null", b"[]", b"3"]
WRONG = [
    {},
    new_body(name=""),
    new_body(name="a" * 101),
    new_body(name="a\nb"),
    new_body(name="\ud800"),
    new_body(name="a\x00"),
    new_body(name=3),
    new_body(budget=0),
    new_body(budget=2**53 + 1),
    new_body(budget=1e300),
    new_body(budget="1000"),
    new_body(budget=True),
    new_body(interval=2000),
    new_body(domains={}),
    new_body(domains="ct"),
    new_body(domains=[f"d{n}" for n in range(201)]),
    new_body(domains=[["ct"]]),
    new_body(domains=[{"name": "ct", "cost": -1}]),
    new_body(policy="unifrom"),
    new_body(policy="transfer_law", options={"caution": "high"}),
    new_body(policy="transfer_law", options={"cautoin": 1}),
    new_body(policy="transfer_law", options={"caution": 1e300}),
    new_body(policy="transfer_law", options={"caution": [[[[[1]]]]]}),
    new_body(policy="temperature", options={"temperature": {"a": []}}),
    new_body(targets={"ct": -1}),
    new_body(targets={}),
    new_body(baseline={"ct": 0.5, "mr": 0.5}),
    new_body(baseline={"ct": 0.5, "mr": 0.1, "pet": 0.1}),
    new_body(objective="mean"),
    new_body(lr_plan=[[1, 2, 3]]),
    new_body(lr_plan=[[100, 2], [50, 3]]),
    new_body(seed=-1),
    new_body(steering={}),
]


@pytest.mark.parametrize("content", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_no_body(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/v1/allocations", content=content, headers={"Content-Type": "application/json"})
    is_problem(answer, answer.status_code)
    assert answer.status_code in (400, 422)
    is_problem(client.post("/v1/allocations", content=content, headers={"Content-Type": "text/plain"}), 415)


@pytest.mark.parametrize("body", WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_begun(client: httpx.Client, body: dict[str, object]) -> None:
    answer = client.post("/v1/allocations", content=json.dumps(body), headers={"Content-Type": "application/json"})
    problem = is_problem(answer, 422)
    assert problem["detail"]
    assert "Traceback" not in answer.text
    assert client.get("/v1/allocations").json()["items"] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eval_loss": {"ct": "NaN", "mr": 1.0, "pet": 1.0}}, "eval_loss.ct: input should be a valid number"),
        (
            {"eval_loss": {"ct": -1.0, "mr": 1.0, "pet": 1.0}},
            "eval_loss of 'ct' is -1.0; losses must be finite and > 0",
        ),
        ({"eval_loss": {"ct": 1.0}}, "'mr' is missing"),
        ({"draws": {"ct": 1.0, "mr": 1.0, "pat": 1.0}}, "unknown domain 'pat' (did you mean 'pet'?)"),
        ({"position": 1001}, "beyond the budget of 1000"),
        ({"position": -1}, "position: input should be greater than or equal to 0; it is -1"),
        ({"position": 1.5}, "position: input should be a valid integer"),
        ({"lr_sums": 1}, "there is no such field (did you mean 'lr_sum'?)"),
    ],
)
def test_wrong_reports(client: httpx.Client, change: dict[str, object], words: str) -> None:
    path = begin(client)
    problem = is_problem(client.post(f"{path}/reports", json=report_body(50) | change), 422)
    assert words in str(problem["detail"])
    assert client.get(path).json()["position"] == 0


def test_not_a_number_is_not_json(client: httpx.Client) -> None:
    path = begin(client)
    for word in ("NaN", "Infinity", "-Infinity", "1e999"):
        body = json.dumps(report_body(50, lr_sum=7.25)).replace("7.25", word)
        answer = client.post(f"{path}/reports", content=body, headers={"Content-Type": "application/json"})
        is_problem(answer, 422)
    assert client.get(path).json()["position"] == 0


def test_what_no_route_has(client: httpx.Client) -> None:
    path = begin(client)
    for where in ("/v1/nothing", "/v1/allocations/", MISSING, "/v1/allocations/A-1", "/v1/allocations/%2e%2e%2fetc"):
        is_problem(client.get(where), 404)
    is_problem(client.put(path, json={}), 405)
    assert client.request("OPTIONS", path).status_code == 405
    assert "access-control-allow-origin" not in client.get(path, headers={"Origin": "https://elsewhere"}).headers


def test_no_secret_is_written_anywhere(
    service: Served, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with caplog.at_level(logging.DEBUG), service.client() as caller:
        path = begin(caller)
        send(caller, path, 50)
        header = caller.headers["authorization"]
        answers = [caller.request(method, where, json=body).text for _, method, where, body in calls(path)]
        answers += [caller.get("/metrics").text, caller.post(f"{path}/reports", json={"Authorization": 1}).text]
    secret = header.rsplit("_", 1)[1]
    written = "".join([caplog.text, *capfd.readouterr(), *answers])
    assert secret not in written
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()


def test_headers_that_browsers_heed(client: httpx.Client) -> None:
    for answer in (client.get("/v1/allocations"), client.get("/docs"), client.get("/v1/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] in ("no-store", "no-cache")
