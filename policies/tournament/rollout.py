"""Moving a world on: under a policy, or at mixtures that do not look at losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from policies.policy import BasePolicy, Policy
from policies.records import Domain, LossReport

Mixture = Callable[[Sequence[Domain]], Mapping[str, float]]


def follow(
    policy: BasePolicy | Policy, world: Any, weights: Mapping[str, float], draws: int, *, last: int
) -> LossReport:
    """Draw at `weights` and tell the policy; what comes at position `last` needs no decision any more."""
    report: LossReport = world.advance(weights, draws)
    if tuple(world.domains) != tuple(policy.domains):
        policy.update_domains(report.position, world.domains)
    if report.position < last:
        policy.observe(report)
    return report


def hold(world: Any, mixture: Mixture, draws: int) -> None:
    """Draw `draws` more at what `mixture` says of the present domains, asked again when they change."""
    interval = int(getattr(world, "interval", max(int(world.budget) // 50, 1)))
    move = getattr(world, "move", world.advance)
    domains, weights, done = None, None, 0
    while done < draws:
        if domains != tuple(world.domains):
            domains = tuple(world.domains)
            weights = mixture(domains)
        step = min(interval, draws - done)
        move(weights, step)
        done += step


def final_losses(world: Any) -> dict[str, float] | None:
    """Noise-free loss of each target now; None where the world does not tell."""
    return dict(world.losses()) if hasattr(world, "losses") else None
