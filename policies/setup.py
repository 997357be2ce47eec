"""What a policy is set up with: checked before it takes its first report."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from policies.intake import nearest
from policies.records import BadSetup


def check_whole(what: str, value: int, *, least: int = 1) -> int:
    """`value` if it is a number of draws, else `BadSetup`."""
    if not _finite(value) or int(value) != value or value < least:
        raise BadSetup(f"{what} is {value!r}; it must be a whole number of draws >= {least}")
    return int(value)


def check_targets(targets: Mapping[str, float]) -> dict[str, float]:
    """Weights of the targets; at least one must be positive."""
    if not targets:
        raise BadSetup("targets is empty; name at least one held-out loss, or leave it out for the domains")
    for name, weight in targets.items():
        if not _finite(weight) or weight < 0:
            raise BadSetup(f"weight of target '{name}' is {weight!r}; weights must be finite and >= 0")
    if math.fsum(targets.values()) <= 0:
        raise BadSetup("all target weights are 0; at least one must be positive")
    return {name: float(weight) for name, weight in targets.items()}


def check_lr_plan(plan: Sequence[Sequence[float]] | None) -> list[list[float]] | None:
    """Pairs (position, sum of learning rates up to there), both in order; None if unknown."""
    if plan is None:
        return None
    given = [list(pair) for pair in plan]
    if not given or any(len(pair) != 2 for pair in given):
        raise BadSetup("lr_plan must be pairs (position, sum of learning rates up to there)")
    for value in itertools.chain.from_iterable(given):
        if not _finite(value):
            raise BadSetup(f"lr_plan holds {value!r}; positions and sums of learning rates must be finite numbers")
    pairs = [[float(value) for value in pair] for pair in given]
    for before, after in itertools.pairwise(pairs):
        if after[0] <= before[0] or after[1] < before[1]:
            raise BadSetup(f"lr_plan goes from {before} to {after}; positions must increase and sums must not fall")
    return pairs


def check_options(policy: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a policy: those given, else the defaults in `known`."""
    for name in given:
        if name not in known:
            names = ", ".join(known) or "none"
            raise BadSetup(f"policy '{policy}' has no option '{name}'{nearest(name, known)}; known: {names}")
    return {**known, **given}


def _finite(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
