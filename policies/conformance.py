"""Cases that every policy must pass; run them on a policy of your own with `check_policy(factory)`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from policies.policy import BasePolicy
from policies.records import BadReport, Domain, LossReport, check_mixture

Factory = Callable[..., BasePolicy]

BUDGET, INTERVAL = 2_500, 100
REPORTS = 12  # past the probing of three domains
_NAMES = ("ct", "mr", "pet")
_WORTH = {"ct": (1.0, 0.4, 0.0), "mr": (0.3, 1.0, 0.1), "pet": (0.0, 0.2, 1.0)}


def _domains() -> list[Domain]:
    pools = {"ct": 3_000, "mr": 900, "pet": 200}
    return [Domain(name, pool=pools[name]) for name in _NAMES]


def _report(position: int, draws: dict[str, float], before: dict[str, float]) -> LossReport:
    """A made-up training whose losses fall with what was drawn, transfer included; `before`: draws at the last one."""
    losses = {}
    for phase, (target, row) in enumerate(_WORTH.items()):
        data = sum(worth * draws[name] for worth, name in zip(row, _NAMES, strict=True))
        wobble = 1 + 0.002 * math.sin(1.7 * position / INTERVAL + phase)
        losses[target] = (0.2 + 2.0 * (data + 10) ** -0.35) * wobble
    counts = {name: draws[name] - before[name] for name in _NAMES}
    return LossReport(position, dict(draws), losses, dict.fromkeys(losses, 0.002), dict(losses), counts)


def _run(policy: BasePolicy, reports: int, hook: Callable[[BasePolicy], BasePolicy] = lambda p: p) -> list[Any]:
    """Follow the policy for so many reports; the decisions it made, as dictionaries."""
    draws = dict.fromkeys(_NAMES, 0.0)
    decisions = [policy.propose().to_dict()]
    for step in range(1, reports + 1):
        weights, before = policy.propose().weights, draws
        draws = {name: value + weights[name] * INTERVAL for name, value in draws.items()}
        policy = hook(policy)
        policy.observe(_report(step * INTERVAL, draws, before))
        decisions.append(policy.propose().to_dict())
    return decisions


def _make(factory: Factory, **changes: Any) -> BasePolicy:
    return factory(**{"domains": _domains(), "budget": BUDGET, "interval": INTERVAL, **changes})


def _decides(factory: Factory) -> None:
    """Each decision is a mixture over the domains, at the first boundary after its report."""
    for step, body in enumerate(_run(_make(factory), BUDGET // INTERVAL)):
        check_mixture(body["weights"], _NAMES)
        assert body["position"] == step * INTERVAL, f"position {body['position']} after report {step}"
        assert body["reason"], "a decision needs a reason"
        json.dumps(body, allow_nan=False)


def _repeats(factory: Factory) -> None:
    """The same reports give the same decisions, and asking twice changes nothing."""
    assert _run(_make(factory), REPORTS) == _run(_make(factory), REPORTS), "same reports, other decisions"
    policy = _make(factory)
    assert policy.propose() == policy.propose(), "propose() answered differently the second time"
    before = policy.dump()
    policy.propose()
    assert policy.dump() == before, "propose() changed the policy"


def _copies(factory: Factory) -> None:
    """Dumped and loaded after every report, it decides as one that was not."""

    def copy(policy: BasePolicy) -> BasePolicy:
        return type(policy).load(json.loads(json.dumps(policy.dump(), allow_nan=False)))

    assert _run(_make(factory), REPORTS, copy) == _run(_make(factory), REPORTS), "a copy decides differently"


def _refuses(factory: Factory) -> None:
    """Bad reports raise `BadReport` and leave no trace."""
    policy = _make(factory)
    _run(policy, 5)
    good = _report(600, dict.fromkeys(_NAMES, 200.0), dict.fromkeys(_NAMES, 167.0))
    bad: list[dict[str, Any]] = [
        {"draws": {**good.draws, "ct": 1.0}},
        {"draws": {name: good.draws[name] for name in ("ct", "mr")}},
        {"draws": {**good.draws, "xray": 1.0}},
        {"eval_loss": {**good.eval_loss, "xray": 1.0}},
        {"eval_loss": {"ct": 1.0}},
        {"position": BUDGET + 1},
        {"position": 500},
        {"position": 450},
    ]
    before = policy.dump()
    for change in bad:
        body = {**good.to_dict(), **change}
        try:
            policy.observe(LossReport.from_dict(body))
        except BadReport:
            assert policy.dump() == before, f"a refused report left a trace: {change}"
        else:
            raise AssertionError(f"no BadReport for {change}")


def _merges(factory: Factory) -> None:
    """A report in two parts, each with the other's losses missing, is the whole report."""
    whole, parts = _make(factory), _make(factory)
    _run(whole, REPORTS)
    _run(parts, REPORTS)
    before = whole.dump()["last"]["draws"]
    draws = {name: value + INTERVAL / 3 for name, value in before.items()}
    full = _report((REPORTS + 1) * INTERVAL, draws, before)
    for keep in (("ct",), ("mr", "pet")):
        losses = {name: value if name in keep else math.nan for name, value in full.eval_loss.items()}
        part = LossReport.from_dict({**full.to_dict(), "eval_loss": losses})
        parts.observe(part)
        parts.observe(part)
    whole.observe(full)
    assert parts.dump() == whole.dump(), "a report in parts differs from the whole"


def _survives(factory: Factory) -> None:
    """Nothing measured, flat losses, one value: no crash, still a mixture."""
    for loss in (math.nan, 1.0, 1e-300, 1e300):
        policy = _make(factory)
        for step in range(1, REPORTS):
            draws = dict.fromkeys(_NAMES, step * INTERVAL / 3)
            policy.observe(LossReport(step * INTERVAL, draws, dict.fromkeys(_NAMES, loss)))
            check_mixture(policy.propose().weights, _NAMES)


def _scales(factory: Factory) -> None:
    """Losses in other units give the same shares."""
    for scale in (0.01, 100.0):
        plain, scaled = _make(factory), _make(factory)
        draws = dict.fromkeys(_NAMES, 0.0)
        for step in range(1, REPORTS + 3):
            weights, before = plain.propose().weights, draws
            draws = {name: value + weights[name] * INTERVAL for name, value in draws.items()}
            report = _report(step * INTERVAL, draws, before)
            body = report.to_dict()
            for field in ("eval_loss", "eval_sem", "train_loss"):
                body[field] = {name: value * scale for name, value in body[field].items()}
            plain.observe(report)
            scaled.observe(LossReport.from_dict(body))
            gap = max(abs(scaled.propose().weights[n] - plain.propose().weights[n]) for n in _NAMES)
            assert gap <= 1e-6, f"losses times {scale} move a share by {gap:.2g} at report {step}"


def _permutes(factory: Factory) -> None:
    """The order in which domains are listed does not matter."""
    plain, turned = _make(factory), _make(factory, domains=_domains()[::-1])
    for a, b in zip(_run(plain, REPORTS + 2), _run(turned, REPORTS + 2), strict=True):
        gap = max(abs(a["weights"][name] - b["weights"][name]) for name in _NAMES)
        assert gap <= 1e-9, f"another order of domains moves a share by {gap:.2g}"


def _changes(factory: Factory) -> None:
    """Domains join, grow and leave in mid-run."""
    policy = _make(factory)
    draws = dict.fromkeys(_NAMES, 0.0)
    sets = {4: [*_domains(), Domain("us", pool=500)], 10: [*_domains()[1:], Domain("us", pool=900)]}
    for step in range(1, 15):
        weights = policy.propose().weights
        draws = {name: draws.get(name, 0.0) + share * INTERVAL for name, share in weights.items()}
        losses = dict.fromkeys(weights, 1.0 / step**0.3)
        policy.observe(LossReport(step * INTERVAL, draws, losses))
        if step in sets:
            policy.update_domains(step * INTERVAL, sets[step])
        check_mixture(policy.propose().weights, [domain.name for domain in policy.domains])
        assert policy.propose().position == step * INTERVAL
    assert type(policy).load(policy.dump()).dump() == policy.dump(), "a copy after a change of domains differs"


def cases() -> Iterator[tuple[str, Callable[[Factory], None]]]:
    """Name and check of every conformance case."""
    checks = (_decides, _repeats, _copies, _refuses, _merges, _survives, _scales, _permutes, _changes)
    return ((check.__name__.strip("_"), check) for check in checks)


def check_policy(factory: Factory) -> None:
    """Run every conformance case on the policies that `factory` makes.

    `factory(domains=..., budget=..., interval=..., **setup)` must return a new policy each time.
    Raises `AssertionError` naming the case that failed.
    """
    for name, check in cases():
        try:
            check(factory)
        except AssertionError as error:
            raise AssertionError(f"conformance case '{name}': {error}") from error
