"""What a plan promises only because it was chosen, against what plans chosen with errors really keep."""

import dataclasses

import numpy as np
import pytest

from policies import Domain
from policies.allocation.optimism import optimism
from policies.allocation.plan import optimise
from policies.allocation.problem import make_problem
from policies.laws.joint import JointLaw
from policies.tournament.cell import run_cell
from tests.policies.test_allocation_bounds import made_law

SIZE = 6


def problem_of(law: JointLaw, objective="mean_log", **bounds):
    domains = [Domain(name, **bounds) for name in law.domains]
    return make_problem(law, domains=domains, spent=dict.fromkeys(law.domains, 1e3), budget=1e5, objective=objective)


def erring(law: JointLaw, sd: float) -> JointLaw:
    """The same law, its log transfers known to `sd`."""
    families = []
    for family in law.families:
        spread = np.full(family.theta.shape[1], 1e-9)
        spread[-SIZE - 1 : -1] = sd**2
        families.append(dataclasses.replace(family, covariance=np.tile(np.diag(spread), (SIZE, 1, 1))))
    return dataclasses.replace(law, families=tuple(families))


def test_plans_chosen_with_errors_keep_so_much_less_than_they_promise():
    rng, sd = np.random.default_rng(2), 0.1
    law = erring(made_law(SIZE, np.random.default_rng(5), ("effective",)), sd)
    truth = problem_of(law)
    broken, plans = [], []
    for _ in range(500):
        theta = [f.theta + rng.standard_normal(f.theta.shape) * np.sqrt(np.diag(f.covariance[0])) for f in law.families]
        families = tuple(dataclasses.replace(f, theta=t) for f, t in zip(law.families, theta, strict=True))
        seen = problem_of(dataclasses.replace(law, families=families))
        plan = seen.feasible.mixture(optimise(seen)[0])
        plans.append(optimism(seen, plan))
        end, base = seen.final(plan), seen.final(seen.baseline)
        promised = seen.outlook.score(base) - seen.outlook.score(end)
        kept = truth.outlook.score(base) - truth.outlook.score(end)
        broken.append(promised - kept)
    error = np.std(broken) / np.sqrt(len(broken))
    assert np.mean(broken) > 3 * error, "or the case shows nothing"
    assert np.mean(plans) == pytest.approx(np.mean(broken), abs=3 * error, rel=0.35)


def test_nothing_is_promised_where_nothing_can_be_chosen():
    law = erring(made_law(SIZE, np.random.default_rng(5), ("effective",)), 0.1)
    held = problem_of(law, min_share=1 / SIZE, max_share=1 / SIZE)
    assert optimism(held, np.full(SIZE, 1 / SIZE)) == 0.0
    plan = problem_of(law).feasible.mixture(optimise(problem_of(law))[0])
    assert optimism(problem_of(law, "worst_excess"), plan) == 0.0
    sure = problem_of(erring(law, 1e-6))
    assert optimism(sure, plan) < 1e-8 < 1e-5 < optimism(problem_of(law), plan)


def test_a_plan_that_hardly_leaves_the_baseline_promises_hardly_anything():
    problem = problem_of(erring(made_law(SIZE, np.random.default_rng(5), ("effective",)), 0.1))
    base, plan = np.full(SIZE, 1 / SIZE), problem.feasible.mixture(optimise(problem)[0])
    whole, near = (optimism(problem, base + part * (plan - base)) for part in (1.0, 1e-3))
    assert 0 < near < 0.02 * whole
    assert optimism(problem, base) == 0.0


def test_many_domains_with_nothing_to_gain_are_left_alone():
    """20 domains, no gradient products: the promise of the plan was two of its sds, and it was followed."""
    cell = run_cell("transfer_law", ("flat", 20, 0.01), seed=9701, options={"products": 0})
    believed = run_cell("transfer_law", ("flat", 20, 0.01), seed=9701, options={"products": 0, "optimism": 0})
    assert cell.score - cell.uniform < 0.002
    assert believed.score - believed.uniform > 0.004
