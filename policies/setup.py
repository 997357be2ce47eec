"""What a policy is set up with: checked before it takes its first report."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from policies.intake import nearest
from policies.records import MOST, OBJECTIVES, BadSetup, number

_PAIRS = "must be pairs (position, sum of learning rates up to there)"


def check_whole(what: str, value: int, *, least: int = 1) -> int:
    """`value` if it is a number of draws, else `BadSetup`."""
    plain = number(what, value)
    if not least <= plain <= MOST or int(plain) != plain:
        raise BadSetup(f"{what} is {value!r}; it must be a whole number of draws >= {least}, at most {MOST:.0e}")
    return int(plain)


def check_seed(seed: int) -> int:
    """`seed` as a plain whole number."""
    plain = number("seed", seed)
    if not math.isfinite(plain) or int(plain) != plain:
        raise BadSetup(f"seed is {seed!r}; it must be a whole number")
    return int(plain)


def check_objective(objective: str) -> str:
    """`objective` if there is such a one."""
    if not isinstance(objective, str) or objective not in OBJECTIVES:
        hint = nearest(objective, OBJECTIVES) if isinstance(objective, str) else ""
        raise BadSetup(f"objective is {objective!r}{hint}; known: {', '.join(OBJECTIVES)}")
    return str(objective)


def check_targets(targets: Mapping[str, float]) -> dict[str, float]:
    """Weights of the targets; at least one must be positive."""
    if not isinstance(targets, Mapping):
        raise BadSetup(f"targets is {targets!r}; give weights by name of the held-out loss")
    if not targets:
        raise BadSetup("targets is empty; name at least one held-out loss, or leave it out for the domains")
    for name in targets:
        if not isinstance(name, str):
            raise BadSetup(f"targets has the name {name!r}; names must be strings")
    weights = {name: float(number(f"weight of target '{name}'", weight)) for name, weight in targets.items()}
    for name, weight in weights.items():
        if not 0 <= weight <= MOST:
            raise BadSetup(f"weight of target '{name}' is {weight!r}; weights must be >= 0 and at most {MOST:.0e}")
    if math.fsum(weights.values()) <= 0:
        raise BadSetup("all target weights are 0; at least one must be positive")
    return weights


def check_lr_plan(plan: Sequence[Sequence[float]] | None) -> list[list[float]] | None:
    """Pairs (position, sum of learning rates up to there), both in order; None if unknown."""
    if plan is None:
        return None
    try:
        given = [list(pair) for pair in plan]
    except TypeError:
        raise BadSetup(f"lr_plan is {plan!r}; it {_PAIRS}") from None
    if not given or any(len(pair) != 2 for pair in given):
        raise BadSetup(f"lr_plan {_PAIRS}, and holds {next((p for p in given if len(p) != 2), 'nothing')}")
    pairs = [[float(number("a number of lr_plan", value)) for value in pair] for pair in given]
    for value in itertools.chain.from_iterable(pairs):
        if not 0 <= value <= MOST:
            raise BadSetup(
                f"lr_plan holds {value!r}; positions and sums of learning rates must be >= 0 and at most {MOST:.0e}"
            )
    for before, after in itertools.pairwise(pairs):
        if after[0] <= before[0] or after[1] < before[1]:
            raise BadSetup(f"lr_plan goes from {before} to {after}; positions must increase and sums must not fall")
    return pairs


def check_options(policy: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a policy: those given, numbers made plain, else the defaults in `known`."""
    for name in given:
        if name not in known:
            names = ", ".join(known) or "none"
            raise BadSetup(f"policy '{policy}' has no option '{name}'{nearest(name, known)}; known: {names}")
    plain = {
        name: number(f"option {name} of '{policy}'", value) if _real(value) else value for name, value in given.items()
    }
    return {**known, **plain}


def _real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
