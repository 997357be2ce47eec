"""Training and held-out subjects: one order of subjects for all domains, so that a subject is on one side.

Order and choice depend on the subjects' hashes alone: not on the seed of a run, nor on the order of files.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping

from trainers.volumes.errors import BadData


@dataclasses.dataclass(frozen=True)
class Wish:
    """The subjects of a domain, and which are held out: a fraction, or the ones that were named."""

    subjects: frozenset[str]
    held_out: float | frozenset[str]


@dataclasses.dataclass(frozen=True)
class Split:
    """By domain the held-out subjects; `slab` holds the domains with one subject, where it is on both sides.

    `both` lists (subject, domain that holds it or a slab of it out, domain that trains on it).
    """

    held_out: Mapping[str, frozenset[str]]
    slab: frozenset[str]
    both: tuple[tuple[str, str, str], ...]


def split_subjects(wishes: Mapping[str, Wish]) -> Split:
    """Choose the held-out subjects of every domain.

    Named subjects are taken as named. Of n subjects a fraction f holds out max(1, round(f n)), at most
    n - 1: first those that another domain holds out already (all of them, even where that is more), then
    those that no other domain trains on, each in the order of their hashes. Domains with few subjects
    choose first.

    Raises `BadData` if named subjects are not there or are all there are.
    """
    held: dict[str, frozenset[str]] = {}
    for name, wish in wishes.items():
        if isinstance(wish.held_out, frozenset):
            held[name] = _named(name, wish.subjects, wish.held_out)
    slab = frozenset(n for n, w in wishes.items() if n not in held and len(w.subjects) == 1)
    rest = [n for n in wishes if n not in held and n not in slab]
    for name in sorted(rest, key=lambda n: (len(wishes[n].subjects), n)):
        held[name] = _choose(name, wishes, held)
    away = held | {name: wishes[name].subjects for name in slab}
    both = tuple(
        (subject, name, other)
        for name, subjects in sorted(away.items())
        for subject in sorted(subjects)
        for other in sorted(wishes)
        if other != name and subject in wishes[other].subjects and subject not in held.get(other, frozenset())
    )
    return Split({name: held.get(name, frozenset()) for name in wishes}, slab, both)


def _named(name: str, subjects: frozenset[str], wanted: frozenset[str]) -> frozenset[str]:
    found = subjects & wanted
    if not found:
        raise BadData(f"domain '{name}': none of the {len(wanted)} subjects in held_out is among its {len(subjects)}")
    if found == subjects:
        raise BadData(f"domain '{name}': held_out names all {len(subjects)} subjects; leave at least one to train on")
    return found


def _choose(name: str, wishes: Mapping[str, Wish], held: Mapping[str, frozenset[str]]) -> frozenset[str]:
    subjects, fraction = wishes[name].subjects, wishes[name].held_out
    assert isinstance(fraction, float)
    taken = frozenset[str]().union(*held.values())
    count = min(max(1, round(fraction * len(subjects))), len(subjects) - 1)
    count = max(count, min(len(subjects & taken), len(subjects) - 1))
    settled = [wishes[n].subjects - held[n] for n in held]
    ranked = sorted(subjects, key=lambda s: (s not in taken, _clashes(s, settled), _rank(s)))
    return frozenset(ranked[:count])


def _clashes(subject: str, training: Collection[frozenset[str]]) -> bool:
    """Whether holding the subject out would clash with a domain that trains on it, already settled."""
    return any(subject in subjects for subjects in training)


def _rank(subject: str) -> str:
    return hashlib.sha256(f"isthmus split {subject}".encode()).hexdigest()
