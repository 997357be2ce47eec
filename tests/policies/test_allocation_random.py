"""Random problems: feasible exactly where a linear program says so, every bound kept, as good as a general solver."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from policies import BadSetup, Domain, fit_joint_law, plan_allocation
from policies.allocation.problem import make_problem

OBJECTIVES = ("mean_log", "mean_excess", "worst_excess")
RELAXED = "max_epochs cannot be met"


def law_of(K):
    """A law of K domains, fitted to one short run."""
    rng = np.random.default_rng(K)
    drawn = np.cumsum(rng.dirichlet(np.ones(K), size=14) * 1000, axis=0)
    tau = rng.uniform(0, 0.4, (K, K))
    np.fill_diagonal(tau, 1.0)
    noise = np.exp(0.003 * rng.standard_normal((14, K)))
    return fit_joint_law(drawn, 0.3 + (drawn @ tau.T / 300 + 0.05) ** -0.35 * rng.uniform(0.5, 2, K) * noise)


LAWS = {K: law_of(K) for K in (1, 3, 5)}


@dataclasses.dataclass(frozen=True)
class Case:
    """A problem drawn from a seed."""

    law: object
    domains: list[Domain]
    spent: dict[str, float]
    budget: float
    objective: str

    @classmethod
    def of(cls, seed):
        rng = np.random.default_rng(seed)
        law = LAWS[int(rng.choice(list(LAWS)))]
        K = len(law.domains)
        spent = rng.dirichlet(np.ones(K)) * 1000
        cost = 10.0 ** rng.uniform(-2, 2, K) if seed % 2 else np.ones(K)
        low = rng.dirichlet(np.ones(K)) * rng.choice([0.0, 0.3, 0.9, 1.0])
        high = np.minimum(1.0, low + rng.uniform(0.0, 1.0, K))
        high = high if high.sum() >= 1 else np.ones(K)
        pools = [float(round(10 ** rng.uniform(1, 5))) for _ in range(K)]
        domains = [
            Domain(name, pool, cost=c, max_epochs=rng.uniform(0.5, 20) if rng.random() < 0.5 else None,
                   min_share=least, max_share=most)
            for name, pool, c, least, most in zip(law.domains, pools, cost, low, high, strict=True)
        ]  # fmt: skip
        budget = 1000 + 10 ** rng.uniform(1, 5)
        named = dict(zip(law.domains, spent.tolist(), strict=True))
        return cls(law, domains, named, budget, OBJECTIVES[seed % 3])

    @property
    def setup(self):
        fields = {"domains": self.domains, "spent": self.spent, "budget": self.budget, "objective": self.objective}
        return {"law": self.law, **fields}

    @property
    def left(self):
        return self.budget - sum(self.spent.values())

    @property
    def caps(self):
        return np.array([max(d.cap - self.spent[d.name], 0.0) for d in self.domains])

    def constraints(self):
        """A x <= 0 for draws x (K,): the floors and ceilings of shares."""
        eye = np.eye(len(self.domains))
        low, high = (np.array([getattr(d, f) for d in self.domains]) for f in ("min_share", "max_share"))
        return np.concatenate([low[:, None] - eye, eye - high[:, None]])

    @property
    def cost(self):
        return np.array([d.cost for d in self.domains])

    def possible(self):
        A = self.constraints()
        bounds = [(0, None if np.isinf(cap) else cap / self.left) for cap in self.caps]
        found = linprog(
            np.zeros(len(self.domains)), A_ub=A, b_ub=np.zeros(len(A)), A_eq=[self.cost], b_eq=[1.0], bounds=bounds
        )
        return found.status == 0


@pytest.mark.parametrize("seed", range(60))
def test_random_problems(seed):
    case = Case.of(seed)
    plan = plan_allocation(**case.setup)
    weights = np.array(list(plan.weights.values()))
    assert (RELAXED in plan.binding) == (not case.possible())
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    for share, domain in zip(weights, case.domains, strict=True):
        assert domain.min_share - 1e-12 <= share <= domain.max_share + 1e-12
    assert plan.kkt < 1e-7
    assert plan.exact == (case.possible() and np.ptp(case.cost) == 0)
    if case.possible():
        drawn = weights * (case.left / (weights @ case.cost))
        assert np.all(drawn <= case.caps + 1e-8 * drawn.sum())


@pytest.mark.parametrize("seed", [seed for seed in range(0, 60, 2) if Case.of(seed).possible()][:12])
def test_as_good_as_a_general_solver(seed):
    case = Case.of(seed)
    plan = plan_allocation(**case.setup)
    problem = make_problem(**case.setup)
    A, K = case.constraints(), len(case.domains)

    def value(x):
        n = problem.spent.copy()
        n[problem.place] += np.maximum(x, 0.0) * case.left
        return problem.outlook.score(n)

    found = np.array(list(plan.weights.values()))
    for start in (found, np.full(K, 1.0 / K)):
        general = minimize(
            value,
            start,
            method="SLSQP",
            bounds=[(0, min(cap / case.left, 1.0)) for cap in case.caps],
            constraints=[
                {"type": "eq", "fun": lambda x: x.sum() - 1},
                {"type": "ineq", "fun": lambda x: -A @ x},
            ],
            options={"ftol": 1e-14, "maxiter": 300},
        )
        kept = np.max(A @ general.x) < 1e-9 and abs(general.x.sum() - 1) < 1e-9
        assert not kept or value(found) <= general.fun + 1e-6 * abs(general.fun)


def test_a_ceiling_and_a_cap_that_leave_no_room_together():
    """Each alone would do; together they cannot spend what is left."""
    law = LAWS[3]
    spent = dict.fromkeys(law.domains, 100.0)
    tight = [Domain(law.domains[0], 50, max_epochs=3), *(Domain(name, max_share=0.4) for name in law.domains[1:])]
    plan = plan_allocation(law, domains=tight, spent=spent, budget=1300)
    assert RELAXED in plan.binding
    assert not plan.exact
    roomy = [Domain(law.domains[0], 50, max_epochs=7), *tight[1:]]
    assert RELAXED not in plan_allocation(law, domains=roomy, spent=spent, budget=1300).binding


def test_a_floor_on_a_dear_domain_is_no_cause_to_widen_caps():
    """Half of the draws of a dear domain take most of the cost, and so few draws."""
    law = LAWS[3]
    spent = dict.fromkeys(law.domains, 100.0)
    dear = Domain(law.domains[0], 100, cost=10.0, max_epochs=3, min_share=0.5)
    plan = plan_allocation(law, domains=[dear, *map(Domain, law.domains[1:])], spent=spent, budget=1300)
    assert RELAXED not in plan.binding
    assert plan.weights[law.domains[0]] == pytest.approx(0.5)


def test_an_exhausted_pool_gets_nothing():
    law = LAWS[3]
    spent = dict.fromkeys(law.domains, 100.0)
    full = [Domain(law.domains[0], 50, max_epochs=2), *map(Domain, law.domains[1:])]
    plan = plan_allocation(law, domains=full, spent=spent, budget=1300)
    assert plan.weights[law.domains[0]] == 0.0
    assert plan.exact


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 1e300}, "budget is 1e"),
        ({"budget": "many"}, "budget is 'many'"),
        ({"budget": 10**400}, "budget is too large"),
        ({"spent": {"0": "many"}}, "spent of '0' is 'many'"),
        ({"spent": {"liver": 3.0}}, "spent: the law knows no domain 'liver'"),
        ({"spent": [1.0, 2.0]}, "spent is"),
        ({"spent": 5}, "spent is 5"),
        ({"targets": {"0": "1"}}, "weight of target '0' is '1'"),
        ({"time": "late"}, "time is 'late'"),
        ({"anneal": None}, "anneal is None"),
    ],
)
def test_what_is_no_number_of_draws_is_named(change, message):
    law = LAWS[3]
    setup = {"domains": [Domain(name) for name in law.domains], "spent": {}, "budget": 1000, **change}
    with pytest.raises(BadSetup, match=message):
        plan_allocation(law, **setup)
