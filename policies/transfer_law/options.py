"""What may be set in a law-driven policy: defaults, what they may be, and what tuning may move."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from policies.records import BadSetup

DEFAULTS: dict[str, Any] = {
    "start": 0.03,  # part of the budget at the baseline before anything else
    "probe_until": 0.2,  # part of the budget by which the sweeps should end
    "amplitude": 0.8,  # part of all draws moved to the domain in front
    "sweeps": 2,
    "groups": 3,  # blocks of the first of them where gradient products are reported; 0: as many as the others
    "enough": 0.97,  # after one sweep: probability that the plan ends better, for which the next is left out
    "enough_told": 0.9,  # the same before any, where gradient products are reported and such as the law can give
    "plateau": 0.08,  # fall of log loss per log draw below which nothing is being learnt yet
    "plateau_until": 0.3,  # part of the budget after which probing begins all the same
    "caution": 1.0,  # standard deviations taken off a predicted gain
    "caution_told": 0.6,  # the same where gradient products are reported and agree with the losses
    "optimism": 1.0,  # part of what plans promise since they were chosen that is taken off; not where products agree
    "sure": 0.93,  # least probability that the plan ends better than the baseline
    "sure_gift": 0.5,  # what a domain that is raised for others' sake must surely give them, mean draw 1
    "latest": 0.7,  # part of the budget after which the baseline is not left any more
    "least_gain": 0.0005,  # smallest predicted gain, in the objective, worth leaving the baseline for
    "pace": 20.0,  # the mixture moves (total variation) at most so much per budget drawn
    "least_share": 0.005,  # least share of every domain, times 1/K: none is ever quite left out
    "steepest": 1.5,  # a fitted exponent above this belongs to no scaling law: the mixture goes to the baseline
    "beyond": 0.4,  # a share may go so far beyond the largest that was probed or lived with ...
    "window": 0.05,  # ... over this part of the budget
    "products": 1,  # 0 leaves out reported gradient products
    "alarms": 2,  # changes of a domain after which is probed anew; after more the baseline is kept
}
PARTS = (
    "start", "probe_until", "amplitude", "plateau_until", "optimism", "sure", "enough", "enough_told", "latest",
    "least_share", "beyond", "window",
)  # fmt: skip
WHOLE = ("sweeps", "groups", "products", "alarms")
MOST_SWEEPS = 10

TUNE: dict[str, tuple[float, float, str]] = {  # option -> (low, high, "log" or "linear")
    "caution": (0.5, 3.0, "linear"),
    "sure": (0.8, 0.995, "linear"),
    "probe_until": (0.12, 0.3, "linear"),
    "amplitude": (0.3, 0.8, "linear"),
    "pace": (4.0, 40.0, "log"),
    "least_share": (0.002, 0.2, "log"),
}


def check_options(options: Mapping[str, Any]) -> None:
    """Raise `BadSetup` for an option out of its range."""
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise BadSetup(f"option {name} is {value!r}; it must be a finite number >= 0")
        if name in PARTS and value > 1:
            raise BadSetup(f"option {name} is {value}; it must lie in [0, 1]")
        if name in WHOLE and int(value) != value:
            raise BadSetup(f"option {name} is {value}; it must be a whole number")
        if name == "sweeps" and value > MOST_SWEEPS:
            raise BadSetup(f"option {name} is {value}; more than {MOST_SWEEPS} sweeps leave nothing to decide")
