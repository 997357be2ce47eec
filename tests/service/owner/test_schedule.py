"""The schedule as it is read step by step is the one that all decisions together make, however they come."""

from __future__ import annotations

import itertools
import random

import pytest

from policies import Decision
from service.journal import Journal
from service.owner import Schedules
from tests.service.owner.conftest import make_spec

MIXTURES = [
    {"ct": 0.2, "mr": 0.3, "pet": 0.5},
    {"ct": 0.5, "mr": 0.25, "pet": 0.25},
    {"ct": 0.6, "mr": 0.2, "pet": 0.2},
]


@pytest.mark.parametrize("seed", range(5))
def test_read_step_by_step_or_at_once(journal: Journal, seed: int) -> None:
    """Boundaries may come again, earlier than the latest, and with the mixture that is in force."""
    source, schedules = random.Random(seed), Schedules(journal)
    journal.create("run", make_spec().to_dict())
    epoch, mixtures = journal.open("run"), {}
    for number in range(40):
        boundary = 0 if number == 0 else 100 * source.randint(1, 2 + number // 2)
        mixtures[boundary] = source.choice(MIXTURES)
        body = Decision(boundary, mixtures[boundary], "refit").to_dict()
        journal.append("run", "decision", body, epoch=epoch, position=number, once=f"decision:{number}")
        if source.random() < 0.6:
            schedules.read("run")
    found = schedules.read("run")
    assert found == Schedules(journal).read("run")
    for position in range(0, 2500, 50):
        governing = max(boundary for boundary in mixtures if boundary <= position)
        assert found.stage_at(position).weights == mixtures[governing]
    mixed = [stage.weights for stage in found.stages]
    assert all(before != after for before, after in itertools.pairwise(mixed)), "no stage without a change"
