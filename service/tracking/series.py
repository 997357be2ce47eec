"""From journal events to points of a series. Pure: the same events give the same points, to the millisecond."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from policies import Decision, Interval
from service.journal import Event, decision_of, report_of
from service.owner import Spec

LONGEST_KEY = 250  # characters that MLflow takes


@dataclasses.dataclass(frozen=True)
class Point:
    """One value of one series. `at_ms` comes from the journal, so that sending a point twice changes nothing."""

    key: str
    value: float
    at_ms: int
    step: int


def points(event: Event, spec: Spec) -> list[Point]:
    """The points an event stands for; values that were not measured are left out.

    So are series of runs from before the rule for names whose own name MLflow would refuse, with all that came along.
    """
    values = dict(_values(event, spec))
    at_ms, step = round(event.at * 1000), _step(event)
    return [Point(key, float(value), at_ms, step) for key, value in values.items() if _fits(key, value)]


def _fits(key: str, value: float) -> bool:
    return len(key) <= LONGEST_KEY and math.isfinite(value)


def _step(event: Event) -> int:
    return int(event.body["position"]) if _opens(event) else event.position


def _opens(event: Event) -> bool:
    """Whether this is the decision a run starts with."""
    return event.kind == "decision" and (event.body.get("meta") or {}).get("report") is None


def _values(event: Event, spec: Spec) -> Iterator[tuple[str, float]]:
    if event.kind == "report":
        yield from _of_report(event, spec)
    elif event.kind == "decision":
        yield from _of_decision(event)
    elif event.kind == "throughput":
        for key in ("samples_per_second", "eval_share", "workers", "lr", "skipped_steps", "masked_draws"):
            if isinstance(event.body.get(key), int | float):
                yield f"training/{key}", event.body[key]


def _of_report(event: Event, spec: Spec) -> Iterator[tuple[str, float]]:
    report = report_of(event)
    for series, values in (
        ("eval_loss", report.eval_loss),
        ("eval_sem", report.eval_sem),
        ("train_loss", report.train_loss),
        ("draws", report.draws),
    ):
        yield from ((f"{series}/{name}", value) for name, value in (values or {}).items())
    yield "objective", objective(report.eval_loss, spec)


def objective(losses: Mapping[str, float], spec: Spec) -> float:
    """Weighted mean of log losses over the targets; NaN if one of them was not measured.

    It is shown for every objective: the excess forms need floors, which move with each refit.
    """
    targets = spec.targets or dict.fromkeys(losses, 1.0)
    total = math.fsum(targets.values())
    return math.fsum(weight / total * math.log(losses.get(name, math.nan)) for name, weight in targets.items())


def _of_decision(event: Event) -> Iterator[tuple[str, float]]:
    decision, meta = decision_of(event), event.body.get("meta") or {}
    yield from ((f"share/{name}", share) for name, share in decision.weights.items())
    if meta.get("seconds") is not None:
        yield "refit/seconds", meta["seconds"]
    if not _opens(event):
        yield "refit/number", decision.refit
    if not decision.probes:
        yield from _predictions(decision)
    yield from _of_law(decision)


def _predictions(decision: Decision) -> Iterator[tuple[str, float]]:
    if decision.gain is not None:
        yield from _interval("predicted_gain", decision.gain)
    for name, interval in (decision.predicted or {}).items():
        yield from _interval(f"predicted_final/{name}", interval)


def _interval(key: str, interval: Interval) -> Iterator[tuple[str, float]]:
    yield key, interval.mean
    yield f"{key}_low", interval.low
    yield f"{key}_high", interval.high


def _of_law(decision: Decision) -> Iterator[tuple[str, float]]:
    law = decision.law
    if law is None:
        return
    for series, values in (("exponent", law.exponents), ("floor", law.floors), ("hub_score", law.hub_score)):
        yield from ((f"{series}/{name}", interval.mean) for name, interval in values.items())
    for to, row in law.transfer.items():
        yield from ((f"transfer/{to}/{source}", interval.mean) for source, interval in row.items())


def refit_body(number: int, event: Event, report: Event | None) -> dict[str, Any]:
    """What `refits/<number>.json` holds: losses, law with intervals, decision, reason, and what it took.

    The law stands there once, beside the decision, its numbers to six digits: with sixty domains it is the file.
    """
    decision = {key: value for key, value in event.body.items() if key not in ("meta", "law")}
    return {
        "number": number,
        "position": event.position,
        "applies_from": decision["position"],
        "reason": decision["reason"],
        "detail": decision["detail"],
        "weights": decision["weights"],
        "law": _rounded(event.body["law"]),
        "decision": decision,
        "report": None if report is None else dict(report.body),
        "meta": event.body.get("meta") or {},
        "attempt": event.attempt,
        "journal_digest": event.digest,
    }


def _rounded(value: Any) -> Any:
    """Every number to six significant digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {name: _rounded(inner) for name, inner in value.items()}
    return value
