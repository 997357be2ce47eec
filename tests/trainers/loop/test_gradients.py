"""Gradient products in reports: what they say, that they change nothing, and that ranks agree on them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from trainers.config.training import TrainConfig, eval_crops_for
from trainers.loop import LocalComm, run, run_ranks
from trainers.loop.checkpoint import read_state
from trainers.loop.gradients import gradient_products
from trainers.loop.training import Training
from trainers.model.evaluation import evaluate

INTERVAL = 64
STEP = 1e-5


@pytest.fixture
def training(make_job):
    """A run after a few steps."""
    job = make_job("run", {}, gradient_products=True)
    found = Training(job, LocalComm(), None)
    found.begin()
    steps = found._steps()
    for _ in range(12):
        found._step(next(steps))
    yield found
    found.close(False)


def products(training):
    return training.examiner.products(training.learner, training.ema)


def test_a_small_step_on_a_domain_lowers_losses_as_its_products_say(training):
    """The products predict by how much each loss falls after a preconditioned gradient step on one domain."""
    learner, held = training.learner, list(training.examiner.held_out)
    names = list(training.job.domains)
    told = gradient_products(learner, held, names, training.comm)
    before = evaluate(learner.model, held, 3).mean(names)
    for j, source in enumerate(names):
        model, state = learner.model, learner.optimizer.state
        kept = [p.detach().clone() for p in learner.parameters]
        batch = [(b.image[b.domain == j], b.visible[b.domain == j]) for b in held if (b.domain == j).any()]
        model.eval()
        loss = torch.cat([model(*part) for part in batch]).mean()
        gradient = torch.autograd.grad(loss, learner.parameters)
        with torch.no_grad():
            for p, g in zip(learner.parameters, gradient, strict=True):
                p -= STEP * g / (state[p]["exp_avg_sq"].sqrt() + 1e-8)
        after = evaluate(model, held, 3).mean(names)
        with torch.no_grad():
            for p, value in zip(learner.parameters, kept, strict=True):
                p.copy_(value)
        others = [name for name in names if name != source]
        falls = [before[name] - after[name] for name in others]
        expected = [STEP * told[name][source] for name in others]
        assert falls == pytest.approx(expected, rel=0.1), source


def test_products_change_nothing_and_are_the_same_twice(training):
    weights = [p.detach().clone() for p in training.learner.parameters]
    first = products(training)
    assert products(training) == first
    assert all(torch.equal(p, q) for p, q in zip(training.learner.parameters, weights, strict=True))
    assert all(p.grad is None for p in training.learner.parameters)
    assert training.learner.model.training
    assert set(first) == set(first["ct"]) == {"ct", "mr", "pet"}
    assert all(math.isfinite(value) for row in first.values() for value in row.values())
    assert first["ct"]["mr"] == pytest.approx(first["mr"]["ct"])


def test_a_run_with_products_draws_and_learns_as_without(make_job):
    plain = run(make_job("plain", {}), LocalComm())
    told = run(make_job("told", {}, gradient_products=True), LocalComm())
    assert told.eval_loss == plain.eval_loss
    assert told.draws == plain.draws


def reported(result):
    """(K, K) products of the last report."""
    products = read_state(Path(result.checkpoint))["pending"]["report"]["grad_dot"]
    return np.array([list(row.values()) for row in products.values()])


@pytest.mark.parametrize(("precision", "off"), [("fp32", 2e-3), ("bf16", 0.1)])
def test_two_ranks_find_the_products_of_one(make_job, precision, off):
    def job(name):
        return make_job(name, {"budget": 2 * INTERVAL}, gradient_products=True, precision=precision)

    one, two = reported(run(job("one"), LocalComm())), reported(run_ranks(job("two"), 2))
    assert np.isfinite(one).all()
    assert two == pytest.approx(one, abs=off * np.abs(one).max())


def test_what_an_evaluation_costs_is_counted():
    plain, told = (TrainConfig(gradient_products=on) for on in (False, True))
    assert eval_crops_for(told, 19_200, 384, 6) == eval_crops_for(plain, 19_200, 384, 6) // 4
    with pytest.raises(ValueError, match="sharding = fsdp"):
        TrainConfig(gradient_products=True, sharding="fsdp")
