"""The progress of a run in words. Pure functions of records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from policies import Decision, LossReport
from service.journal import Event, decision_of

CHANGED = 0.005  # a share that moved by less is not worth a word


def report_line(report: LossReport, answer: Event, budget: int, before: Decision | None, left: float | None) -> str:
    """One line per report: position, losses, mixture, refit, why, time left. `before` is the decision before."""
    decision = decision_of(answer)
    parts = [
        f"{report.position:,}/{budget:,} {report.position / budget:.0%}",
        f"loss {losses(report.eval_loss)}",
        f"{_mixture_word(decision, before, budget)} {mixture(decision.weights)}",
        _refit(decision, before, answer.body.get("meta") or {}),
    ]
    if left is not None and report.position < budget:
        parts.append(f"{duration(left)} left")
    return " | ".join(parts)


def losses(values: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.3g}" if math.isfinite(value) else f"{name} ?" for name, value in values.items())


def mixture(weights: Mapping[str, float]) -> str:
    return " ".join(f"{name} {100 * share:.0f}%" for name, share in weights.items())


def duration(seconds: float) -> str:
    """A time in the unit that a person would use."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def status_line(progress: Mapping[str, Any]) -> str:
    """The moving line of a terminal, from progress.json."""
    position, budget = int(progress["position"]), int(progress["budget"])
    parts = [f"draw {position:,} of {budget:,} ({position / budget:.0%})"]
    if progress.get("samples_per_second"):
        parts.append(f"{progress['samples_per_second']:.0f} draws/s")
    if progress.get("train_loss"):
        known = {n: v for n, v in progress["train_loss"].items() if v is not None}
        parts.append(f"training loss {losses(known)}")
    if progress.get("seconds_left") is not None:
        parts.append(f"{duration(progress['seconds_left'])} left")
    return " | ".join(parts)


def event_line(event: Event) -> str | None:
    """What else a person should hear of; None for what is routine."""
    body = event.body
    if event.kind == "fit_failed":
        return f"draw {event.position:,}: a refit failed, the mixture is kept: {body['cause']}"
    if event.kind == "skipped":
        return (
            f"draw {event.position:,}: a step with a loss that is not finite was skipped ({body.get('steps')} so far)"
        )
    if event.kind == "quarantine":
        return f"draw {event.position:,}: left out from here on: {_volumes(body)}"
    if event.kind == "resumed":
        workers = "1 worker goes" if body["workers"] == 1 else f"{body['workers']} workers go"
        return f"draw {event.position:,}: {workers} on from the checkpoint here"
    if event.kind == "mode":
        pins = f", pinned {mixture(body['pin'])}" if body.get("pin") else ""
        return f"draw {event.position:,}: mode is now {body['mode']}{pins}"
    if event.kind == "rewind":
        return f"rewound to draw {event.position:,}: attempt {body['attempt']} begins ({body['why']})"
    return None


def _volumes(body: Mapping[str, Any]) -> str:
    named = [
        f"{volume['name']} of '{domain}' ({volume['cause']})"
        for domain, found in body.get("domains", {}).items()
        for volume in found.get("volumes", ())
    ]
    return "; ".join(named)


def _mixture_word(decision: Decision, before: Decision | None, budget: int) -> str:
    old = {} if before is None else before.weights
    moved = max((abs(share - old.get(name, 0.0)) for name, share in decision.weights.items()), default=0.0)
    if moved < CHANGED or decision.position >= budget:
        return "mix"
    return f"new mix from {decision.position:,}"


def _refit(decision: Decision, before: Decision | None, meta: Mapping[str, Any]) -> str:
    """The reason always; the sentence behind it only where it says something new."""
    took = f" ({meta['seconds']:.1f} s)" if meta.get("seconds") is not None else ""
    number = f"refit {decision.refit}{took}" if decision.refit else "no refit"
    said = before is not None and (before.reason, before.detail) == (decision.reason, decision.detail)
    return f"{number} {decision.reason}{'' if said or not decision.detail else f': {decision.detail}'}"
