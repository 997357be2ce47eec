"""A domain: a source of volumes that is mixed as one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from policies.records.checks import MOST, number
from policies.records.errors import BadSetup
from policies.records.names import RecordedName, check_apart, check_name

_NUMBERS = ("pool", "cost", "max_epochs", "min_share", "max_share")
_MAY_BE_NONE = ("pool", "max_epochs")


@dataclasses.dataclass(frozen=True)
class Domain:
    """A source of draws, with what limits its share.

    Parameters
    ----------
    name:
        Unique among the domains of an allocation, also without regard to case: 1 to 64 letters, digits, '_', '-' and
        '.', beginning with a letter or a digit.
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
        Name of a set of domains expected to help each other (a modality, a site): law-driven policies begin by
        taking transfer within it for larger than beyond it, and learn how much larger; the others take no notice.

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
        check_name(self.name)
        if self.group is not None and not isinstance(self.group, str):
            raise BadSetup(f"group of '{self.name}' is {self.group!r}; it must be a string, or None")
        for field in _NUMBERS:
            value = getattr(self, field)
            if value is not None or field not in _MAY_BE_NONE:
                object.__setattr__(self, field, number(f"{field} of '{self.name}'", value))
        if self.pool is not None:
            if not 1 <= self.pool <= MOST or int(self.pool) != self.pool:
                raise BadSetup(
                    f"pool of '{self.name}' is {self.pool}; it must be a whole number of draws, at least 1 draw and at "
                    f"most {MOST:.0e}, or None for endless"
                )
            object.__setattr__(self, "pool", int(self.pool))
        if not 0 < self.cost <= MOST:
            raise BadSetup(f"cost of '{self.name}' is {self.cost}; it must be > 0 and at most {MOST:.0e}")
        if self.max_epochs is not None and not 0 < self.max_epochs <= MOST:
            raise BadSetup(
                f"max_epochs of '{self.name}' is {self.max_epochs}; it must be > 0 and at most {MOST:.0e}, or None "
                "for no cap"
            )
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
        """A domain as `to_dict` wrote it, whatever the rule for names was then."""
        fields = {field.name for field in dataclasses.fields(cls)}
        unknown = [name for name in body if name not in fields]
        if unknown or "name" not in body:
            wrong = f"has no field {unknown[0]!r}" if unknown else "needs a name"
            raise BadSetup(f"a domain {wrong}; its fields are {', '.join(sorted(fields))}")
        name = body["name"]
        return cls(**{**body, "name": RecordedName(name) if isinstance(name, str) and name else name})


def check_domains(domains: Sequence[Domain]) -> tuple[Domain, ...]:
    """The domains as a tuple; `BadSetup` if there are none, two share a name or series, or bounds cannot be met."""
    if not isinstance(domains, Iterable):
        raise BadSetup(f"domains is {domains!r}; give a list of them")
    domains = tuple(domains)
    for domain in domains:
        if not isinstance(domain, Domain):
            raise BadSetup(f"domains holds {domain!r}; each must be a Domain")
    if not domains:
        raise BadSetup("no domain was given; at least one is needed")
    seen: set[str] = set()
    for domain in domains:
        if domain.name in seen:
            raise BadSetup(f"domain '{domain.name}' is given twice; names must be unique")
        seen.add(domain.name)
    check_apart(domain.name for domain in domains)
    lowest, highest = math.fsum(d.min_share for d in domains), math.fsum(d.max_share for d in domains)
    if lowest > 1 + 1e-9:
        raise BadSetup(f"the min_share values sum to {lowest:.6g}; they must sum to at most 1")
    if highest < 1 - 1e-9:
        raise BadSetup(f"the max_share values sum to {highest:.6g}; they must sum to at least 1")
    return domains
