"""What a law leaves over in many runs is found, is carried along, and stays out where it is not wanted."""

import json

import numpy as np
import pytest

from policies import JointLaw, fit_joint_law

GRID = np.random.default_rng(5).dirichlet(np.ones(4), 60)


def runs(count, wave, noise=0.003, seed=0):
    """Static runs of 4 domains: our own law times exp(wave sin(...)), which no parameter of it can follow."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(4), count)
    losses = truth(shares, wave)
    return shares * 1e4, losses * np.exp(noise * rng.standard_normal(losses.shape))


def truth(shares, wave):
    tau = np.eye(4) + 0.2 * (1 - np.eye(4))
    plain = 0.3 + 0.4 * (shares @ tau.T + 0.02) ** -0.3
    return plain * np.exp(wave * np.sin(6 * shares[:, [1, 2, 3, 0]]))


def error(law, wave):
    return float(np.mean(np.abs(law.predict(GRID * 1e4).mean / truth(GRID, wave) - 1)))


def plain(law):
    body = law.to_dict()
    for family in body["families"]:
        family["correction"] = None
    return JointLaw.from_dict(body)


def test_shape_that_no_parameter_can_follow_is_learnt_from_many_runs():
    law = fit_joint_law(*runs(150, 0.04))
    assert error(law, 0.04) < 0.7 * error(plain(law), 0.04)


def test_where_the_law_is_right_nothing_is_added():
    law = fit_joint_law(*runs(100, 0.0))
    assert error(law, 0.0) < 1.15 * error(plain(law), 0.0)
    assert error(law, 0.0) < 0.004


def test_a_correction_fades_far_from_all_runs():
    draws, losses = runs(150, 0.04)
    near = draws[:, 0] < 0.5 * draws.sum(axis=1)
    law = fit_joint_law(draws[near], losses[near])
    corner = [[1e4, 0.0, 0.0, 0.0]]
    middle = [[2.5e3, 2.5e3, 2.5e3, 2.5e3]]
    mean, sd = law.log_predict(corner + middle)
    bare, less = plain(law).log_predict(corner + middle)
    assert np.all(np.abs(mean - bare) < 0.1)
    assert np.all(sd >= less)
    assert sd[0].mean() > 2 * sd[1].mean()


def test_json_keeps_the_correction():
    draws, losses = runs(60, 0.04)
    losses[::7, 2] = np.nan
    law = fit_joint_law(draws, losses)
    assert any(family.correction is not None for family in law.families)
    copy = JointLaw.from_dict(json.loads(json.dumps(law.to_dict(), allow_nan=False)))
    assert np.array_equal(copy.predict(draws).high, law.predict(draws).high)
    assert copy.to_dict() == law.to_dict()


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_correction_is_free_of_units_and_of_order(scale):
    draws, losses = runs(60, 0.04)
    law, turn = fit_joint_law(draws, losses), [2, 0, 3, 1]
    scaled = fit_joint_law(draws * 1e5, losses * scale)
    assert scaled.predict(GRID * 1e9).mean == pytest.approx(law.predict(GRID * 1e4).mean * scale, rel=1e-6)
    turned = fit_joint_law(draws[:, turn], losses[:, turn])
    assert turned.predict(GRID[:, turn]).mean == pytest.approx(law.predict(GRID).mean[:, turn], rel=1e-6)


def test_one_run_is_not_corrected():
    draws = np.cumsum(np.full((40, 2), 50.0), axis=0)
    law = fit_joint_law(draws, 0.3 + draws**-0.3)
    assert all(family.correction is None for family in law.families)
