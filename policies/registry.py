"""Policies by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.intake import nearest
from policies.policy import BasePolicy
from policies.records import BadSetup, Domain
from policies.rivals import RIVALS
from policies.simple import Fixed, Proportional, Uniform
from policies.transfer_law import OwnLaw, TransferLaw

_ALL: tuple[type[BasePolicy], ...] = (Proportional, Uniform, Fixed, *RIVALS, OwnLaw, TransferLaw)
POLICIES = {policy.name: policy for policy in _ALL}


def available_policies() -> tuple[str, ...]:
    """Names that `make_policy` knows."""
    return tuple(POLICIES)


def _find(name: str) -> type[BasePolicy]:
    if not isinstance(name, str):
        raise BadSetup(f"policy is {name!r}; give its name, one of {', '.join(POLICIES)}")
    if name not in POLICIES:
        raise BadSetup(f"no policy is named '{name}'{nearest(name, POLICIES)}; known: {', '.join(POLICIES)}")
    return POLICIES[name]


def make_policy(
    name: str,
    domains: Sequence[Domain],
    budget: int,
    *,
    interval: int,
    targets: Mapping[str, float] | None = None,
    objective: str = "mean_log",
    baseline: Mapping[str, float] | None = None,
    lr_plan: Sequence[Sequence[float]] | None = None,
    seed: int = 0,
    **options: Any,
) -> BasePolicy:
    """A policy that has seen nothing yet; parameters as in `BasePolicy`, options as in its `OPTIONS`."""
    return _find(name)(
        domains,
        budget,
        interval=interval,
        targets=targets,
        objective=objective,
        baseline=baseline,
        lr_plan=lr_plan,
        seed=seed,
        **options,
    )


def load_policy(state: Mapping[str, Any]) -> BasePolicy:
    """The policy that `dump` wrote down; it decides exactly as the original would."""
    return _find(str(state["policy"])).load(state)
