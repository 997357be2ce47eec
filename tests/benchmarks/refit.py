"""What a warm refit with its decision costs after 1,000 and after 10,000 reports: CPU-seconds, best of a few.

Every report is taken in by the policy's own history, which keeps a bounded number of rows; the refits in
between are left out, since they would take minutes, except for the last few: those are real `observe`
calls, the first of them cold, the timed ones warm as in a run.

    python -m tests.benchmarks.refit [--domains 20 8] [--reports 1000 10000] [--products]
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from policies import Decision, Domain, LossReport, load_policy, make_policy
from policies.history import History

INTERVAL = 384
BOUND_SECONDS = 1.0
WARM_REFITS, TIMED_REFITS = 3, 5
GROWTH = 1.005  # of the position from one timed report to the next: a policy refits when there is something new
NOISE = 0.01


@dataclasses.dataclass(frozen=True)
class RefitCost:
    """CPU-seconds of `observe`: the fastest and the middle of the timed ones. `rows`: in the history."""

    domains: int
    reports: int
    rows: int
    best: float
    middle: float
    reason: str


def reports(domains: int, count: int, seed: int = 0, *, products: bool = False) -> Iterator[LossReport]:
    """Losses of a planted law, domains helping each other, under a mixture that sweeps over the domains; on demand
    with gradient products, a third of their size noise."""
    rng = np.random.default_rng(seed)
    names, draws = names_of(domains), np.zeros(domains)
    help_ = np.eye(domains) + np.where(rng.random((domains, domains)) < 0.2, 0.5, 0.02)
    for number in range(1, count + 1):
        shares = np.full(domains, 0.5 / domains)
        shares[number * domains // max(count // 50, domains) % domains] += 0.5
        draws += INTERVAL * shares
        mean = 0.3 + (1 + help_ @ draws / INTERVAL) ** -0.4
        loss = mean * np.exp(NOISE * rng.normal(size=domains))
        yield LossReport(
            position=number * INTERVAL,
            draws=named(names, draws),
            eval_loss=named(names, loss),
            eval_sem=named(names, NOISE * loss),
            grad_dot={
                name: named(names, row * (1 + rng.normal(size=domains) / 3))
                for name, row in zip(names, help_, strict=True)
            }
            if products
            else None,
        )


def names_of(domains: int) -> list[str]:
    return [f"domain_{number:02d}" for number in range(domains)]


def named(names: list[str], values: Any) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def measure(domains: int, count: int, *, products: bool = False) -> RefitCost:
    """Time `TIMED_REFITS` warm refits after `count` reports."""
    policy = make_policy(
        "transfer_law", [Domain(name) for name in names_of(domains)], 2 * count * INTERVAL, interval=INTERVAL
    )
    wanted = [round(count * GROWTH**k) for k in range(WARM_REFITS + TIMED_REFITS)]
    given = list(reports(domains, wanted[-1], products=products))
    early, late = given[: count - 1], [given[number - 1] for number in wanted]
    state = policy.dump()
    history = History()
    for report in early[:-1]:
        history = history.append(report)
    probed = Decision(early[-1].position, policy.baseline, "probe").to_dict()
    state["last"], state["decision"], state["state"]["history"] = early[-1].to_dict(), probed, history.to_dict()
    for part in ("then", "now"):
        state["state"][part]["probe_from"] = int(0.03 * policy.budget / INTERVAL) * INTERVAL
        state["state"][part].update(away=True, left=int(0.25 * policy.budget / INTERVAL) * INTERVAL)
    policy = load_policy(state)
    spent = []
    for report in late:
        began = time.process_time()
        policy.observe(report)
        policy.propose()
        spent.append(time.process_time() - began)
        if policy.propose().refit != len(spent):
            raise RuntimeError(f"the policy did not refit at report {report.position}; raise GROWTH")
    timed = spent[WARM_REFITS:]
    rows = len(policy.dump()["state"]["history"]["rows"])
    return RefitCost(domains, count, rows, min(timed), statistics.median(timed), policy.propose().reason)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, nargs="+", default=[20, 8])
    parser.add_argument("--reports", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--products", action="store_true", help="reports hold gradient products")
    options = parser.parse_args()
    for domains in options.domains:
        for count in options.reports:
            print(measure(domains, count, products=options.products))


if __name__ == "__main__":
    main()
