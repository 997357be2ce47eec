"""`max_epochs` in a decision: no domain is drawn from beyond its cap."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from policies.bounds import pour
from policies.records import Decision

UNMET = "max_epochs cannot be met"


def within_caps(decision: Decision, left: Mapping[str, float], draws: int, ceilings: Mapping[str, float]) -> Decision:
    """`decision` for an interval of `draws`, of which each domain gives at most what its cap has `left` (draws).

    What cannot be drawn goes to the others in proportion, up to their largest shares, the `ceilings`, where those
    leave room. Where the caps together do not allow an interval's draws, the mixture is left as it is and the
    decision says so.
    """
    most = {name: rest / draws for name, rest in left.items()}
    full = [name for name, share in decision.weights.items() if share > most[name] + 1e-12]
    if not full:
        return decision
    if math.fsum(most.values()) < 1.0:
        others = (label for label in decision.binding if label != UNMET)
        return dataclasses.replace(decision, binding=(*others, UNMET))
    bound = tuple(label for name in full if (label := f"pool of {name}") not in decision.binding)
    bounded = {name: min(part, ceilings[name]) for name, part in most.items()}
    weights = pour(decision.weights, bounded if math.fsum(bounded.values()) >= 1.0 else most)
    return dataclasses.replace(decision, weights=weights, binding=(*decision.binding, *bound))
