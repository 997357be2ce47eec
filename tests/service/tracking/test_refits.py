"""What a refit leaves in MLflow: everything once, at a size that sixty domains can pay for."""

from __future__ import annotations

import json

from policies.records import Interval, LawSummary
from policies.records.decision import Decision
from service.journal import Event
from service.tracking.series import refit_body

NAMES = [f"d{index}" for index in range(60)]


def test_the_law_is_written_once_and_to_six_digits() -> None:
    row = {name: Interval(1 / 3, 0.123456789, 2e-7 / 3) for name in NAMES}
    law = LawSummary(
        exponents=row,
        floors=row,
        transfer=dict.fromkeys(NAMES, row),
        identified={name: dict.fromkeys(NAMES, True) for name in NAMES},
        hub_score=row,
        residual_sd=dict.fromkeys(NAMES, 0.01),
        families={"effective": 1.0},
        burn_in=200.0,
    )
    body = Decision(100, dict.fromkeys(NAMES, 1 / 60), "refit", law=law).to_dict()
    event = Event(7, "run", 0, True, "decision", 60, {**body, "meta": {"report": 60}}, 1.5, "digest")
    told = refit_body(3, event, None)
    assert told["law"]["transfer"]["d3"]["d4"] == {"mean": 0.333333, "low": 0.123457, "high": 6.66667e-08}
    assert told["law"]["identified"] == law.identified
    assert told["decision"]["weights"] == body["weights"]
    assert "law" not in told["decision"]
    assert len(json.dumps(told, indent=1, sort_keys=True)) < 480_000
    assert refit_body(1, Event(7, "run", 0, True, "decision", 60, {**body, "law": None}, 1.5, ""), None)["law"] is None
