"""When a law may not lead, and when a refit would teach nothing."""

from __future__ import annotations

from collections.abc import Mapping

from policies.history import LIMIT
from policies.laws import JointLaw


def steep(law: JointLaw, targets: Mapping[str, float], steepest: float) -> str:
    """Why the law should not lead, if so: losses that fall faster than any scaling law are in a transition."""
    found = {t: a for t, a in zip(law.targets, law.exponents.tolist(), strict=True) if targets.get(t, 0) > 0}
    name = max(found, key=lambda target: (found[target], target))
    if found[name] <= steepest:
        return ""
    return (
        f"the loss of {name} falls with exponent {found[name]:.1f}, which is no scaling law's (at most "
        f"{steepest:g}); the baseline mixture is kept until it does"
    )


def nothing_new(last: int, fitted_at: int) -> bool:
    """Whether the draws from the last refit's report to the report at `last` are less than one row of the
    thinned history. So a run of 10,000 reports costs some 1,200 refits, not 10,000."""
    return 0 < last < fitted_at * (1 + 1 / LIMIT)
