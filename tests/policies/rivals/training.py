"""A made-up training without noise, for tests that follow a rival through a whole run."""

import numpy as np

from policies import Domain, LossReport, make_policy


def make(name, pools, *, intervals=50, interval=100, **options):
    """A rival over domains with these pools (None: endless)."""
    domains = [Domain(domain, pool=pool) for domain, pool in pools.items()]
    return make_policy(name, domains, intervals * interval, interval=interval, **options)


def follow(policy, loss, *, reports=None, gradients=None):
    """Run to the end, or for so many reports. `loss` maps draws (K,) to losses (K,), in the policy's order."""
    names = policy.names
    draws, decisions = np.zeros(len(names)), [policy.propose()]
    for step in range(1, 1 + (reports or policy.budget // policy.interval)):
        shares = np.array([policy.propose().weights[name] for name in names])
        draws = draws + policy.interval * shares
        losses = dict(zip(names, loss(draws).tolist(), strict=True))
        counted = dict(zip(names, draws.tolist(), strict=True))
        policy.observe(LossReport(step * policy.interval, counted, losses, grad_dot=gradients))
        decisions.append(policy.propose())
    return decisions


def effective(worth, *, exponent=0.35, floor=0.1):
    """Losses that are a power law in worth @ draws."""
    return lambda draws: floor + (np.asarray(worth) @ draws + 30.0) ** -exponent
