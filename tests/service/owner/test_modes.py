"""What a mode and a pin promise is what the next decision does, and the schedule holds it."""

from __future__ import annotations

import pytest

from service.journal import Journal
from service.owner import MODES, Owner, Schedules
from tests.service.owner.conftest import make_report, make_spec

PINS: dict[str, dict[str, float]] = {"none": {}, "half": {"ct": 0.5}, "all": {"ct": 0.2, "mr": 0.2, "pet": 0.6}}


def expected(mode: str, pin: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    """By hand: the policy wants half for mr, else what was in force; the pins, and the rest in proportion."""
    wanted = {"ct": 0.25, "mr": 0.5, "pet": 0.25} if mode == "act" else before
    free = {name: share for name, share in wanted.items() if name not in pin}
    room = 1 - sum(pin.values())
    return {name: pin.get(name, room * share / (sum(free.values()) or 1)) for name, share in wanted.items()}


@pytest.mark.parametrize("first", MODES)
@pytest.mark.parametrize("then", MODES)
def test_every_mode_with_every_pin_after_every_other(journal: Journal, first: str, then: str) -> None:
    schedules = Schedules(journal)
    for pins in (("none", "half"), ("half", "none"), ("half", "all"), ("all", "half")):
        run = "-".join(pins)
        journal.create(run, make_spec().to_dict())
        owner = Owner(journal, run)
        in_force = dict(owner.start().weights)
        for position, mode, pin in zip((60, 160), (first, then), (PINS[name] for name in pins), strict=True):
            owner.set_mode(mode, pin)
            assert {key: owner.status()[key] for key in ("mode", "pin")} == {"mode": mode, "pin": pin}
            decision = owner.decide(make_report(position, worst="mr"))
            in_force = expected(mode, pin, in_force)
            assert decision.weights == pytest.approx(in_force)
            assert schedules.read(run).stage_at(decision.position).weights == pytest.approx(in_force)
            assert ("pinned" in decision.detail) == bool(pin)
            assert owner.status()["decision"] == decision.to_dict()
            assert owner.decide(make_report(position, worst="mr")).weights == decision.weights, "asked again"


@pytest.mark.parametrize("mode", MODES)
def test_a_pin_holds_where_training_could_not_wait_and_where_a_fit_failed(journal: Journal, mode: str) -> None:
    journal.create("run", make_spec(break_at=[160]).to_dict())
    owner = Owner(journal, "run")
    owner.start()
    owner.set_mode(mode, {"pet": 0.8})
    assert owner.hold(make_report(60), "no time").weights["pet"] == pytest.approx(0.8)
    assert owner.decide(make_report(160)).weights["pet"] == pytest.approx(0.8)


def test_advice_is_kept_beside_what_was_done_without_its_law_twice(journal: Journal) -> None:
    journal.create("run", make_spec(mode="advise", pin={"ct": 0.5}).to_dict())
    owner = Owner(journal, "run")
    owner.start()
    owner.decide(make_report(60, worst="mr"))
    event = journal.last("run", ["decision"])
    assert event is not None
    advice = event.body["meta"]["advice"]
    assert (advice["weights"], advice["reason"]) == ({"ct": 0.25, "mr": 0.5, "pet": 0.25}, "refit")
    assert "law" not in advice
    assert "law" in event.body
