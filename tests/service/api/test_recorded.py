"""Old clients keep working: a conversation that was recorded is held again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.service.api.recording import FILE, difference, hold, requests, ticking
from tests.service.serving import served


def test_recorded_answers_are_given_again(tmp_path: Path) -> None:
    clock = ticking()
    recorded = json.loads(FILE.read_text())
    assert [(one["method"], one["path"]) for one in recorded] == [(method, path) for method, path, _ in requests()]
    with served(f"sqlite:///{tmp_path / 's.db'}", clock=lambda: next(clock)) as service, service.client() as client:
        now = hold(client)
    for old, new in zip(recorded, now, strict=True):
        assert difference(old, new) is None, f"{old['method']} {old['path']}"
    assert {one["status"] for one in recorded} == {200, 201, 404, 409, 422}


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ({"a": 1, "b": [1.0, 2.0], "c": 3}, None),
        ({"a": 1, "b": [1.0, 2.000001]}, None),
        ({"a": 2, "b": [1.0, 2.0]}, ".a: 1 was promised, 2 came"),
        ({"a": 1, "b": [1.0, 2.1]}, ".b[1]: 2.0 was promised, 2.1 came"),
        ({"a": 1, "b": [1.0]}, ".b: [1.0, 2.0] was promised, [1.0] came"),
        ({"b": [1.0, 2.0]}, ": a is missing"),
    ],
)
def test_what_counts_as_a_difference(new: object, words: str | None) -> None:
    assert difference({"a": 1, "b": [1.0, 2.0]}, new) == words
