"""Which domain to collect more of: the shadow price of a pool, in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from policies.records import Domain, Interval
from service.story import words

STEP = 1000  # distinct draws that the advice speaks of
PART = 0.2  # at most this part of a pool: the price holds for small additions only


@dataclasses.dataclass(frozen=True)
class Advice:
    """What `extra` more distinct draws of `domain` would do.

    `value` is the fall of the objective; for `mean_log` the difference of mean log losses, else in
    the objective's own unit. `sure` says that its 90 % interval lies above zero.
    """

    domain: str
    extra: int
    value: Interval
    objective: str

    @property
    def sure(self) -> bool:
        return self.value.low > 0

    def words(self) -> str:
        """One sentence."""
        start = f"{self.extra:,} more distinct {self.domain} draws would lower the "
        if self.objective != "mean_log":
            return f"{start}{self.objective} by {words.interval(self.value)}"
        value = words.relative(self.value)
        if value is None or value.high < 5e-6:
            return f"{self.extra:,} more distinct {self.domain} draws would change nothing that can be seen"
        return f"{start}mean loss by {words.percent_interval(value, _places(100 * value.high))}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "domain": self.domain,
            "extra_distinct_draws": self.extra,
            "value": self.value.to_dict(),
            "sure": self.sure,
            "words": self.words(),
        }


def _places(percent: float) -> int:
    """Decimals for a percentage: one, and for less than a tenth two significant digits."""
    return 1 if percent >= 0.1 else min(4, 1 - math.floor(math.log10(percent)))


def advice(values: Mapping[str, Interval], domains: Sequence[Domain], objective: str) -> tuple[Advice, ...]:
    """The advice on every domain whose pool has an end, the most useful first.

    `values` are prices per further distinct draw (`Allocation.pool_value`).
    """
    found = []
    for domain in domains:
        value = values.get(domain.name)
        if domain.pool is None or value is None or not math.isfinite(value.mean):
            continue
        extra = addition(domain.pool)
        times = [extra * end for end in (value.mean, value.low, value.high)]
        found.append(Advice(domain.name, extra, Interval(*times), objective))
    return tuple(sorted(found, key=lambda a: -a.value.mean / a.extra))


def addition(pool: int) -> int:
    """A round number of draws that is small beside the pool: 1,000, or about a fifth of a small pool."""
    most = max(1.0, PART * pool)
    if most >= STEP:
        return STEP
    size = 10 ** math.floor(math.log10(most))
    return int(most // size * size)
