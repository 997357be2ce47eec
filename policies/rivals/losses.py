"""Losses as the rivals see them: logarithms of what was measured, and nothing where nothing was."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from policies.records import LossReport

Series = list[list[float]]  # pairs (log of all draws, log loss), oldest first

NATS = 10.0  # what a first loss counts as: near the entropy of a text model that has learnt nothing
_HIGHEST = 20.0  # log of the largest ratio to the first loss that is believed
LONGEST = 128  # pairs kept of a series


def target_logs(report: LossReport) -> dict[str, float]:
    """Log held-out loss by target, of those measured."""
    return {name: math.log(loss) for name, loss in report.eval_loss.items() if not math.isnan(loss)}


def domain_logs(report: LossReport, names: Iterable[str]) -> dict[str, float]:
    """Log loss by domain: the training loss where it was reported, else the held-out loss of the same name."""
    train = report.train_loss or {}
    logs = {}
    for name in names:
        losses = (source.get(name, math.nan) for source in (train, report.eval_loss))
        loss = next((loss for loss in losses if not math.isnan(loss)), math.nan)
        if not math.isnan(loss):
            logs[name] = math.log(loss)
    return logs


def level(logs: Mapping[str, float]) -> float | None:
    """Mean of the logs: the unit in which later losses are read. None where nothing was measured."""
    return math.fsum(sorted(logs.values())) / len(logs) if logs else None


def ratio(log_loss: float, unit: float) -> float:
    """A loss in units of the first ones; kept finite."""
    return math.exp(min(log_loss - unit, _HIGHEST))


def appended(series: Sequence[Sequence[float]], draws: float, log_loss: float) -> Series:
    """A longer series; when it grows too long, neighbours are averaged in pairs."""
    longer = [*(list(pair) for pair in series), [math.log(draws), log_loss]]
    if len(longer) <= LONGEST:
        return longer
    pairs = zip(longer[:-1:2], longer[1:-1:2], strict=True)
    return [*([0.5 * (x + y) for x, y in zip(a, b, strict=True)] for a, b in pairs), longer[-1]]


def shares_since(draws: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """What part of the draws since `before` came from each domain; empty where nothing was drawn."""
    gone = {name: max(value - before.get(name, 0.0), 0.0) for name, value in draws.items()}
    total = math.fsum(sorted(gone.values()))
    return {name: value / total for name, value in gone.items()} if total > 0 else {}
