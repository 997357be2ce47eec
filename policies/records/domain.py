"""A domain: a source of volumes that is mixed as one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from policies.records.errors import BadSetup


@dataclasses.dataclass(frozen=True)
class Domain:
    """A source of draws, with what limits its share.

    Parameters
    ----------
    name:
        Unique among the domains of an allocation.
    pool:
        Distinct draws before the domain repeats itself; None means endless.
    cost:
        What one draw costs relative to the others; the constraint on the rest of a run is
        ``sum_j cost_j m_j <= remaining budget``.
    max_epochs:
        At most ``max_epochs * pool`` draws over the whole run; None means no cap.
    min_share, max_share:
        Bounds on the domain's share in every mixture.
    group:
        Name of a set of domains expected to behave alike (a modality, a site); a prior only.

    Raises
    ------
    BadSetup
        With the domain, the bad value and the cure.
    """

    name: str
    pool: int | None = None
    cost: float = 1.0
    max_epochs: float | None = None
    min_share: float = 0.0
    max_share: float = 1.0
    group: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise BadSetup(f"domain name is {self.name!r}; it must be a non-empty string")
        if self.pool is not None and not (math.isfinite(self.pool) and self.pool >= 1):
            raise BadSetup(f"pool of '{self.name}' is {self.pool}; it must be at least 1 draw, or None for endless")
        if not (math.isfinite(self.cost) and self.cost > 0):
            raise BadSetup(f"cost of '{self.name}' is {self.cost}; it must be finite and > 0")
        if self.max_epochs is not None and not (math.isfinite(self.max_epochs) and self.max_epochs > 0):
            raise BadSetup(f"max_epochs of '{self.name}' is {self.max_epochs}; it must be > 0, or None for no cap")
        for field, share in (("min_share", self.min_share), ("max_share", self.max_share)):
            if not 0 <= share <= 1:
                raise BadSetup(f"{field} of '{self.name}' is {share}; shares must lie in [0, 1]")
        if self.min_share > self.max_share:
            raise BadSetup(f"min_share of '{self.name}' is {self.min_share}, above its max_share of {self.max_share}")

    @property
    def cap(self) -> float:
        """Most draws the domain may give over the whole run; infinity where nothing limits it."""
        if self.pool is None or self.max_epochs is None:
            return math.inf
        return self.pool * self.max_epochs

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Domain:
        return cls(**body)


def check_domains(domains: Sequence[Domain]) -> tuple[Domain, ...]:
    """The domains as a tuple; `BadSetup` if there are none, two share a name, or bounds cannot be met."""
    domains = tuple(domains)
    if not domains:
        raise BadSetup("no domain was given; at least one is needed")
    seen: set[str] = set()
    for domain in domains:
        if domain.name in seen:
            raise BadSetup(f"domain '{domain.name}' is given twice; names must be unique")
        seen.add(domain.name)
    lowest, highest = math.fsum(d.min_share for d in domains), math.fsum(d.max_share for d in domains)
    if lowest > 1 + 1e-9:
        raise BadSetup(f"the min_share values sum to {lowest:.6g}; they must sum to at most 1")
    if highest < 1 - 1e-9:
        raise BadSetup(f"the max_share values sum to {highest:.6g}; they must sum to at least 1")
    return domains
