"""The unit of the losses and the order of the domains change no decision, also where scores tie."""

import math

import numpy as np
import pytest

from policies import Domain, LossReport, available_policies, make_policy
from policies.rivals.regmix import mean_of_best

SLOW = ("own_law", "transfer_law", "ado")  # `check_policy` asks these too, of losses that do not tie
INTERVALS = 30


def made_up(kind, K, seed):
    """Losses (K,) after a step; `power`, `rising` and `jitter` leave nothing but rounding between the domains."""
    rng = np.random.default_rng([K, seed])
    tau, alpha, level = np.eye(K) + 0.5 * (rng.random((K, K)) < 0.3), rng.uniform(0.2, 0.5, K), 0.5 + rng.random(K)
    noise, gone = rng.standard_normal((INTERVALS, K)), rng.random((INTERVALS, K)) < 0.4

    def losses(step, draws):
        if kind == "power":
            return level * draws.sum() ** -0.3
        if kind == "rising":
            return level * draws.sum() ** 0.2
        if kind == "jitter":
            return level * (1 + 2e-16 * np.round(noise[step]))
        if kind == "twins":
            return 0.2 + 2.0 * (draws + 20) ** -0.3
        learnt = 0.2 + 2.0 * (tau @ draws + 20) ** -alpha * np.exp(0.003 * noise[step])
        return np.where(gone[step], math.nan, learnt)

    return losses


def follow(name, kind, K, seed, *, unit=1.0, order=None, mixtures=None):
    """The mixtures by name after each report; draws follow `mixtures` where those are given."""
    names = [f"d{j}" for j in range(K)]
    listed = names if order is None else [names[j] for j in order]
    policy = make_policy(name, [Domain(n) for n in listed], 100 * INTERVALS, interval=100, seed=seed)
    draws, losses, made = np.zeros(K), made_up(kind, K, seed), []
    for step in range(INTERVALS):
        made.append(policy.propose().weights)
        followed = made if mixtures is None else mixtures
        draws = draws + 100 * np.array([followed[step][n] for n in names])
        now = dict(zip(names, (unit * losses(step, draws)).tolist(), strict=True))
        counted = dict(zip(names, draws.tolist(), strict=True))
        policy.observe(LossReport(100 * (step + 1), {n: counted[n] for n in listed}, {n: now[n] for n in listed}))
    return [*made, policy.propose().weights]


def gap(a, b):
    return max(abs(x[name] - y[name]) for x, y in zip(a, b, strict=True) for name in x)


@pytest.mark.parametrize("kind", ["power", "rising", "jitter", "twins", "missing"])
@pytest.mark.parametrize("name", [name for name in available_policies() if name not in SLOW])
def test_neither_unit_nor_order_moves_a_share(name, kind):
    for K, seed in ((3, 0), (4, 1)):
        plain = follow(name, kind, K, seed)
        for unit in (0.01, 100.0):
            assert gap(plain, follow(name, kind, K, seed, unit=unit, mixtures=plain)) <= 1e-6
        assert gap(plain, follow(name, kind, K, seed, order=range(K)[::-1], mixtures=plain)) <= 1e-9


@pytest.mark.parametrize("kind", ["jitter", "twins"])
def test_ado_knows_no_unit_where_curves_are_flat_or_alike(kind):
    plain = follow("ado", kind, 3, 0)
    assert gap(plain, follow("ado", kind, 3, 0, unit=100.0, mixtures=plain)) <= 1e-6


def test_a_unit_of_loss_cannot_grow_into_a_difference():
    """Each warm refit begins where the last one ended: what rounding put into one would be carried on."""
    plain = follow("transfer_law", "missing", 4, 0)
    for unit in (0.01, 100.0):
        assert gap(plain, follow("transfer_law", "missing", 4, 0, unit=unit, mixtures=plain)) <= 1e-13


def test_candidates_that_tie_but_for_rounding_share_the_mean():
    rng = np.random.default_rng(0)
    candidates = rng.dirichlet(np.ones(3), 1_000)
    even = candidates.mean(axis=0)
    assert mean_of_best(candidates, 1e-14 * rng.standard_normal(1_000), 10) == pytest.approx(even, abs=1e-6)


def test_candidates_that_differ_are_ranked():
    candidates, gain = np.eye(3), np.array([0.1, 0.3, 0.2])
    assert mean_of_best(candidates, gain, 2) == pytest.approx([0.0, 0.5, 0.5])
    assert mean_of_best(candidates, gain, 10) == pytest.approx(np.full(3, 1 / 3))
