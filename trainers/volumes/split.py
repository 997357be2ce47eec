"""Training and held-out subjects: a subject is on one side in all domains.

Order and choice depend on the subjects' hashes alone: not on the seed of a run, nor on the order of files.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

from trainers.volumes.errors import BadData


@dataclasses.dataclass(frozen=True)
class Wish:
    """The subjects of a domain, and which are held out: a fraction, or the ones that were named."""

    subjects: frozenset[str]
    held_out: float | frozenset[str]


@dataclasses.dataclass(frozen=True)
class Split:
    """By domain the held-out subjects; `slab` holds the domains with one subject, where it is on both sides.

    `both` lists (subject, domain that holds a slab of it out, other domain that trains on it): what cannot be
    mended, since that subject is all the first domain has. `followed` lists (subject, domain that holds it out,
    domain whose own list does not, but which holds it out all the same).
    """

    held_out: Mapping[str, frozenset[str]]
    slab: frozenset[str]
    both: tuple[tuple[str, str, str], ...]
    followed: tuple[tuple[str, str, str], ...] = ()


def split_subjects(wishes: Mapping[str, Wish]) -> Split:
    """Choose the held-out subjects of every domain.

    Whoever is named is held out in all domains. Of n subjects a fraction f holds out max(1, round(f n)), at most
    n - 1: first those that are held out already (all of them, even where that is more), then those that no other
    domain trains on, each in the order of their hashes; where there is none, one that others train on so far, if
    that leaves each of them someone. Domains with few subjects choose first.

    Raises `BadData` if named subjects are not there or are all there are, and where a domain would be left with
    nobody to train on or to hold out.
    """
    for name, wish in wishes.items():
        if isinstance(wish.held_out, frozenset):
            _check_named(name, wish.subjects, wish.held_out)
    slab = frozenset(n for n, w in wishes.items() if isinstance(w.held_out, float) and len(w.subjects) == 1)
    sides = _Sides(wishes, slab)
    rest = [n for n, w in wishes.items() if isinstance(w.held_out, float) and n not in slab]
    for name in sorted(rest, key=lambda n: (len(wishes[n].subjects), n)):
        sides.choose(name)
    held = {name: wish.subjects & frozenset(sides.out) for name, wish in wishes.items()}
    both = tuple(
        (subject, name, other)
        for name in sorted(slab)
        for subject in wishes[name].subjects
        for other in sorted(wishes)
        if other != name and subject in wishes[other].subjects
    )
    followed = tuple(
        (subject, sides.out[subject], name)
        for name, wish in sorted(wishes.items())
        if isinstance(wish.held_out, frozenset)
        for subject in sorted(held[name] - wish.held_out)
    )
    return Split(held, slab, both, followed)


def _check_named(name: str, subjects: frozenset[str], wanted: frozenset[str]) -> None:
    if not subjects & wanted:
        raise BadData(
            f"domain '{name}': nobody of its {len(subjects)} subjects is held out by its list or table; name at least "
            "one whose volumes can be used, or give a fraction"
        )
    if subjects <= wanted:
        raise BadData(f"domain '{name}': held_out names all {len(subjects)} subjects; leave at least one to train on")


class _Sides:
    """Who is held out (`out`: with the domain that asked for it) and who is trained on, over all domains."""

    def __init__(self, wishes: Mapping[str, Wish], slab: frozenset[str]) -> None:
        self._subjects = {name: wish.subjects for name, wish in wishes.items()}
        self._fractions = {n: w.held_out for n, w in wishes.items() if isinstance(w.held_out, float)}
        self.out: dict[str, str] = {}
        for name, wish in wishes.items():
            if isinstance(wish.held_out, frozenset):
                self.out |= {s: name for s in wish.held_out & wish.subjects if s not in self.out}
        for name, subjects in self._subjects.items():
            self._check_left(name, subjects)
        settled = [s for name, s in self._subjects.items() if name not in self._fractions or name in slab]
        self._trained = frozenset[str]().union(*settled) - self.out.keys()

    def _check_left(self, name: str, subjects: frozenset[str]) -> None:
        if subjects <= self.out.keys():
            others = sorted({self.out[subject] for subject in subjects} - {name})
            raise BadData(
                f"domain '{name}': nobody is left to train on: each of its {len(subjects)} subjects is held out, by "
                f"{_named(others)} too, and a subject is on one side in all domains; hold out fewer there, add "
                f"subjects here, or tell datasets apart by `dataset`"
            )

    def choose(self, name: str) -> None:
        """Hold out the fraction of a domain."""
        subjects = self._subjects[name]
        wanted = min(max(1, round(self._fractions[name] * len(subjects))), len(subjects) - 1)
        ranked = sorted(subjects - self.out.keys(), key=_rank)
        count = len(subjects & self.out.keys())
        for free in (True, False):
            for subject in ranked:
                enough = count >= (wanted if free else 1)
                if not enough and (subject not in self._trained) == free and self._can_go(subject):
                    self.out[subject] = name
                    self._trained -= {subject}
                    count += 1
        if not count:
            others = sorted(n for n, s in self._subjects.items() if n != name and s & subjects)
            raise BadData(
                f"domain '{name}': nobody can be held out: {_named(others)} would be left with nobody to train on or "
                "train on all of its subjects; say by held_out lists who is held out, add subjects, or tell datasets "
                "apart by `dataset`"
            )
        self._trained |= subjects - self.out.keys()

    def _can_go(self, subject: str) -> bool:
        """Whether every domain keeps somebody to train on when the subject is held out."""
        return all(len(subjects - self.out.keys()) > 1 for subjects in self._subjects.values() if subject in subjects)


def _named(domains: list[str]) -> str:
    return " and ".join(f"'{name}'" for name in domains) or "itself"


def _rank(subject: str) -> str:
    return hashlib.sha256(f"isthmus split {subject}".encode()).hexdigest()
