"""A planted training whose laws are known, and a policy that states them: one hub, one island."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policies import BasePolicy, Decision, Domain, JointLaw, LossReport, fit_joint_law
from policies.records import Interval, LawSummary
from policies.registry import POLICIES
from service.journal import Journal
from service.owner import Owner, Spec

NAMES = ("ct", "t1", "epi", "pet")
POOLS = (4000, 3000, 2500, 400)
BUDGET, STEP = 9600, 1200
# row receives, column gives: epi is the hub, pet an island
WORTH = np.array([[1.0, 0.2, 0.9, 0.05], [0.3, 1.0, 1.4, 0.04], [0.2, 0.3, 1.0, 0.05], [0.06, 0.05, 0.08, 1.0]])
FLOOR, SIZE, SLOPE = np.array([0.2, 0.25, 0.15, 0.3]), np.array([1.2, 1.0, 0.9, 1.5]), np.array([0.3, 0.28, 0.35, 0.25])


def truth(draws: Any) -> np.ndarray:
    """Noise-free losses (N, 4) after cumulative draws (N, 4)."""
    effective = np.atleast_2d(draws) @ WORTH.T + 20.0
    return FLOOR + SIZE * (effective / 100) ** -SLOPE


def around(value: float, width: float = 0.1) -> Interval:
    return Interval(value, value * (1 - width), value * (1 + width))


@functools.cache
def fitted() -> JointLaw:
    """The law as fitted to forty mixtures of the planted training, with a little noise."""
    rng = np.random.default_rng(1)
    mixtures = rng.dirichlet(np.ones(len(NAMES)), 40)
    draws = mixtures * rng.uniform(0.2, 1.0, (40, 1)) * BUDGET
    losses = truth(draws) * np.exp(0.004 * rng.standard_normal((40, len(NAMES))))
    return fit_joint_law(draws, losses, pools=np.array(POOLS, dtype=float), domains=NAMES, targets=NAMES)


def summary() -> LawSummary:
    """The planted numbers with a tenth either way; what ct and t1 give to pet is not identified."""
    return LawSummary(
        exponents={n: around(float(a)) for n, a in zip(NAMES, SLOPE, strict=True)},
        floors={n: around(float(e)) for n, e in zip(NAMES, FLOOR, strict=True)},
        transfer={
            to: {source: around(float(WORTH[i, j])) for j, source in enumerate(NAMES)} for i, to in enumerate(NAMES)
        },
        identified={to: {s: not (to == "pet" and s in ("ct", "t1")) for s in NAMES} for to in NAMES},
        hub_score={source: around(float(WORTH[:, j].sum() - 1) / 3, 0.15) for j, source in enumerate(NAMES)},
        residual_sd=dict.fromkeys(NAMES, 0.01),
        families={"effective": 0.8, "separable": 0.2},
        burn_in=600.0,
    )


class Canned(BasePolicy):
    """Probes twice, then moves towards the hub, then keeps the mixture; the figures it states are planted."""

    name = "canned"

    @property
    def law(self) -> Any:
        return fitted() if self._refits else None

    def _decide(self, position: int) -> Decision:
        if self._last is None:
            return Decision(position, self.baseline, "start")
        self._refits += 1
        if self._refits < 3:
            hot = NAMES[self._refits - 1]
            return Decision(position, {n: 0.4 if n == hot else 0.2 for n in NAMES}, "probe", refit=self._refits)
        weights = {"ct": 0.2, "t1": 0.15, "epi": 0.45, "pet": 0.2}
        draws = np.array([self._last.draws[n] for n in NAMES])
        rest = self.budget - self._last.position
        end = truth(draws + rest * np.array([weights[n] for n in NAMES]))[0]
        even = truth(np.full(len(NAMES), self.budget / len(NAMES)))[0]
        gain = float(np.mean(np.log(even) - np.log(end)))
        return Decision(
            position,
            weights,
            "refit" if self._refits == 3 else "kept: no gain beyond uncertainty",
            detail="epi helps <ct> and t1 & costs no more",
            refit=self._refits,
            predicted={n: around(float(v), 0.03) for n, v in zip(NAMES, end, strict=True)},
            predicted_baseline={n: around(float(v), 0.03) for n, v in zip(NAMES, even, strict=True)},
            gain=Interval(gain, gain - 0.01, gain + 0.01),
            binding=("pool of pet",),
            law=summary(),
        )


@pytest.fixture(autouse=True)
def canned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLICIES, "canned", Canned)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}", clock=_clock()) as journal:
        yield journal


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a finished run with a law and some trouble on the way, and a uniform run beside it."""
    path = tmp_path_factory.mktemp("told") / "journal.db"
    with pytest.MonkeyPatch.context() as patch, Journal(f"sqlite:///{path}", clock=_clock()) as journal:
        patch.setitem(POLICIES, "canned", Canned)
        tell(journal, "demo", policy="canned", trouble=True)
        tell(journal, "plain", policy="uniform")
    return path


@pytest.fixture
def told(stored: Path, tmp_path: Path) -> Iterator[Journal]:
    """A copy of that journal, to be written to at will."""
    shutil.copy(stored, tmp_path / "told.db")
    with Journal(f"sqlite:///{tmp_path / 'told.db'}", clock=_clock()) as journal:
        yield journal


def _clock() -> Callable[[], float]:
    ticks = iter(range(10**6))
    return lambda: 1_790_000_000.0 + 7.0 * next(ticks)


def tell(journal: Journal, name: str, *, policy: str, until: int = BUDGET, trouble: bool = False, **spec: Any) -> Owner:
    """Write the journal of a run of the planted training that stops at draw `until`."""
    domains = tuple(Domain(n, pool=pool, max_epochs=10) for n, pool in zip(NAMES, POOLS, strict=True))
    journal.create(name, Spec(domains, BUDGET, STEP, policy=policy, seed=3, **spec).to_dict())
    owner = Owner(journal, name)
    decision, draws = owner.start(), np.zeros(len(NAMES))
    noise = np.random.default_rng(5)
    for position in range(STEP, until + 1, STEP):
        draws = draws + STEP * np.array([decision.weights[n] for n in NAMES])
        losses = truth(draws)[0] * np.exp(0.004 * noise.standard_normal(len(NAMES)))
        report = LossReport(
            position,
            dict(zip(NAMES, draws.tolist(), strict=True)),
            dict(zip(NAMES, losses.tolist(), strict=True)),
            dict(zip(NAMES, (0.004 * losses).tolist(), strict=True)),
            lr_sum=position * 1e-3,
        )
        if trouble and position == 6 * STEP:
            owner.note("skipped", position - 40, {"cause": "loss is not finite", "domain": "pet"})
            owner.note(
                "quarantine", position - 20, {"domain": "pet", "name": "7f3a/scan_<2>.nii", "cause": "cut short"}
            )
            decision = owner.hold(report, "no answer within 120 s")
        else:
            decision = owner.decide(report)
    if until == BUDGET:
        owner.note("throughput", until, {"eval_share": 0.041})
        owner.note("finished", until, {})
    return owner
