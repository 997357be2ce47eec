"""Has a domain changed? Each report is held against what the law before it had forecast (CUSUM).

Page (1954), Continuous Inspection Schemes: of standardised one-step-ahead residuals z the sums
max(0, s + z - DRIFT) and max(0, s - z - DRIFT) are kept by target; one above BAR is an alarm. DRIFT is
large, so that only jumps count: no law has quite the shape of a real loss curve, and residuals of two
or three standard deviations on end are its misfit, not a change. All targets at once mean the schedule.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from policies.laws import JointLaw, Rows
from policies.records import LossReport

DRIFT, BAR, CLIP = 4.0, 8.0, 10.0
FADING = 0.02  # change of the learning rate, part of its peak, in which no forecast is made
NEAR = 1.5  # intervals: a report further away than this is not held against the forecast


@dataclasses.dataclass(frozen=True)
class Forecast:
    """Mean log loss by target at two positions (draws), straight in between, and its standard deviation."""

    start: float
    end: float
    first: Mapping[str, float]
    last: Mapping[str, float]
    sd: Mapping[str, float]

    def residuals(self, report: LossReport) -> dict[str, float]:
        """Standardised residuals by target; none where the report is too far from what was forecast."""
        part = (report.position - self.start) / (self.end - self.start)
        if not 0 < part <= NEAR:
            return {}
        return {
            name: (math.log(loss) - self.first[name] - part * (self.last[name] - self.first[name])) / self.sd[name]
            for name, loss in report.eval_loss.items()
            if name in self.sd and not math.isnan(loss)
        }


@dataclasses.dataclass(frozen=True)
class Watch:
    """Sums above and below the forecast by target, and the forecast for the next report."""

    above: Mapping[str, float] = dataclasses.field(default_factory=dict)
    below: Mapping[str, float] = dataclasses.field(default_factory=dict)
    forecast: Forecast | None = None

    def seen(self, report: LossReport) -> tuple[Watch, tuple[str, ...]]:
        """The watch after a report, and the targets that have changed, by name."""
        found = {} if self.forecast is None else self.forecast.residuals(report)
        z = {name: min(max(value, -CLIP), CLIP) for name, value in found.items()}
        above = {name: max(0.0, self.above.get(name, 0.0) + z.get(name, 0.0) - DRIFT) for name in report.eval_loss}
        below = {name: max(0.0, self.below.get(name, 0.0) - z.get(name, 0.0) - DRIFT) for name in report.eval_loss}
        alarm = tuple(sorted(name for name in z if max(above[name], below[name]) > BAR))
        if len(alarm) > 1 and len(alarm) == len(z):
            return Watch(), ()
        return Watch(above, below), alarm

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Watch:
        said = body["forecast"]
        return cls(dict(body["above"]), dict(body["below"]), None if said is None else Forecast(**said))


def forecast(
    law: JointLaw, rows: Rows, position: float, weights: Mapping[str, float], interval: float
) -> Forecast | None:
    """What the law expects one interval after the last of `rows` (at `position`), drawn from `weights`.

    None while the learning rate is changing: that is not the law's to foresee from one step to the next.
    """
    if len(rows.draws) < 2 or abs(rows.anneal[-1] - rows.anneal[-2]) > FADING:
        return None
    rate = (rows.time[-1] - rows.time[-2]) / max(rows.total[-1] - rows.total[-2], 1e-12)
    time = rows.time_since + np.array([rows.time[-1], rows.time[-1] + rate * interval])
    mean, sd = law.log_predict(rows.ahead(weights, interval), time, float(rows.anneal[-1]))
    if not np.all(np.isfinite(mean)):
        return None
    whole = np.hypot(sd[1], law.noise)
    return Forecast(
        float(position),
        float(position + interval),
        dict(zip(law.targets, mean[0].tolist(), strict=True)),
        dict(zip(law.targets, mean[1].tolist(), strict=True)),
        dict(zip(law.targets, np.maximum(whole, 1e-6).tolist(), strict=True)),
    )
