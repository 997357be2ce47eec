"""Writes the files that the conformance tests compare with.

    python tests/conformance/renew.py

`records.json` holds an example of every record, null for what was not measured. `decisions.json`
holds the decisions of one seeded run of each law-based policy. Run it only when a change of the
format or of the decisions is meant, and look at the difference before committing it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from policies import Decision, Domain, Interval, LossReport, MixtureSchedule, make_policy
from policies.records import LawSummary

HERE = Path(__file__).parent
NAMES = ("ct", "mr", "pet")
WORTH = np.array([[1.0, 0.5, 0.05], [0.1, 1.0, 0.05], [0.05, 0.4, 1.0]])  # mr is a hub


def records() -> dict[str, list[dict[str, Any]]]:
    """Examples by name of the record."""
    domains = [Domain("ct", pool=4_000, max_epochs=16, min_share=0.05, group="x-ray"), Domain("pet", cost=1.5)]
    reports = [
        LossReport(800, {"ct": 500, "pet": 300}, {"ct": 0.41, "pet": math.nan}),
        LossReport(
            1_600,
            {"ct": 990.0, "pet": 602.0},
            {"ct": 0.38, "pet": 0.52},
            eval_sem={"ct": 0.004, "pet": math.nan},
            train_loss={"ct": 0.4, "pet": 0.55},
            train_count={"ct": 490, "pet": 302},
            lr_sum=0.31,
            grad_dot={"ct": {"ct": 1.5, "pet": -0.1}},
        ),
    ]
    shares = {"ct": 0.7, "pet": 0.3}
    ends = {"ct": Interval(0.3, 0.28, 0.33), "pet": Interval(0.45, 0.41, 0.5)}
    law = LawSummary(
        exponents=ends,
        floors={"ct": Interval(0.1, 0.02, 0.2), "pet": Interval(math.nan, math.nan, math.nan)},
        transfer={"ct": {"ct": Interval(1.0, 1.0, 1.0), "pet": Interval(0.2, 0.05, 0.7)}},
        identified={"ct": {"ct": True, "pet": False}},
        hub_score={"ct": Interval(0.6, 0.4, 0.9), "pet": Interval(0.1, 0.0, 0.3)},
        residual_sd={"ct": 0.004, "pet": math.nan},
        families={"effective": 0.7, "separable": 0.3},
        burn_in=200.0,
    )
    decisions = [
        Decision(0, shares, "start"),
        Decision(
            1_600, shares, "refit", "ct rises", 2, ends, ends, Interval(0.02, 0.01, 0.03), ("pool of pet",), law, True
        ),
    ]
    schedule = MixtureSchedule.start(shares, "items-1").append(800, {"ct": 0.5, "pet": 0.5})
    return {
        "Domain": [domain.to_dict() for domain in domains],
        "LossReport": [report.to_dict() for report in reports],
        "Decision": [decision.to_dict() for decision in decisions],
        "MixtureSchedule": [schedule.to_dict()],
    }


def decisions(name: str) -> list[dict[str, Any]]:
    """Position, reason and rounded shares of a run of 30 intervals in a made-up training with noise."""
    policy = make_policy(name, [Domain(n, pool=2_000) for n in NAMES], 6_000, interval=200, seed=1)
    noise, draws = np.random.default_rng(7), np.zeros(3)
    made = []
    for step in range(1, 31):
        decision = policy.propose()
        shares = {n: round(share, 4) for n, share in decision.weights.items()}
        made.append({"position": decision.position, "reason": decision.reason, "weights": shares})
        draws = draws + 200 * np.array([decision.weights[n] for n in NAMES])
        losses = (0.2 + 3.0 * (WORTH @ draws) ** -0.35) * np.exp(0.003 * noise.standard_normal(3))
        policy.observe(
            LossReport(
                200 * step,
                dict(zip(NAMES, draws.tolist(), strict=True)),
                dict(zip(NAMES, losses.tolist(), strict=True)),
            )
        )
    return made


def main() -> None:
    """Write both files."""
    runs = {name: decisions(name) for name in ("own_law", "transfer_law")}
    for file, body in (("records.json", records()), ("decisions.json", runs)):
        (HERE / file).write_text(json.dumps(body, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
