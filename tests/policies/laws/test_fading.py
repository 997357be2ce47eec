"""A domain that stops giving to others is noticed; one that was overrated from the start is not called changed."""

import numpy as np
import pytest

from policies.laws.fading import fading
from policies.laws.fit import fit_rows
from policies.laws.rows import from_arrays

NAMES = ("ct", "mr", "pet", "us")
BUDGET, STEP, LEFT = 20_000, 400, 4_000
RAISED = ("pet",)


def run(fades=None, *, lost=1.0, seed=0, noise=0.005, until=0.7, worth=0.5, scale=1.0):
    """Draws and losses of a run that probes each domain twice and then puts `pet`, a hub, in front.

    From the position `fades` on its draws are worth the part `lost` less to the others.
    """
    rng = np.random.default_rng(seed)
    base = np.full(4, 0.25)
    shares = [base] + [0.2 * base + 0.8 * np.eye(4)[j] for j in (0, 1, 2, 3, 3, 2, 1, 0)]
    shares += [0.35 * base + 0.65 * np.eye(4)[2]] * 100
    n, given = np.zeros(4), np.zeros(4)
    alpha, floor = np.array([0.3, 0.35, 0.3, 0.4]), np.array([0.3, 0.2, 0.4, 0.3])
    draws, losses = [], []
    for step in range(round(until * BUDGET / STEP)):
        n = n + STEP * shares[step]
        left = 1.0 - lost if fades is not None and step * STEP >= fades else 1.0
        given = given + STEP * shares[step] * np.array([1, 1, left, 1])
        worths = 0.1 * (given.sum() - given) + (worth - 0.1) * given[2] * (np.arange(4) != 2)
        exact = floor + 0.8 * ((n + worths + 100) / 2_000) ** -alpha
        draws.append(n)
        losses.append(scale * exact * np.exp(noise * rng.standard_normal(4)))
    return np.array(draws), np.array(losses)


def found(draws, losses, raised=RAISED, left=LEFT, idle=0):
    """`idle` more domains are listed that nobody draws from."""
    names = (*NAMES, *(f"idle{k}" for k in range(idle)))
    draws = np.hstack([draws, np.zeros((len(draws), idle))])
    rows = from_arrays(draws, losses, pools=None, time=None, sem=None, run=None, domains=names, targets=NAMES)
    law, warm = fit_rows(rows)
    return fading(rows, law, warm, raised, left=left, budget=BUDGET)


@pytest.mark.parametrize("seed", range(3))
def test_a_hub_that_stops_giving_is_named_with_when_and_how_much(seed):
    change = found(*run(fades=8_000, seed=seed))
    assert change.domain == "pet"
    assert 6_400 <= change.since <= 10_000
    assert change.lost > 0.6
    assert "draws of pet have given others about" in str(change)


@pytest.mark.parametrize("seed", range(6))
def test_a_hub_that_goes_on_giving_is_not_suspected(seed):
    assert found(*run(seed=seed)) is None


def test_half_a_loss_is_found_only_where_it_is_half():
    assert found(*run(fades=8_000, lost=0.2)) is None, "a fifth less is not worth a new sweep"


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_the_more_domains_the_clearer_it_has_to_be(seed):
    draws, losses = run(fades=8_000, seed=seed, noise=0.03)
    assert 6 < found(draws, losses).clear < 9.5
    assert found(draws, losses, idle=8) is None, "as clear, but among twelve one or other looks so by chance"


def test_what_was_so_before_the_hub_was_raised_is_no_change():
    """A hub that fades right when it is raised looks like one that was overrated: the refit's business."""
    assert found(*run(fades=LEFT)) is None


def test_only_domains_that_were_raised_are_watched_and_only_after_a_while():
    draws, losses = run(fades=8_000)
    assert found(draws, losses, raised=("ct",)) is None
    assert found(draws, losses, raised=()) is None
    assert found(draws, losses, left=BUDGET) is None
    assert found(draws[:11], losses[:11]) is None


def test_units_do_not_matter_and_missing_values_are_left_out():
    draws, losses = run(fades=8_000)
    plain, scaled = found(draws, losses), found(draws, 100 * losses)
    assert scaled.since == plain.since
    assert scaled.lost == pytest.approx(plain.lost, rel=1e-3)
    losses[20:25, 0] = np.nan
    losses[12, :] = np.nan
    assert found(draws, losses).domain == "pet"
