"""Has a domain stopped giving to others? Reported gradient products are held against the law's (CUSUM).

A product says how much the next draw of j helps target i, so a domain that stops giving shows at the very next
report, long before losses show it (`laws/fading.py`). Of each domain the products y_ij of a report (in root mean
squares of each target's) are compared with what the law before it expected, s_ij: once as they used to be, rho s_ij,
and once as if most of that were lost, KEPT rho s_ij. The sum of the log likelihood ratios

    l = sum over i not j of [ (y_ij - rho s_ij)^2 - (y_ij - KEPT rho s_ij)^2 ] / (2 noise^2)

is kept above 0 (Page 1954, Continuous Inspection Schemes); above BAR, and where what is missing is beyond doubt, it is
an alarm if the plan has raised the domain. rho is what the domain has been giving so far, relative to the law: so a
law that is off by a factor is no change, and a gift that is small beside the noise says nothing either way. Nor does
anything count before rho is known from reports as well as from the law: a domain that gives less from the first is one
that the law overrates, which the next refits see to. Real gifts wander, to all targets alike: rho's variance from
report to report beyond the noise is estimated, and l and the doubt take it in.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.laws import JointLaw, Rows
from policies.laws.fading import Fading
from policies.laws.giving import expected
from policies.products import Group
from policies.records import LossReport

KEPT = 0.4  # part of its gifts that a domain which has changed still gives
BAR = 12.0  # log likelihood ratio of an alarm
REST = 2.0  # a sum up to this is no sign of change yet: what was reported belongs to what the domain used to give
CLIP, PER = 5.0, 0.02  # most that one report may add, and that so long a part of the budget may
LEAST, CLEAR = 0.4, 4.0  # part of the gifts that must seem lost, and of how many standard deviations
TRUST = 11.0  # weight of the law's own word on rho: 1/0.3^2
WANDER, KNOWN, LEAST_WANDER = 0.05, 100.0, 0.02  # sd of rho from report to report, a guess; its weight; least
NEAR = 2.0  # intervals: a report further away than this is not held against what was expected
LASTS = 0.2  # part of the budget for which a swing lasts at most
MEMORY = 0.2  # part of the budget after which what a domain used to give is forgotten

Array = NDArray[np.float64]
Table = Mapping[str, Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class Ahead:
    """What the law expects of the reports from `start` to `end` (draws), straight in between.

    first, last: by domain, then target, in root mean squares of the target's products; noise: sd of one that
    is reported; domains: those the root mean squares are over.
    """

    start: float
    end: float
    first: Table
    last: Table
    noise: float
    domains: tuple[str, ...]

    def at(self, position: float) -> dict[str, dict[str, float]]:
        """What is expected at a position; empty where that is too far away."""
        part = (position - self.start) / (self.end - self.start)
        if not 0 < part <= NEAR:
            return {}
        return {
            name: {i: value + part * (self.last[name][i] - value) for i, value in row.items()}
            for name, row in self.first.items()
        }


@dataclasses.dataclass(frozen=True)
class Sums:
    """Over reports: asked, given: of s^2 and s y in units of the noise; swing: of the squared deviations of s y from
    rho s^2, in units of what the noise explains, less 1; power: of rho^2 s^2; part: of the parts of the budget."""

    asked: float = 0.0
    given: float = 0.0
    swing: float = 0.0
    power: float = 0.0
    part: float = 0.0

    def plus(self, other: Sums, kept: float = 1.0) -> Sums:
        """`other` and the part `kept` of these."""
        return Sums(
            kept * self.asked + other.asked,
            kept * self.given + other.given,
            kept * self.swing + other.swing,
            kept * self.power + other.power,
            kept * self.part + other.part,
        )


@dataclasses.dataclass(frozen=True)
class Gift:
    """What is known of one domain's gifts: `usual` while it gave as ever; `late` since the position `since`, from
    which on it seems to give less; `evidence` for that: the sum of the log likelihood ratios."""

    usual: Sums = Sums()
    late: Sums = Sums()
    evidence: float = 0.0
    since: float = 0.0

    @property
    def rho(self) -> float:
        """What it used to give, relative to the law, and 1 before any report."""
        return max((TRUST + self.usual.given) / (TRUST + self.usual.asked), 0.0)

    @property
    def wander(self) -> float:
        """Variance of what it gives from report to report, relative to what it used to give, beyond the noise."""
        return max((KNOWN * WANDER**2 + self.usual.swing) / (KNOWN + self.usual.power), LEAST_WANDER**2)

    @property
    def lost(self) -> float:
        """Part of what it used to give that is missing since `since`; 0 where nothing seems to be."""
        usual = self.late.asked * self.rho
        return 1.0 - self.late.given / usual if usual > 0 else 0.0

    @property
    def z(self) -> float:
        """What is missing, in standard deviations: neither it nor rho is known exactly, and both wander."""
        if not self.late.asked > 0:
            return 0.0
        swing = self.wander * self.rho**2 / (1.0 + self.late.part / LASTS)
        variance = 1.0 / self.late.asked + 1.0 / (TRUST + self.usual.asked) + swing
        return self.lost * self.rho / math.sqrt(variance)

    @property
    def gone(self) -> bool:
        """Whether it has surely stopped giving what it used to give."""
        return self.evidence > BAR and self.lost > LEAST and self.z > CLEAR

    def seen(self, asked: float, given: float, position: float, part: float) -> Gift:
        """After a report with such sums of s^2 and s y, in units of the noise, the latest `part` of the budget."""
        if not asked > 0:
            return self
        rho, kept = self.rho, max(1.0 - part / MEMORY, 0.0)
        spread = 1.0 + self.wander * rho**2 * asked
        ratio = rho * (1.0 - KEPT) * (rho * (1.0 + KEPT) / 2 * asked - given) / spread
        most = CLIP * min(part / PER, 1.0)
        evidence = max(self.evidence + min(max(ratio, -most), most), 0.0) if self.usual.asked >= TRUST else 0.0
        now = Sums(asked, given, (given - rho * asked) ** 2 / asked - 1.0, rho**2 * asked, part)
        late = self.late.plus(now)
        if evidence <= REST:
            return Gift(self.usual.plus(late, kept), Sums(), evidence, position)
        return Gift(self.usual, late, evidence, self.since)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Gift:
        return cls(Sums(**body["usual"]), Sums(**body["late"]), body["evidence"], body["since"])


@dataclasses.dataclass(frozen=True)
class GiftWatch:
    """What each domain has been giving, and what is expected of the next report; None: nothing."""

    gifts: Mapping[str, Gift] = dataclasses.field(default_factory=dict)
    ahead: Ahead | None = None

    def seen(self, report: LossReport, raised: Collection[str], budget: float) -> tuple[GiftWatch, Fading | None]:
        """The watch after a report, and the domain among `raised` that has clearly stopped giving, if any."""
        group, ahead = Group.of(report), self.ahead
        if ahead is None or group is None:
            return GiftWatch(self.gifts), None
        names = set(ahead.domains)
        whole = {i: row for i, row in group.mean.items() if set(row) == names}
        part, gifts = (report.position - ahead.start) / budget, dict(self.gifts)
        for name, expects in ahead.at(report.position).items():
            pairs = [(s / ahead.noise, whole[i][name] / ahead.noise) for i, s in expects.items() if i in whole]
            asked, given = math.fsum(s * s for s, _ in pairs), math.fsum(s * y for s, y in pairs)
            gifts[name] = self.gifts.get(name, Gift(since=ahead.start)).seen(asked, given, float(report.position), part)
        gone = [name for name in raised if name in gifts and gifts[name].gone]
        if not gone:
            return GiftWatch(gifts), None
        name = max(gone, key=lambda name: (gifts[name].evidence, name))
        return GiftWatch(gifts), Fading(name, gifts[name].since, gifts[name].lost, gifts[name].z ** 2)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> GiftWatch:
        gifts = {name: Gift.from_dict(gift) for name, gift in body["gifts"].items()}
        said = body["ahead"]
        return cls(gifts, None if said is None else Ahead(**{**said, "domains": tuple(said["domains"])}))


def look_ahead(
    law: JointLaw,
    rows: Rows,
    present: Collection[str],
    position: float,
    weights: Mapping[str, float],
    interval: float,
) -> Ahead | None:
    """What `law` expects of the products with the domains `present` until one interval after `position`, drawn from
    `weights`; None where there is nothing to expect."""
    here = [j for j, name in enumerate(law.domains) if name in present]
    if rows.products is None or len(here) < 2:
        return None
    first, last = (expected(law, draws, here) for draws in rows.ahead(weights, interval))
    if not (np.all(np.isfinite(first)) and np.all(np.isfinite(last))):
        return None

    def table(values: Array) -> Table:
        return {
            law.domains[j]: {t: float(values[i, k]) for i, t in enumerate(law.targets) if law.own[i] != j}
            for k, j in enumerate(here)
        }

    names, end = tuple(law.domains[j] for j in here), float(position + interval)
    return Ahead(float(position), end, table(first), table(last), rows.products.noise, names)
