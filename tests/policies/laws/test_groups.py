"""Domains of one group: what is said of them before data, what is learnt, and that it helps where it is true."""

import dataclasses
import json

import numpy as np
import pytest

from policies import BadSetup, LossReport, fit_joint_law, load_policy, make_policy
from policies.laws.groups import NO_GROUP, Kinship, numbered
from policies.worlds.draw import ample_pools, effective_data, off_diagonal, spec
from policies.worlds.world import World

OWN = np.arange(6)
GROUPS = ["ct", "ct", "ct", "mr", "mr", None]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["b", None, "a", "b"], [1, NO_GROUP, 0, 1]),
        (["a", "a", "a"], None),
        (["a", "b", None], None),
        ([None, None], None),
        ([], None),
    ],
)
def test_groups_that_tell_no_pair_from_another_are_none(groups, expected):
    found = numbered(groups)
    assert (found if found is None else found.tolist()) == expected


def test_before_data_all_others_together_give_as_much_as_without_groups():
    kin = Kinship.of(numbered(GROUPS), OWN).hand_set(OWN)
    for i in OWN:
        others = np.delete(np.exp(kin[i]), i)
        assert others.mean() == pytest.approx(1.0)
    assert np.exp(kin[0, 1] - kin[0, 3]) == pytest.approx(2.0)
    assert kin[5] == pytest.approx(0.0), "a domain of no group"
    assert Kinship.of(numbered(GROUPS), np.array([-1])).hand_set(np.array([-1])) == pytest.approx(0.0)


def test_what_the_targets_show_of_pairs_of_groups_is_learnt():
    """Gifts from ct to mr alone are large, far more within mr than within ct."""
    kin = Kinship.of(numbered(GROUPS), OWN)
    base = kin.hand_set(OWN)
    apart = np.zeros((6, 6))
    apart[3:5, :3], apart[3:5, 3:5] = 1.0, 2.0
    load = np.where(np.eye(6, dtype=bool), 0.0, 50.0)
    learnt = kin.learnt(OWN, base + apart, load) - base
    assert learnt[3, 0] == pytest.approx(1.0, abs=0.05)
    assert learnt[3, 4] == pytest.approx(2.0, abs=0.15)
    assert learnt[0, 1] == pytest.approx(0.0, abs=0.05)
    assert learnt[5] == pytest.approx(0.0)
    nothing = kin.learnt(OWN, base + apart, np.zeros((6, 6)))
    assert nothing == pytest.approx(base)


def block_run(seed, K=9, noise=0.005):
    """One run with two sweeps over domains in three groups; draws, losses, groups, true transfer."""
    rng = np.random.default_rng([3, seed])
    group = rng.permutation(np.arange(K) % 3)
    tau = np.where(group[:, None] == group, rng.uniform(0.3, 0.6, (K, K)), rng.uniform(0.0, 0.06, (K, K)))
    pools = ample_pools(rng, K)
    world = World("blocks", K, seed=seed, noise=noise, spec=spec(effective_data(rng, off_diagonal(tau)), pools, K))
    names, step, reports = [d.name for d in world.domains], world.interval, []
    mixtures = [np.full(K, 1 / K)] * 2 + [0.2 / K + 0.8 * np.eye(K)[j] for j in [*range(K), *range(K)[::-1]]]
    for mixture in mixtures:
        reports.append(world.advance(dict(zip(names, mixture.tolist(), strict=True)), step))
    draws = np.array([[r.draws[name] for name in names] for r in reports])
    losses = np.array([[r.eval_loss[name] for name in names] for r in reports])
    return draws, losses, [f"g{g}" for g in group], tau


def missed(law, tau):
    """Mean error of log transfer, tiny ones counted as 0.01."""
    off = ~np.eye(len(tau), dtype=bool)
    return np.abs(np.log(np.maximum(law.transfer, 0.01)) - np.log(np.maximum(tau, 0.01)))[off].mean()


def test_true_groups_tell_transfer_better_and_false_ones_hardly_worse():
    told, untold, lied = [], [], []
    for seed in range(4):
        draws, losses, groups, tau = block_run(seed)
        false = [f"g{j}" for j in np.random.default_rng(seed).permutation(np.arange(9) // 3)]
        untold.append(missed(fit_joint_law(draws, losses), tau))
        told.append(missed(fit_joint_law(draws, losses, groups=groups), tau))
        lied.append(missed(fit_joint_law(draws, losses, groups=false), tau))
    assert np.mean(told) < 0.85 * np.mean(untold)
    assert np.mean(lied) < 1.1 * np.mean(untold)


def test_one_group_for_all_changes_nothing():
    draws, losses, _, _ = block_run(0, K=4)
    assert fit_joint_law(draws, losses, groups=["x"] * 4).to_dict() == fit_joint_law(draws, losses).to_dict()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("ct", "groups is 'ct'"),
        (["ct"], "groups has 1 entries"),
        (["ct", 5], r"groups\[1\] is 5"),
        (["ct", ""], r"groups\[1\] is ''"),
    ],
)
def test_groups_that_cannot_be_are_named(groups, message):
    with pytest.raises(BadSetup, match=message):
        fit_joint_law([[1.0, 1.0], [2.0, 3.0]], [[2.0, 2.0], [1.0, 1.0]], groups=groups)


def grouped_run(groups):
    rng = np.random.default_rng(8)
    K, pools = len(groups), ample_pools(rng, len(groups))
    tau = off_diagonal(rng.uniform(0.0, 0.4, (K, K)))
    made = spec(effective_data(rng, tau), pools, K)
    domains = tuple(dataclasses.replace(d, group=g) for d, g in zip(made.domains, groups, strict=True))
    return World("blocks", K, seed=8, noise=0.01, spec=dataclasses.replace(made, domains=domains))


def test_a_policy_uses_the_groups_of_its_domains_and_keeps_what_it_learnt():
    """Dumped at every step or never, in any order of the domains: the same decisions; without groups, others."""
    shares = []
    for groups, order, dumped in (
        (["a", "a", "b", "b"], 1, False),
        (["a", "a", "b", "b"], -1, True),
        ([None] * 4, 1, False),
    ):
        world = grouped_run(groups)
        policy = make_policy("transfer_law", world.domains[::order], world.budget, interval=world.interval)
        seen = []
        for _ in range(18):
            weights = policy.propose().weights
            seen.append([weights[d.name] for d in world.domains])
            report = world.advance(weights, world.interval)
            policy.observe(LossReport.from_dict({**report.to_dict(), "grad_dot": None}))
            policy = load_policy(json.loads(json.dumps(policy.dump()))) if dumped else policy
        shares.append((seen, policy.law.transfer))
    assert shares[0][0] == shares[1][0]
    assert shares[0][1] == pytest.approx(shares[1][1])
    assert not np.allclose(shares[0][1], shares[2][1])
