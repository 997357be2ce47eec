"""Requests made up from the OpenAPI document: no 5xx, no undocumented status, nothing but what is promised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.service.serving import Served, begin, send, served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
]
PHASES = (Phase.explicit, Phase.generate)
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str], list[str]]]:
    """The service, a header that opens it, and allocations to knock at: one fresh, one with a law."""
    with served(f"sqlite:///{tmp_path_factory.mktemp('fuzz') / 's.db'}") as service, service.client() as client:
        fresh, fitted = begin(client, "fresh"), begin(client, "fitted", policy="transfer_law")
        send(client, fitted, *range(50, 500, 50))
        ids = [path.rsplit("/", 1)[1] for path in (fresh, fitted)]
        yield service, {"Authorization": client.headers["authorization"]}, ids


def knock(case: Case, headers: dict[str, str], ids: list[str]) -> None:
    """Most made-up ids name nothing: every other request is put to an allocation that is there."""
    made_up, checks = str(case.path_parameters.get("id", "")) if case.path_parameters else "", list(CHECKS)
    if made_up and case.method != "DELETE" and len(made_up) % 2 == 0:
        case.path_parameters["id"] = ids[len(str(case.body)) % len(ids)]
        checks.remove(negative_data_rejection)  # the wrong part may have been the id that was replaced
    case.call_and_validate(headers=headers, checks=checks)


@contextmanager
def nothing_to_break(mode: GenerationMode) -> Iterator[None]:
    """A request without parameters and body cannot be made wrong."""
    try:
        yield
    except Unsatisfiable:
        assert mode == GenerationMode.NEGATIVE


def fuzz(fuzzed: tuple[Served, dict[str, str], list[str]], examples: int) -> int:
    """The number of operations that were tried; the first failure of any is raised."""
    service, headers, ids = fuzzed
    found = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    operations = [result.ok() for result in found.get_all_operations()]
    for operation in operations:
        for mode in GenerationMode:

            @settings(
                max_examples=examples, derandomize=True, deadline=None, phases=PHASES, suppress_health_check=QUIET
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def knocked(case: Case) -> None:
                knock(case, headers, ids)

            with nothing_to_break(mode):
                knocked()
    return len(operations)


def test_fuzzed(fuzzed: tuple[Served, dict[str, str], list[str]]) -> None:
    assert fuzz(fuzzed, 3) == len([1 for item in fuzzed[0].app.openapi()["paths"].values() for _ in item])


@pytest.mark.slow
def test_fuzzed_for_long(fuzzed: tuple[Served, dict[str, str], list[str]]) -> None:
    assert fuzz(fuzzed, 100) > 10
