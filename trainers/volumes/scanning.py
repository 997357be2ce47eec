"""What is there: every volume looked at, every problem named, subjects split. Nothing is prepared yet."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from trainers.config.data import DataConfig, DomainConfig
from trainers.volumes.cache import cache_key, find_cached
from trainers.volumes.frame import Frame
from trainers.volumes.inspection import Finding, inspect
from trainers.volumes.linking import (
    Links,
    Rule,
    about_ids,
    about_spellings,
    check_named,
    is_named,
    named_hashes,
    rules_of,
    shown_id,
    some,
)
from trainers.volumes.privacy import project_key, shown_subject
from trainers.volumes.recipe import recipe_of
from trainers.volumes.records import Problem
from trainers.volumes.sources import Source, look_for
from trainers.volumes.split import Split, Wish, split_subjects

Progress = Callable[[int, int, str], None]

FOLLOWED = "(held out elsewhere)"


@dataclasses.dataclass(frozen=True)
class Item:
    """A usable volume: one frame of a source."""

    domain: str
    source: Source
    finding: Finding
    frame: Frame
    subject: str
    name: str
    key: str

    @property
    def crops(self) -> int:
        """Effective distinct crops of the whole volume."""
        return self.frame.crops

    @property
    def voxels(self) -> int:
        """Of the cached volume."""
        return int(np.prod(self.frame.shape))

    def problem(self, value: str, cause: str, severity: str) -> Problem:
        path = _path(self.source, self.finding, self.frame)
        return Problem(self.domain, self.name, value, cause, severity, path)


def _path(source: Source, finding: Finding, frame: Frame) -> str:
    return str(source.path) if len(finding.frames) == 1 else f"{source.path}#{frame.number}"


@dataclasses.dataclass(frozen=True)
class Duplicate:
    """Two files with the same voxels. Within a domain the second is not used."""

    first: tuple[str, str]
    second: tuple[str, str]


@dataclasses.dataclass(frozen=True)
class DomainScan:
    """One domain: what is usable, what is not, and how many files there were.

    `rules` says how its subjects were found. `notes` are lines on what was passed over that need no mending.
    """

    name: str
    config: DomainConfig
    found: int
    items: tuple[Item, ...]
    problems: tuple[Problem, ...]
    rules: tuple[Rule, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> float:
        """The part of the domain's volumes that is quarantined."""
        lost = sum(problem.severity == "quarantined" for problem in self.problems)
        return lost / max(1, lost + len(self.items))

    @property
    def subjects(self) -> int:
        return len({item.subject for item in self.items})


@dataclasses.dataclass(frozen=True)
class Scan:
    """All domains. Subjects are hashes.

    `both` lists (file, domain that holds a slab of its subject out, domain that trains on it). Where the two are
    the same a CSV marks the subject both ways; it is held out.
    """

    domains: Mapping[str, DomainScan]
    duplicates: tuple[Duplicate, ...]
    split: Split
    both: tuple[tuple[str, str, str], ...]
    bytes_needed: int

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(problem for domain in self.domains.values() for problem in domain.problems)


def scan(config: DataConfig, progress: Progress | None = None) -> Scan:
    """Look at every volume of every domain and split the subjects.

    Raises `BadData` where the configuration leads nowhere; a bad file is a `Problem`, never an error.
    """
    finds = {n: look_for(n, d, config.root_path, config.cache_path) for n, d in config.domains.items()}
    total, done = sum(len(f.sources) for f in finds.values()), 0
    key = project_key(config.cache_path)
    found: dict[str, tuple[list[Item], list[Problem]]] = {}
    looked: dict[str, list[tuple[Source, Finding]]] = defaultdict(list)
    for name in config.domains:
        items: list[Item] = []
        problems: list[Problem] = list(finds[name].warnings)
        for source in finds[name].sources:
            finding = inspect(source, config)
            looked[name].append((source, finding))
            _judge(config, source, finding, key, items, problems)
            done += 1
            if progress is not None:
                progress(done, total, f"looking at {name}")
        found[name] = items, problems
    for said in (
        check_named(config.domains, looked),
        about_spellings(looked),
        {name: about_ids(name, pairs) for name, pairs in looked.items()},
    ):
        for name, lines in said.items():
            found[name][1].extend(lines)
    scanned = assemble(config, {name: len(f.sources) for name, f in finds.items()}, found)
    domains = {n: dataclasses.replace(d, notes=finds[n].notes) for n, d in scanned.domains.items()}
    return dataclasses.replace(scanned, domains=domains)


def assemble(
    config: DataConfig, files: Mapping[str, int], found: Mapping[str, tuple[list[Item], list[Problem]]]
) -> Scan:
    """Put the items of all domains together: duplicates, sides, bytes."""
    items, duplicates, repeats = _unite({name: items for name, (items, _) in found.items()})
    split = split_subjects({name: _wish(config.domains[name], items[name]) for name in items if items[name]})
    followed = _about_followed(split, items)
    domains = {
        name: DomainScan(
            name=name,
            config=config.domains[name],
            found=files[name],
            items=tuple(items[name]),
            problems=(*(p for p in problems if p.file != FOLLOWED), *repeats[name], *followed[name]),
            rules=rules_of(items[name], [item.subject for item in items[name]]),
        )
        for name, (_, problems) in found.items()
    }
    named = {(i.domain, i.subject): i.name for d in domains.values() for i in d.items}
    both = [(named[held, subject], held, train) for subject, held, train in split.both]
    both += [
        (item.name, name, name)
        for name, domain in domains.items()
        for marked in [{item.subject for item in domain.items if item.source.held_out}]
        for item in domain.items
        if item.source.held_out is False and item.subject in marked
    ]
    width = np.dtype(config.dtype).itemsize
    new = {i.key: i.voxels for d in domains.values() for i in d.items if find_cached(config.cache_path, i.key) is None}
    return Scan(domains, duplicates, split, tuple(both), sum(new.values()) * width)


def _judge(
    config: DataConfig, source: Source, finding: Finding, key: bytes, items: list[Item], problems: list[Problem]
) -> None:
    """Turn what was found in one source into items and problems."""
    domain = config.domains[source.domain]
    shown = f"{shown_subject(finding.subject, key)}/{finding.label}"

    def refuse(name: str, value: str, cause: str, path: str) -> None:
        problems.append(Problem(source.domain, name, value, cause, "quarantined", path))

    if finding.cause:
        return refuse(shown, finding.value, finding.cause, str(source.path))
    problems.extend(Problem(source.domain, shown, *note, "warning", str(source.path)) for note in finding.notes)
    for frame in finding.frames:
        name = shown if len(finding.frames) == 1 else f"{shown}#{frame.number}"
        if frame.cause:
            refuse(name, frame.value, frame.cause, _path(source, finding, frame))
            continue
        key_ = cache_key(finding.content, frame.number, recipe_of(domain), config.dtype)
        item = Item(source.domain, source, finding, frame, finding.subject, name, key_)
        items.append(item)
        problems.extend(item.problem(value, cause, "warning") for value, cause in frame.warnings)
    return None


def _unite(
    found: Mapping[str, list[Item]],
) -> tuple[dict[str, list[Item]], tuple[Duplicate, ...], dict[str, list[Problem]]]:
    """Make subjects one that have one id or equal voxels; name files with equal voxels and use each once per domain."""
    first: dict[str, Item] = {}
    seen: set[tuple[str, str]] = set()
    duplicates: list[Duplicate] = []
    repeats: dict[str, list[Problem]] = defaultdict(list)
    links = Links()
    kept: dict[str, list[Item]] = {name: [] for name in found}
    for name, items in found.items():
        for item in items:
            links.identify(item.finding)
            other = first.setdefault(item.frame.voxels, item)
            if other is not item:
                duplicates.append(Duplicate((other.domain, other.name), (name, item.name)))
                links.join(other.finding.subject, item.finding.subject)
            if (name, item.frame.voxels) in seen:
                cause = f"same voxels as {other.name} of '{other.domain}'; used once"
                repeats[name].append(item.problem("", cause, "warning"))
            else:
                kept[name].append(item)
            seen.add((name, item.frame.voxels))
    united = {
        n: [dataclasses.replace(i, subject=links.lead(i.finding.subject)) for i in items] for n, items in kept.items()
    }
    return united, tuple(duplicates), defaultdict(list, repeats)


def _wish(domain: DomainConfig, items: list[Item]) -> Wish:
    """Which subjects to hold out: those a CSV marks, those the configuration names, or a fraction."""
    subjects = frozenset(item.subject for item in items)
    marked = frozenset(item.subject for item in items if item.source.held_out)
    if isinstance(domain.held_out, tuple):
        named = frozenset[str]().union(*(named_hashes(domain, subject) for subject in domain.held_out))
        return Wish(subjects, marked | {i.subject for i in items if is_named(i.finding, named)})
    if any(item.source.held_out is not None for item in items):
        return Wish(subjects, marked)
    return Wish(subjects, float(domain.held_out))


def _about_followed(split: Split, items: Mapping[str, list[Item]]) -> dict[str, list[Problem]]:
    """Subjects that a domain's own list would train on and that another domain holds out."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for subject, other, name in split.followed:
        groups[name, other].append(subject)
    said: dict[str, list[Problem]] = defaultdict(list)
    for (name, other), subjects in groups.items():
        examples = {i.subject: i for i in items[name] if i.subject in subjects}
        local = f"subjects {some([repr(shown_id(i.source, i.finding)) for i in examples.values()])}"
        cause = f"held out here, too, since '{other}' holds them out: a subject is on one side in all domains"
        said[name].append(Problem(name, FOLLOWED, f"{len(subjects)} subjects", cause, "warning", local))
    return said


def summary(found: Scan) -> dict[str, Any]:
    """The scan as JSON; subjects and paths do not appear in it."""
    domains = {}
    for name, domain in found.domains.items():
        held = found.split.held_out.get(name, frozenset())
        spacings = np.array([i.finding.spacing for i in domain.items]).reshape(-1, 3)
        domains[name] = {
            "kind": domain.config.kind,
            "files": domain.found,
            "volumes": len(domain.items),
            "subjects": domain.subjects,
            "subject_rules": {rule.rule: rule.subjects for rule in domain.rules},
            "held_out_volumes": sum(item.subject in held for item in domain.items),
            "slab": name in found.split.slab,
            "crops": sum(item.crops for item in domain.items),
            "spacing_low": [float(mm) for mm in spacings.min(axis=0)] if len(spacings) else None,
            "spacing_high": [float(mm) for mm in spacings.max(axis=0)] if len(spacings) else None,
            "missing": domain.missing,
            "problems": [problem.to_dict() for problem in domain.problems],
        }
    return {
        "domains": domains,
        "duplicates": [{"first": list(d.first), "second": list(d.second)} for d in found.duplicates],
        "both_sides": [{"file": f, "held_out_in": held, "trained_in": train} for f, held, train in found.both],
        "bytes_needed": found.bytes_needed,
    }
