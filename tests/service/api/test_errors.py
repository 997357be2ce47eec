"""Every error says which field it is about, where that stands and what it is; and no answer to nonsense is long."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from service.api.problems import MOST_ERRORS
from tests.service.serving import begin, new_body, report_body

JSON = {"Content-Type": "application/json"}
LONGEST_ANSWER = 16 * 1024  # bytes


def options(number: int) -> bytes:
    return json.dumps({"options": {f"o{n}": 1 for n in range(number)}}).encode()


def errors(answer: httpx.Response, status: int = 422) -> list[dict[str, Any]]:
    assert answer.status_code == status, answer.text
    assert len(answer.content) < LONGEST_ANSWER
    return list(answer.json()["errors"])


def named(answer: httpx.Response, status: int = 422) -> tuple[Any, Any, Any]:
    """Field, value and pointer of the first error."""
    first = errors(answer, status)[0]
    assert first["message"]
    assert first["in"] == "body"
    return first["field"], first["value"], first["pointer"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tests.service.serving import served

    with served(f"sqlite:///{tmp_path_factory.mktemp('errors') / 's.db'}") as service, service.client() as client:
        yield client, begin(client)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"train_count": {"ct": -1.0}}, "train_count.ct", -1.0),
        ({"train_count": {"ct": 5.0, "mr": -1e-9}}, "train_count.mr", -1e-9),
        ({"eval_sem": {"ct": -1.0}}, "eval_sem.ct", -1.0),
        ({"train_loss": {"ct": -2.0}}, "train_loss.ct", -2.0),
        ({"draws": {"ct": -1.0, "mr": 1.0, "pet": 1.0}}, "draws.ct", -1.0),
        ({"draws": {"ct": 1.0, "mr": 1.0, "pat": 1.0}}, "draws.pat", 1.0),
        ({"draws": {"ct": 1.0, "mr": 1.0}}, "draws.pet", None),
        ({"eval_loss": {"ct": "NaN", "mr": 1.0, "pet": 1.0}}, "eval_loss.ct", "NaN"),
        ({"eval_loss": {"ct": 1.0}}, "eval_loss.mr", None),
        ({"eval_loss": {"ct": 1e200, "mr": 1.0, "pet": 1.0}}, "eval_loss.ct", 1e200),
        ({"position": -1}, "position", -1),
        ({"position": 2000}, "position", 2000),
        ({"lr_sum": -1}, "lr_sum", -1),
        ({"grad_dot": {"nose": {"ct": 1.0}}}, "grad_dot.nose", "{'ct': 1.0}"),
        ({"grad_dot": {"ct": {"ct": "x"}}}, "grad_dot.ct.ct", "x"),
        ({"lr_sums": 1}, "lr_sums", None),
    ],
    ids=str,
)
def test_reports(asked: tuple[httpx.Client, str], change: dict[str, Any], field: str, value: Any) -> None:
    client, path = asked
    wrong = report_body(50) | change
    where = "/" + field.replace(".", "/")
    assert named(client.post(f"{path}/reports", json=wrong)) == (field, value, f"#{where}")
    several = client.post(f"{path}/reports", json=[wrong, report_body(60)])
    assert named(several) == (f"0.{field}", value, f"#/0{where}")


def test_shares_and_names_that_are_nearly_right(asked: tuple[httpx.Client, str]) -> None:
    client, path = asked
    nothing = client.post("/v1/allocations", json=new_body(baseline=dict.fromkeys(("ct", "mr", "pet"), 0.0)))
    assert named(nothing)[0] == "baseline"
    wrong = report_body(50, eval_loss={"CT": 1.0, "mr": 1.0, "pet": 1.0})
    assert "'CT' (did you mean 'ct'?)" in client.post(f"{path}/reports", json=wrong).json()["detail"]


def test_what_v1_answers_with_an_empty_field_has_a_pointer(asked: tuple[httpx.Client, str]) -> None:
    client, path = asked
    wrong = report_body(50, eval_loss={"ct": -1.0, "mr": 1.0, "pet": 1.0})
    assert named(client.post(f"{path}/reports", json=wrong)) == ("", None, "#/eval_loss/ct")
    assert named(client.post(f"{path}/reports", json=[wrong])) == ("0", None, "#/0/eval_loss/ct")


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"name": "\ud800"}, "name", "\ud800"),
        ({"name": ""}, "name", ""),
        ({"budget": -5}, "budget", -5),
        ({"interval": -5}, "interval", -5),
        ({"interval": 2000}, "interval", 2000),
        ({"seed": -1}, "seed", -1),
        ({"policy": "unifrom"}, "policy", "unifrom"),
        ({"policy": "transfer_law", "options": {"caution": "high"}}, "options.caution", "high"),
        ({"policy": "transfer_law", "options": {"cautoin": 1}}, "options.cautoin", 1),
        ({"domains": [{"name": "ct", "pool": -1}]}, "domains.0.pool", -1),
        ({"domains": [{"name": 1}]}, "domains.0.name", 1),
        ({"domains": ["ct", ""]}, "domains.1", ""),
        ({"domains": {"ct": {"cost": -1}}}, "domains.ct.cost", -1),
        ({"domains": {"several": {"cost": -1}}}, "domains.several.cost", -1),
        ({"domains": {"ct": {"min_share": 0.9, "max_share": 0.1}}}, "domains.ct.min_share", 0.9),
        ({"domains": ["ct", "ct"]}, "domains", "['ct', 'ct']"),
        ({"domains": [f"d{n}" for n in range(101)]}, "domains", 101),
        ({"targets": {"ct": -1}}, "targets.ct", -1),
        ({"targets": {"ct": 0}}, "targets", "{'ct': 0.0}"),
        ({"baseline": {"ct": 0.5, "mr": 0.5}}, "baseline", "{'ct': 0.5, 'mr': 0.5}"),
        ({"lr_plan": [[100, 2], [50, 3]]}, "lr_plan", "[[100.0, 2.0], [50.0, 3.0]]"),
        ({"lr_plan": [[100, 2], [-50, 3]]}, "lr_plan.1.0", -50),
    ],
    ids=str,
)
def test_beginnings(asked: tuple[httpx.Client, str], change: dict[str, Any], field: str, value: Any) -> None:
    content = json.dumps(new_body("other") | change)
    answer = asked[0].post("/v1/allocations", content=content, headers=JSON)
    assert named(answer) == (field, value, "#/" + field.replace(".", "/"))


@pytest.mark.parametrize(
    ("call", "body", "field", "value"),
    [
        ("mode", {"pin": {"ct": -0.5}}, "pin.ct", -0.5),
        ("mode", {"pin": {"pat": 0.5}}, "pin.pat", 0.5),
        ("mode", {"pin": {"ct": 0.9, "mr": 0.9}}, "pin", "{'ct': 0.9, 'mr': 0.9}"),
        ("mode", {"mode": "stop"}, "mode", "stop"),
        ("rewind", {"position": -1}, "position", -1),
        ("rewind", {"position": 900}, "position", 900),
        ("domains", {"domains": ["ct"], "position": -3}, "position", -3),
        ("plan", {"budgets": [10, -5]}, "budgets.1", -5),
        ("plan", {"budgets": []}, "budgets", "[]"),
    ],
)
def test_steering(asked: tuple[httpx.Client, str], call: str, body: Any, field: str, value: Any) -> None:
    client, path = asked
    answer = client.post(f"{path}/{call}", json=body)
    assert named(answer) == (field, value, "#/" + field.replace(".", "/"))


@pytest.mark.parametrize("query", ["limit=-1", "limit=0", "limit=1e3", "cursor=-1", "limt=3", "archived=maybe"])
def test_queries(asked: tuple[httpx.Client, str], query: str) -> None:
    first = errors(asked[0].get(f"/v1/allocations?{query}"))[0]
    name, _, value = query.partition("=")
    assert (first["in"], first["field"], first["value"]) == ("query", name, value)


def test_headers(asked: tuple[httpx.Client, str]) -> None:
    client, _ = asked
    wrong = errors(client.post("/v1/allocations", content=b"{}", headers={"Content-Type": "text/plain"}), 415)[0]
    assert (wrong["in"], wrong["field"], wrong["value"]) == ("header", "Content-Type", "text/plain")
    wrong = errors(client.post("/v1/allocations", content=b"x" * 3_000_000, headers=JSON), 413)[0]
    assert (wrong["in"], wrong["field"], wrong["value"]) == ("header", "Content-Length", "3000000")
    for sent in ({}, {"Authorization": "Bearer secret-of-somebody"}):
        wrong = errors(httpx.get(client.base_url.join("/v1/allocations"), headers=sent), 401)[0]
        assert (wrong["in"], wrong["field"], wrong["value"]) == ("header", "Authorization", None)


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"{", 422, "Expecting property name enclosed in double quotes (line 1, column 2)"),
        (b"[" * 60_000, 413, "the body has 60000 lists and objects, and may have 52428"),
        (b"[" * 1500, 400, "nested too deeply"),
        (b'{"seed": 1, "name": "a", "seed": 2}', 422, "the name 'seed' comes twice in one object; send it once"),
        (b'{"options": {"a": {"b": 1, "b": 1}}}', 422, "the name 'b' comes twice in one object"),
        (b'{"budget": 1e999}', 422, "input should be a valid integer"),
        (b'{"seed": NaN}', 422, "input should be a valid integer"),
        (b'{"seed": ' + b"9" * 5000 + b"}", 400, "a number has too many digits"),
        (b'{"seed": ' + b"9" * 4000 + b"}", 422, "input should be less than or equal to 4294967295"),
        (b'{"name": "\xe9"}', 400, "not text in UTF-8: invalid continuation byte at byte 10"),
        (b'{"' + b"x" * 100_000 + b'": 1}', 422, "there is no such field"),
        (b'{"options": {' + b",".join(b'"o%d": 1' % n for n in range(1500)) + b"}}", 422, "an object has 1500 entries"),
        (
            b'{"options": {' + b",".join(b'"o%d": 1' % n for n in range(500)) + b"}}",
            422,
            "it has 500 entries; send at most 100",
        ),
        (b"[" + b",".join([b"0"] * 200_000) + b"]", 413, "the body has 199999 values, and may have 131072"),
    ],
    ids=range(14),
)
def test_what_is_hardly_json(asked: tuple[httpx.Client, str], content: bytes, status: int, words: str) -> None:
    answer = asked[0].post("/v1/allocations", content=content, headers=JSON)
    assert errors(answer, status)
    assert words in answer.text.encode().decode("unicode_escape")


def test_who_may_not_do_it_hears_that_first(service: Any, client: httpx.Client) -> None:
    path = begin(client)
    with service.client("read") as reader:
        for content in (b"{", b'{"position": "x"}', b"[" * 30_000):
            assert reader.post(f"{path}/reports", content=content, headers=JSON).status_code == 403


@pytest.mark.parametrize("number", [1, 30, 900, 1001])
def test_the_first_twenty_errors_are_enough(asked: tuple[httpx.Client, str], number: int) -> None:
    client, path = asked
    wrong = {"position": 1, "draws": {f"d{n}": "x" * 150 for n in range(3)}, "eval_loss": {"\u0416" * 99: "x"}}
    found = errors(client.post(f"{path}/reports", json=[wrong] * number))
    if number > 1000:
        assert found[0]["message"] == "there are 1001 reports; send at most 1000 at a time"
        return
    assert len(found) == min(4 * number, MOST_ERRORS)
    assert found[0]["field"] == "0.draws.d0"
    assert found[0]["value"] == "x" * 100 + "..."
