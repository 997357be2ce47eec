"""Temperature and UniMax: shares that only the pools decide."""

import pytest

from policies import Domain, make_policy
from policies.rivals.unimax import unimax_draws
from tests.policies.rivals.training import make


def weights(name, pools, **options):
    return make(name, pools, **options).propose().weights


def test_xlm_r_raises_a_thousandth_language_to_an_eighth_of_the_largest():
    shares = weights("temperature", {"swahili": 1, "english": 1_000})
    assert shares["english"] / shares["swahili"] == pytest.approx(1_000**0.3)


def test_temperature_goes_from_proportional_to_uniform():
    pools = {"ct": 900, "pet": 100}
    assert weights("temperature", pools, temperature=1.0)["pet"] == pytest.approx(0.1)
    assert weights("temperature", pools, temperature=1e6)["pet"] == pytest.approx(0.5, abs=1e-5)


def test_unimax_pours_what_small_pools_cannot_take_into_the_larger_ones():
    """Budget 300, one epoch: 10 of 10; then 290 / 2 = 145, but 100 is all there is; the rest is 190."""
    assert unimax_draws({"b": 100.0, "a": 10.0, "c": 1_000.0}, 300.0, 1.0) == {"a": 10.0, "b": 100.0, "c": 190.0}


def test_unimax_with_four_epochs_in_shares():
    shares = weights("unimax", {"a": 100, "b": 10_000, "c": None}, epochs=4.0)  # budget 5,000
    assert [shares[name] for name in "abc"] == pytest.approx([0.08, 0.46, 0.46])


def test_unimax_is_proportional_where_every_cap_binds():
    assert weights("unimax", {"a": 10, "b": 30})["b"] == pytest.approx(0.75)


@pytest.mark.parametrize("name", ["temperature", "unimax"])
def test_a_pool_that_grows_changes_the_shares(name):
    policy = make(name, {"a": 100, "b": 1_000})
    before = policy.propose().weights["a"]
    policy.update_domains(0, [Domain("a", pool=900), Domain("b", pool=1_000)])
    grown = make_policy(name, policy.domains, policy.budget, interval=policy.interval).propose()
    assert policy.propose().weights == grown.weights
    assert grown.weights["a"] > before
