"""When a law may not lead, how far it may go, and when a refit would teach nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from policies.allocation.value import HubScores
from policies.history import LIMIT
from policies.laws import JointLaw, Rows

FEW = 0.08  # part of the targets, by weight, that may look steeper than a scaling law


def steep(law: JointLaw, targets: Mapping[str, float], steepest: float) -> str:
    """Why the law should not lead, if so: losses that fall faster than any scaling law are in a transition.

    One target of very many may look so by chance; more than a few, by weight, may not.
    """
    total = sum(targets.get(t, 0.0) for t in law.targets)
    counted = zip(law.targets, law.speeds.tolist(), strict=True)
    found = {t: a for t, a in counted if targets.get(t, 0.0) > 0 and a > steepest}
    if sum(targets[t] for t in found) < FEW * total or not found:
        return ""
    name = max(found, key=lambda target: (found[target], target))
    return (
        f"the loss of {name} falls with exponent {found[name]:.1f}, which is no scaling law's (at most "
        f"{steepest:g}); the baseline mixture is kept until it does"
    )


def unseen_gift(baseline: Mapping[str, float], plan: Mapping[str, float], hubs: HubScores, least: float) -> str:
    """Why the plan should not be followed, if so: it raises a domain for what that gives to others, and it is
    not sure that this is at least `least` (mean draw 1). A hub may be sure where no single transfer is: what it
    gives in all is better known than to whom."""
    name = max(plan, key=lambda domain: (plan[domain] - baseline[domain], domain))
    given, own = hubs.given[name], hubs.own[name].mean
    if given.mean <= own or given.low >= least:
        return ""
    return (
        f"the best plan gives {name} {plan[name]:.1%} for what its draws give to others, but that is not known well "
        f"({given.mean:.2f} [{given.low:.2f}, {given.high:.2f}], to itself {own:.2f}); the baseline mixture is kept"
    )


def nothing_new(last: int, fitted_at: int) -> bool:
    """Whether the draws from the last refit's report to the report at `last` are less than one row of the
    thinned history. So a run of 10,000 reports costs some 1,200 refits, not 10,000."""
    return 0 < last < fitted_at * (1 + 1 / LIMIT)


def lived_shares(rows: Rows, window: float) -> NDArray[np.float64]:
    """(K,) largest share that each domain has had over `window` draws on end; 0 before as much was drawn."""
    total = np.append(0.0, rows.total)
    ends = total[total >= window]
    if not ends.size or window <= 0:
        return np.zeros(len(rows.domains))
    drawn = [
        np.interp(ends, total, column) - np.interp(ends - window, total, column)
        for column in np.concatenate([np.zeros((1, len(rows.domains))), rows.draws]).T
    ]
    return np.asarray(np.max(drawn, axis=1) / window)
