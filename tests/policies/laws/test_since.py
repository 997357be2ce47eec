"""Laws that count from where a plateau ended: what they say is said in draws of the whole run."""

import numpy as np
import pytest

from policies import Domain, plan_allocation
from policies.allocation.problem import make_problem
from policies.history import History, Since
from policies.laws import JointLaw
from policies.laws.fit import fit_rows
from policies.records import LossReport
from tests.policies.worlds import World

PLATEAU = 2_000.0


def late_start(kind="islands", pools=None):
    """A run of which the first `PLATEAU` draws taught nothing, and where it stood at their end."""
    world = World(kind, 4, 3, 0.002)
    draws, losses = world.stream(0.6)
    draws = np.concatenate([np.zeros((1, 4)), draws])
    losses = np.concatenate([losses[:1] * 1.02, losses])
    history = History()
    for n, loss in zip(draws + PLATEAU / 4, losses, strict=True):
        named = dict(zip(world.names, n.tolist(), strict=True))
        history = history.append(LossReport(round(n.sum()), named, dict(zip(world.names, loss.tolist(), strict=True))))
    since = history.at(PLATEAU)
    domains = [Domain(name, pool=pools) for name in world.names]
    return world, domains, history, since


def test_where_a_row_stood():
    world, domains, history, since = late_start()
    assert since == Since(PLATEAU, dict.fromkeys(world.names, PLATEAU / 4), None)
    assert history.at(PLATEAU - 1).draws == {}
    rows = history.arrays(domains, None, since)
    assert len(rows.draws) == len(history.rows) - 1
    assert rows.total[0] == pytest.approx(history.rows[1].position - PLATEAU)
    assert rows.time.tolist() == rows.total.tolist(), "without learning rates time is draws"


def test_a_law_that_counts_from_the_end_of_a_plateau_knows_the_end_better():
    world, domains, history, since = late_start()
    final = np.full(4, world.budget / 4)
    truth = np.log(world.losses(final))
    errors = {}
    for name, rows in (("all", history.arrays(domains, None)), ("late", history.arrays(domains, None, since))):
        law, _ = fit_rows(rows)
        errors[name] = np.abs(law.log_predict(final + PLATEAU / 4)[0][0] - truth).mean()
    assert errors["late"] < 0.02
    assert errors["late"] < errors["all"]


@pytest.mark.parametrize("pools", [None, 1_500])
def test_plans_and_predictions_say_the_same_of_the_end(pools):
    _, domains, history, since = late_start(pools=pools)
    law = JointLaw.from_dict(fit_rows(history.arrays(domains, None, since))[0].to_dict())
    spent = dict(history.rows[-1].draws)
    problem = make_problem(law, domains=domains, spent=spent, budget=22_000)
    final = problem.final(np.array([0.1, 0.2, 0.3, 0.4]))
    value, gradient, _ = problem.outlook.targets(final)
    predicted = law.log_predict(final, np.array([problem.outlook.time]))[0][0] - law.centre
    assert value == pytest.approx(predicted, abs=1e-9)
    shift = 1e-3 * np.array([1.0, -1.0, 0.0, 0.0])  # a mixture moved: the total stays
    ahead, behind = (problem.outlook.targets(final + way * shift)[0] for way in (1, -1))
    assert (ahead - behind) / 2 == pytest.approx(gradient @ shift, rel=1e-4, abs=1e-12)
    plan = plan_allocation(law, domains=domains, spent=spent, budget=22_000)
    assert plan.kkt < 1e-9
    assert sum(plan.weights.values()) == pytest.approx(1.0)
