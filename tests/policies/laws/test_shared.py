"""What targets share, and how a fit gets out of a bad valley."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from policies.laws import JointLaw
from policies.laws.family import _noise
from policies.laws.fit import fit_joint_law, fit_rows
from policies.laws.form import ALPHA, HEAD
from policies.laws.priors import hand_set
from policies.laws.rows import from_arrays
from tests.policies.worlds import World


def test_all_other_domains_together_are_believed_to_give_the_same():
    def given(domains):
        return (domains - 1) * np.exp(hand_set(domains).source[0])

    assert given(20) == pytest.approx(given(5)) == pytest.approx(given(40)) == pytest.approx(1.2)
    assert np.exp(hand_set(3).source[0]) == pytest.approx(0.3), "few domains: each as from one run of real volumes"


@pytest.mark.parametrize(("rows", "least", "most"), [(6, 0.006, 0.02), (600, 0.0009, 0.002)])
def test_a_target_that_looks_quiet_by_luck_is_as_noisy_as_the_others(rows, least, most):
    sign = np.where(np.arange(rows) % 2, 1.0, -1.0)
    residual = np.array([0.001, 0.01, 0.01, 0.01])[:, None] * sign
    noise = _noise(SimpleNamespace(trust=np.ones(rows)), residual, np.full(4, 5.0))
    assert least < noise[0] < most
    assert noise[1] > noise[0]


def test_a_fit_leaves_a_bad_valley_when_it_has_to_hold_its_own():
    world = World("islands", 4, 1, 0.005)
    draws, losses = world.stream(0.6)
    names = world.names
    rows = from_arrays(draws, losses, pools=None, time=None, sem=None, run=None, domains=names, targets=names)
    good, warm = fit_rows(rows)
    astray = []
    for theta in warm.thetas:
        theta = theta.copy()
        theta[:, ALPHA] += 1.5
        theta[:, HEAD:-1] += 3.0 * (1 - np.eye(4))
        astray.append(theta)
    warm = dataclasses.replace(warm, thetas=tuple(astray))
    stuck, _ = fit_rows(rows, warm=warm)
    freed, _ = fit_rows(rows, warm=warm, anew=True)
    assert np.abs(freed.exponents - good.exponents).max() < 0.1 < 0.3 < np.abs(stuck.exponents - good.exponents).max()


def checked(world, *, twist=1.0):
    """The law of a run whose losses are multiplied by `twist` from two thirds on."""
    draws, losses = world.stream(0.6)
    losses[len(losses) * 2 // 3 :] *= twist
    names = world.names
    rows = from_arrays(draws, losses, pools=None, time=None, sem=None, run=None, domains=names, targets=names)
    return fit_rows(rows)[0], draws[-1:] * 2


def test_intervals_are_as_wide_as_rows_held_out_say():
    laws = [checked(World("islands", 4, seed, 0.005))[0] for seed in range(3)]
    assert 0.5 < np.mean([law.checked for law in laws]) < 1.0, "weak priors make the plain intervals too wide"
    misled, ahead = checked(World("islands", 4, 1, 0.005), twist=1.2)
    assert misled.checked > 1.5
    plain = dataclasses.replace(misled, checked=1.0).predict(ahead)
    found = misled.predict(ahead)
    assert np.log(found.high / found.low) == pytest.approx(misled.checked * np.log(plain.high / plain.low))
    assert found.mean == pytest.approx(plain.mean)


def test_too_few_rows_to_hold_any_out_check_nothing():
    world = World("islands", 4, 1, 0.005)
    draws, losses = world.stream(0.6)
    assert fit_joint_law(draws[:9], losses[:9]).checked == 1.0


def test_a_law_dumped_before_anything_was_checked_can_be_read():
    law, ahead = checked(World("islands", 4, 1, 0.005), twist=1.2)
    body = {name: value for name, value in law.to_dict().items() if name != "checked"}
    old = JointLaw.from_dict(body)
    assert old.checked == 1.0
    assert old.predict(ahead).mean == pytest.approx(law.predict(ahead).mean)


def test_annealing_is_expected_to_lower_the_loss_before_any_was_seen():
    world = World("islands", 4, 1, 0.005)
    law = fit_joint_law(*world.stream(0.6))
    end = np.repeat(world.stream(0.6)[0][-1:], 3, axis=0)
    high, half, low = law.predict(end, anneal=[0.0, 0.5, 1.0]).mean
    assert np.all(high > half)
    assert np.all(half > low)
    assert np.log(low / high) == pytest.approx(-0.14, abs=0.01)
    assert np.all(law.predict(end[:1], anneal=1.0).mean == low)
