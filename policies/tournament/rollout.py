"""Moving a world on: under a policy, or at mixtures that do not look at losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from policies.policy import BasePolicy, Policy
from policies.records import Domain, LossReport
from policies.worlds import World

Mixture = Callable[[Sequence[Domain]], Mapping[str, float]]


def follow(
    policy: BasePolicy | Policy, world: Any, weights: Mapping[str, float], draws: int, *, last: int
) -> LossReport:
    """Draw at `weights` and tell the policy; what comes at position `last` needs no decision any more."""
    report: LossReport = world.advance(weights, draws)
    changed = tuple(world.domains) != tuple(policy.domains)
    if changed and set(report.draws) != {domain.name for domain in policy.domains}:
        policy.update_domains(report.position, world.domains)
        changed = False
    if report.position < last:
        policy.observe(report)
    if changed:  # the report still spoke of the domains there were
        policy.update_domains(report.position, world.domains)
    return report


def hold(world: Any, mixture: Mixture, draws: int) -> None:
    """Draw `draws` more at what `mixture` says of the present domains, asked again when they change."""
    interval = int(getattr(world, "interval", max(int(world.budget) // 50, 1)))
    move = world.move if isinstance(world, World) else world.advance
    domains, done = tuple(world.domains), 0
    weights = mixture(domains)
    while done < draws:
        step = min(interval, draws - done)
        move(weights, step)
        done += step
        if domains != tuple(world.domains):
            domains = tuple(world.domains)
            weights = mixture(domains)


def final_losses(world: Any) -> dict[str, float] | None:
    """Noise-free loss of each target now; None where the world does not tell."""
    return world.losses() if isinstance(world, World) else None
