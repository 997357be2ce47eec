"""May training start on what a scan found? One answer for `data check`, `--dry-run` and `pretrain`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from trainers.config.data import DataConfig
from trainers.volumes.errors import BadData
from trainers.volumes.frame import slab_fraction
from trainers.volumes.places import whole_box
from trainers.volumes.records import Box, Problem
from trainers.volumes.refused import Refused
from trainers.volumes.scanning import DomainScan, Item, Scan
from trainers.volumes.slab import cut_slab

MOST_NAMED = 5  # problems quoted in the sentence that refuses the data; all of them are listed before


@dataclasses.dataclass(frozen=True)
class Part:
    """A volume, or the end of one, on one side of the split."""

    item: Item
    box: Box
    crops: int


@dataclasses.dataclass(frozen=True)
class Sides:
    """What a domain is trained on and what is held out; `lost` are volumes too short to be cut in two."""

    train: tuple[Part, ...]
    held_out: tuple[Part, ...]
    lost: tuple[Problem, ...] = ()

    @property
    def pool(self) -> int:
        return sum(part.crops for part in self.train)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """All problems of all domains, in their order, and the reasons why training may not start, if any."""

    scan: Scan
    sides: Mapping[str, Sides]
    problems: Mapping[str, tuple[Problem, ...]]
    refusals: tuple[str, ...]

    @property
    def pools(self) -> dict[str, int]:
        """Distinct draws of each domain before it repeats itself."""
        return {name: sides.pool for name, sides in self.sides.items()}

    @property
    def lines(self) -> list[str]:
        """Every problem in one sentence, with the path on this machine."""
        return [problem.line(local=True) for problems in self.problems.values() for problem in problems]

    def check(self) -> None:
        """Raise `BadData` unless training may start."""
        if self.refusals:
            raise BadData("; ".join(self.refusals))


def decide(config: DataConfig, found: Scan, eval_crops: int) -> Verdict:
    """Judge a scan as a whole; `eval_crops` are wanted of each domain.

    Training may not start where more than `max_missing` of a domain's volumes, or all of them, are quarantined, or
    where its only subject gives no volume that is long enough to hold out a slab.
    """
    sides = {name: _sides(config, domain, found) for name, domain in found.domains.items()}
    problems = {
        name: (*domain.problems, *sides[name].lost, *_warnings(name, found, sides[name], eval_crops))
        for name, domain in found.domains.items()
    }
    refusals = [_refusal(config, domain, sides[name]) for name, domain in found.domains.items()]
    return Verdict(found, sides, problems, tuple(refusal for refusal in refusals if refusal))


def _refusal(config: DataConfig, domain: DomainScan, sides: Sides) -> str:
    if not domain.items or domain.missing > config.max_missing:
        named = [problem.line() for problem in domain.problems if problem.severity == "quarantined"]
        more = [f"and {len(named) - MOST_NAMED} more"] if len(named) > MOST_NAMED else []
        return (
            f"domain '{domain.name}': {domain.missing:.0%} of its volumes cannot be used, "
            f"more than max_missing {config.max_missing:.0%} or all of them: {'; '.join(named[:MOST_NAMED] + more)}"
        )
    return "" if sides.train else f"one subject is all there is, but {sides.lost[0].line()}"


def _sides(config: DataConfig, domain: DomainScan, found: Scan) -> Sides:
    """Whole volumes on either side, or the two ends of every volume of the only subject."""
    if domain.name in found.split.slab:
        return _slabs(config, domain)
    held = found.split.held_out.get(domain.name, frozenset())
    parts = [Part(item, whole_box(item.frame.shape), item.crops) for item in domain.items]
    train = tuple(part for part in parts if part.item.subject not in held)
    return Sides(train, tuple(part for part in parts if part.item.subject in held))


def _slabs(config: DataConfig, domain: DomainScan) -> Sides:
    train: list[Part] = []
    held: list[Part] = []
    lost: list[Problem] = []
    for item in domain.items:
        try:
            slab = cut_slab(item.frame.foreground, config.crop, slab_fraction(config, domain.name))
        except Refused as refused:
            lost.append(item.problem(refused.value, refused.cause, "quarantined"))
            continue
        for side, box, crops in zip((train, held), slab.boxes(item.frame.shape), item.frame.slab_crops, strict=True):
            side.append(Part(item, box, crops))
    return Sides(tuple(train), tuple(held), tuple(lost))


def _warnings(name: str, found: Scan, sides: Sides, wanted: int) -> list[Problem]:
    lines = []
    if name in found.split.slab:
        cause = "one subject only: the end of each volume is held out, with a gap; add subjects for a better estimate"
        lines.append(Problem(name, "(all)", f"volumes: {len(found.domains[name].items)}", cause, "warning"))
    for file, held, train in found.both:
        if held == name:
            cause = (
                f"a slab of its subject is held out here, and '{train}' trains on the subject: the held-out loss will "
                "look better than it is; add a subject here, or leave this one out there"
            )
            if held == train:
                cause = "the CSV marks its subject held out and not; the whole subject is held out"
            lines.append(Problem(name, file, "", cause, "warning"))
    crops = sum(part.crops for part in sides.held_out)
    if sides.held_out and crops < wanted:
        cause = f"fewer distinct held-out crops than the {wanted} asked for; hold out more subjects"
        lines.append(Problem(name, "(held out)", f"crops: {crops}", cause, "warning"))
    return lines
