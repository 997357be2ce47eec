"""What all rivals share: tuning ranges, options, sparse and frequent reports, long runs, targets of their own."""

import math

import numpy as np
import pytest

from policies import BadSetup, Domain, LossReport, available_policies, make_policy
from policies.records import check_mixture
from policies.rivals import RIVALS, TUNE
from policies.rivals.losses import LONGEST, appended, domain_logs
from tests.policies.rivals.training import effective, follow, make

NAMES = [rival.name for rival in RIVALS]
POOLS = {"a": 4_000, "b": 400, "c": 40}
WORTH = [[1.0, 0.4, 0.0], [0.3, 1.0, 0.1], [0.0, 0.2, 1.0]]


def test_every_published_rival_is_there():
    known = "temperature unimax odm ado doremi skill_it aioli doge regmix mixing_law"
    assert set(known.split()) == set(NAMES)
    assert set(NAMES) | {"proportional", "uniform", "fixed", "own_law", "transfer_law"} <= set(available_policies())


@pytest.mark.parametrize("rival", RIVALS, ids=NAMES)
def test_what_tuning_moves_is_an_option_and_within_its_limits(rival):
    for option, (low, high, scale) in TUNE[rival.name].items():
        assert rival.LIMITS[option][0] <= low < high <= rival.LIMITS[option][1]
        assert scale in ("log", "linear")
        for value in (low, high):
            make(rival.name, POOLS, **{option: value})
    assert set(rival.LIMITS) <= set(rival.OPTIONS)


@pytest.mark.parametrize("rival", RIVALS, ids=NAMES)
def test_an_option_out_of_range_is_named_with_its_cure(rival):
    option, (low, _) = next(iter(rival.LIMITS.items()))
    for bad in (low - 1, math.nan, "much", True):
        with pytest.raises(BadSetup, match=rf"option {option} of '{rival.name}' is .*must be a number in"):
            make(rival.name, POOLS, **{option: bad})


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_run_with_missing_values_and_halved_intervals(name):
    """Reports twice an interval, every third value missing, gradient products now and then."""
    policy, rng = make(name, POOLS), np.random.default_rng(5)
    draws, loss = np.zeros(3), effective(WORTH)
    for step in range(1, 101):
        draws = draws + 50 * np.array([policy.propose().weights[n] for n in "abc"])
        losses = np.where(rng.random(3) < 1 / 3, np.nan, loss(draws))
        products = {"a": {"b": 1.0, "a": 2.0}} if step % 3 == 0 else None
        counted = dict(zip("abc", draws.tolist(), strict=True))
        values = dict(zip("abc", losses.tolist(), strict=True))
        policy.observe(LossReport(step * 50, counted, values, grad_dot=products))
        check_mixture(policy.propose().weights, "abc")


@pytest.mark.parametrize("name", NAMES)
def test_targets_that_are_no_domains(name):
    policy = make(name, POOLS, targets={"lesion": 2.0, "organ": 1.0})
    for step in range(1, 51):
        share = policy.propose().weights
        fallen = 1.0 / (step + 3 * share["b"]) ** 0.3
        draws = dict.fromkeys("abc", 100 * step / 3)
        policy.observe(LossReport(100 * step, draws, {"lesion": fallen, "organ": 0.5 * fallen}))
        check_mixture(policy.propose().weights, "abc")


@pytest.mark.parametrize("name", NAMES)
def test_one_domain_alone(name):
    assert follow(make(name, {"a": 100}), lambda draws: 1.0 / (draws + 1) ** 0.2)[-1].weights == {"a": 1.0}


@pytest.mark.parametrize("name", NAMES)
def test_bounds_of_the_domains_hold(name):
    domains = [Domain("a", pool=1_000, max_share=0.4), Domain("b", pool=1_000), Domain("c", min_share=0.25)]
    policy = make_policy(name, domains, 5_000, interval=100)
    for decision in follow(policy, effective(WORTH)):
        assert decision.weights["a"] <= 0.4 + 1e-9
        assert decision.weights["c"] >= 0.25 - 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_state_stays_small_over_a_long_run(name):
    """2,000 reports: what is dumped, and so what a decision costs, does not grow with the run."""
    policy = make(name, POOLS, intervals=2_000, interval=10)
    follow(policy, effective(WORTH), reports=1_000)
    half = len(str(policy.dump()["state"]))
    follow_on(policy, 1_000)
    assert len(str(policy.dump()["state"])) < 1.5 * half + 200


def follow_on(policy, reports):
    last, loss = policy.dump()["last"], effective(WORTH)
    draws = np.array([last["draws"][name] for name in "abc"])
    for step in range(1, reports + 1):
        draws = draws + policy.interval * np.array([policy.propose().weights[name] for name in "abc"])
        values = [dict(zip("abc", array.tolist(), strict=True)) for array in (draws, loss(draws))]
        policy.observe(LossReport(last["position"] + step * policy.interval, *values))


def test_a_committed_mixture_is_carried_over_to_new_domains():
    policy = make("regmix", POOLS)
    follow(policy, effective(WORTH), reports=20)
    before = policy.propose().weights
    policy.update_domains(2_000, [*policy.domains[:2], Domain("new", pool=100)])
    draws = {"a": 1_100.0, "b": 1_100.0, "new": 0.0}
    after = policy.propose().weights
    policy.observe(LossReport(2_100, draws, dict.fromkeys(draws, 0.5)))
    assert policy.propose().weights == pytest.approx(after)
    assert after["a"] / after["b"] == pytest.approx(before["a"] / before["b"])


def test_training_loss_comes_first_and_nothing_is_filled_in():
    report = LossReport(
        1, {"a": 1, "b": 1, "c": 1}, {"a": 2.0, "b": 3.0, "c": math.nan}, train_loss={"a": 1.0, "b": math.nan}
    )
    assert domain_logs(report, "abc") == pytest.approx({"a": 0.0, "b": math.log(3)})


def test_a_long_series_is_thinned_and_keeps_its_mean():
    series = []
    for step in range(1, 5_000):
        series = appended(series, float(step), -0.5 * math.log(step))
    assert len(series) <= LONGEST
    assert series[-1][0] == pytest.approx(math.log(4_999))
    assert all(y == pytest.approx(-0.5 * x) for x, y in series)
    assert [x for x, _ in series] == sorted(x for x, _ in series)
