"""Every family predicts well where it is true, and plans see the slopes that its formula has."""

import numpy as np
import pytest

from policies import BadSetup, Domain, fit_joint_law, plan_allocation
from policies.allocation.outlook import Outlook
from policies.laws.form import KINDS

BUDGET = 1e4
OWN = np.eye(4)


def truth(kind, shares, time):
    """Losses (N, 4) of a law of the kind."""
    tau = OWN + 0.1 * (1 - OWN)
    time = time[:, None]
    if kind == "exponential":
        return 0.3 + 0.5 * np.exp(-1.5 * shares @ tau.T) * time**-0.3
    mixed = (shares**0.6 @ tau.T + 0.02) ** (1 / 0.6)
    if kind == "additive":
        return 0.3 + 0.1 * mixed**-0.3 + 0.3 * time**-0.5
    return 0.3 + 0.3 * (mixed * time) ** -0.3 if kind == "effective" else 0.3 + 0.3 * mixed**-0.2 * time**-0.5


def runs(kind, seed=0, count=30, noise=0.003):
    rng = np.random.default_rng(seed)
    shares, time = np.repeat(rng.dirichlet(np.ones(4), count), 4, axis=0), np.tile([0.1, 0.25, 0.5, 1.0], count)
    losses = truth(kind, shares, time) * np.exp(noise * rng.standard_normal((len(time), 4)))
    return shares * time[:, None] * BUDGET, losses, np.repeat(np.arange(count), 4)


@pytest.fixture(scope="module")
def alone():
    """By the truth's kind and the law's: error over later time and other mixtures."""
    grid = np.random.default_rng(1).dirichlet(np.ones(4), 40)
    errors = {}
    for kind in ("effective", "additive", "exponential"):
        draws, losses, run = runs(kind)
        for families in [(k,) for k in KINDS] + [KINDS]:
            law = fit_joint_law(draws, losses, run=run, families=families)
            predicted = law.predict(grid * 2 * BUDGET).mean
            errors[kind, families] = np.mean(np.abs(predicted / truth(kind, grid, np.full(40, 2.0)) - 1))
    return errors


@pytest.mark.parametrize("kind", ["additive", "exponential"])
def test_a_family_predicts_well_where_it_is_true(alone, kind):
    others = sorted(alone[kind, (k,)] for k in KINDS if k != kind)
    assert alone[kind, (kind,)] < 1.2 * others[0]
    assert alone[kind, (kind,)] < 0.5 * others[1]
    assert alone[kind, (kind,)] < 0.01


@pytest.mark.parametrize("kind", ["effective", "additive", "exponential"])
def test_the_average_is_nearly_as_good_as_the_best(alone, kind):
    single = [alone[kind, (k,)] for k in KINDS]
    assert alone[kind, KINDS] < min(single) + 0.3 * (max(single) - min(single))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objective", ["mean_log", "mean_excess"])
def test_slopes_of_plans_agree_with_differences(kind, objective):
    draws, losses, run = runs("effective")
    pools = np.array([1e4, 800.0, 1e4, 1e4])
    law = fit_joint_law(draws, losses, run=run, families=(kind,), pools=pools)
    outlook = Outlook(law, np.full(4, 0.25), objective, BUDGET, BUDGET, np.full(4, BUDGET / 4))
    n = BUDGET * np.array([0.4, 0.2, 0.3, 0.1])
    value, gradient, hessian = outlook.mean(n)
    step = 1e-3 * BUDGET * np.eye(4)
    up, down = [outlook.mean(n + s) for s in step], [outlook.mean(n - s) for s in step]
    wide = 2e-3 * BUDGET
    assert gradient == pytest.approx([(u[0] - d[0]) / wide for u, d in zip(up, down, strict=True)], rel=1e-3)
    bent = np.array([(u[1] - d[1]) / wide for u, d in zip(up, down, strict=True)])
    assert hessian == pytest.approx(bent, rel=1e-2, abs=1e-3 * np.abs(bent).max())
    assert np.linalg.eigvalsh(hessian).min() > -1e-9 * np.abs(hessian).max()
    bare = outlook._family_values(law.families[0], n[None])[0][:, 0]
    assert float(bare.mean()) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_plans_are_exact_under_every_family(kind):
    draws, losses, run = runs(kind)
    law = fit_joint_law(draws, losses, run=run, families=(kind,))
    domains = [Domain(name) for name in law.domains]
    plan = plan_allocation(law, domains=domains, spent=dict.fromkeys(law.domains, 100.0), budget=BUDGET)
    assert plan.exact
    assert plan.kkt < 1e-6
    assert sum(plan.weights.values()) == pytest.approx(1.0)


def test_transfer_of_the_exponential_law_is_relative_to_own_draws():
    draws, losses, run = runs("exponential", noise=0.001)
    law = fit_joint_law(draws, losses, run=run, families=("exponential",))
    assert np.diag(law.transfer) == pytest.approx(np.ones(4))
    assert np.median(law.transfer[~OWN.astype(bool)]) == pytest.approx(0.1, abs=0.1)


def test_unknown_family_is_named():
    with pytest.raises(BadSetup, match="quadratic"):
        fit_joint_law([[10.0, 20.0]], [[1.0, 1.0]], families=("quadratic",))
