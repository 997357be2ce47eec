"""Which files are of one person: equal ids, ids that may be equal, equal voxels. And what is said of it.

The names of people appear only in `Problem.path` and in `Rule.examples`, which are for this machine's console.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from trainers.config.data import DomainConfig
from trainers.volumes.dicom import read_patient
from trainers.volumes.errors import BadData
from trainers.volumes.inspection import Finding
from trainers.volumes.privacy import subject_hash
from trainers.volumes.records import Problem
from trainers.volumes.sources import Source
from trainers.volumes.subjects import canonical, near

MOST_NAMES = 3
SEVERAL = 3  # folders; two with one patient are often two studies of one person
RULES = {
    "csv": "by the table's column",
    "pattern": "by the pattern in `subject`",
    "dicom": "by the DICOM patient",
    "bids": "by a BIDS name in the path",
    "nnunet": "by the case of an nnU-Net folder, less its channel",
    "folder": "by the folder",
    "sequence": "by the file's name, less the words for a sequence",
    "name": "by the file's name",
}


class Linkable(Protocol):
    """What an item of a scan has that says whose it is."""

    @property
    def domain(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def source(self) -> Source: ...
    @property
    def finding(self) -> Finding: ...


class Links:
    """Groups of subject hashes; a group is known by the smallest of its hashes."""

    def __init__(self) -> None:
        self._leader: dict[str, str] = {}
        self._first: dict[tuple[str, str], str] = {}

    def lead(self, subject: str) -> str:
        while subject in self._leader:
            subject = self._leader[subject]
        return subject

    def join(self, one: str, two: str) -> None:
        low, high = sorted((self.lead(one), self.lead(two)))
        if low != high:
            self._leader[high] = low

    def share(self, subject: str, kind: str, key: str) -> None:
        """Join the subject with whoever had the same key of that kind before."""
        self.join(self._first.setdefault((kind, key), subject), subject)

    def identify(self, finding: Finding) -> None:
        """Join the subject with all of the same id, or of one so near that it may be the same."""
        for key in finding.same:
            self.share(finding.subject, "same", key)
        if finding.near:
            self.share(finding.subject, "near", finding.near)


@dataclasses.dataclass(frozen=True)
class Rule:
    """How many subjects of a domain a rule found, in how many volumes; a few of them by name."""

    rule: str
    subjects: int
    volumes: int
    examples: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    def line(self, *, local: bool = False) -> str:
        """In words; with `local` the examples, which must not leave the machine."""
        shown = f" ({', '.join(self.examples)}{', ...' if self.subjects > len(self.examples) else ''})"
        files = "1 volume" if self.volumes == 1 else f"{self.volumes} volumes"
        text = f"{_people(self.subjects)} in {files} {RULES.get(self.rule, self.rule)}"
        return text + shown if local and self.examples else text


def rules_of(items: Sequence[Linkable], leaders: Sequence[str]) -> tuple[Rule, ...]:
    """What each rule found in one domain. `leaders` are the items' subjects after linking."""
    by_rule: dict[str, dict[str, Linkable]] = defaultdict(dict)
    volumes: dict[str, int] = defaultdict(int)
    for item, leader in zip(items, leaders, strict=True):
        by_rule[item.finding.rule].setdefault(leader, item)
        volumes[item.finding.rule] += 1
    order = [*RULES, *sorted(set(by_rule) - set(RULES))]
    return tuple(
        Rule(
            rule,
            len(found),
            volumes[rule],
            tuple(shown_id(i.source, i.finding) for i in list(found.values())[:MOST_NAMES]),
        )
        for rule in order
        if (found := by_rule.get(rule))
    )


def _examples(items: Iterable[Linkable]) -> tuple[str, ...]:
    return tuple(shown_id(item.source, item.finding) for item in list(items)[:MOST_NAMES])


def shown_id(source: Source, finding: Finding) -> str:
    """A subject's id for this machine's console. That of a DICOM patient is read anew: it is kept nowhere."""
    if finding.rule == "dicom":
        return read_patient(source.files[0])
    return source.person or source.subject


def about_ids(name: str, looked: Sequence[tuple[Source, Finding]]) -> list[Problem]:
    """Ids of a domain that stand for nobody, for which the path had to do; or one patient in all its folders."""
    return [*_nobody(name, looked), *_one_patient(name, looked)]


def _one_patient(name: str, looked: Sequence[tuple[Source, Finding]]) -> Iterator[Problem]:
    """A single DICOM patient where the paths tell of several people: what some tools leave behind."""
    patients = {finding.same for _, finding in looked if finding.rule == "dicom"}
    paths = {source.person for source, finding in looked if finding.rule == "dicom"}
    if len(patients) == 1 and len(paths) >= SEVERAL:
        cause = (
            "one DICOM patient in all of them, so all are one subject; if they are several people whose id was "
            "overwritten, name them by a CSV or by `subject`"
        )
        local = f"patient '{next(shown_id(s, f) for s, f in looked if f.rule == 'dicom')}'"
        yield Problem(name, "(patient)", f"{len(paths)} folders", cause, "warning", local)


def _nobody(name: str, looked: Sequence[tuple[Source, Finding]]) -> Iterator[Problem]:
    nobody = [finding.rule for _, finding in looked if finding.nobody]
    if not nobody:
        return
    rules = ", ".join(f"{nobody.count(rule)} {RULES.get(rule, rule)}" for rule in sorted(set(nobody)))
    cause = (
        "ids that stand for nobody (empty, 0, ANONYMOUS, unknown ...) are not used; the path says who it is instead "
        f"({rules}); check that each person is one subject, or give a CSV or `subject`"
    )
    yield Problem(name, "(subjects)", f"{len(nobody)} volumes", cause, "warning")


def about_spellings(looked: Mapping[str, Sequence[tuple[Source, Finding]]]) -> dict[str, list[Problem]]:
    """People who may be one or two: said in the domain where the second spelling comes up."""
    said: dict[str, list[Problem]] = defaultdict(list)
    for kind, cause in (
        ("same", "ids that are the same but for case, spaces, Unicode form, `sub-` or an ending are one subject"),
        (
            "near",
            "ids that are the same but for leading zeros, separators or the name of a sequence are kept on one side of "
            "the split; write one person's id alike, or tell datasets apart by `dataset`",
        ),
    ):
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for name, text, key in _spelt(looked, kind):
            found[key][text].append(name)
        groups: dict[str, list[str]] = defaultdict(list)
        for spellings in found.values():
            if len(spellings) > 1:
                where = list(spellings.values())[1][0]
                groups[where].append(" = ".join(f"'{text}' of '{names[0]}'" for text, names in spellings.items()))
        for name, group in groups.items():
            local = f"subjects {some(group)}"
            said[name].append(Problem(name, f"(ids: {kind})", _people(len(group)), cause, "warning", local))
    return said


def _spelt(looked: Mapping[str, Sequence[tuple[Source, Finding]]], kind: str) -> Iterable[tuple[str, str, str]]:
    """(domain, spelling, key) of every id that is spelt in more than one way; for `near`, in ways that `same` parts."""
    ways: dict[str, set[str]] = defaultdict(set)
    rows = []
    for name, pairs in looked.items():
        for source, finding in pairs:
            if finding.same:
                same = finding.same[0]
                key, way = (same, _way(source, finding)) if kind == "same" else (finding.near, same)
                ways[key].add(way)
                rows.append((name, source, finding, key))
    for name, source, finding, key in rows:
        if len(ways[key]) > 1:
            text = shown_id(source, finding)
            yield name, text if kind == "same" else canonical(text), key


def _way(source: Source, finding: Finding) -> str:
    """What tells two spellings of one id apart. A DICOM patient's id is known by its hash alone."""
    return finding.subject if finding.rule == "dicom" else subject_hash(source.person or source.subject, source.dataset)


def _people(count: int) -> str:
    return "1 subject" if count == 1 else f"{count} subjects"


def some(texts: Sequence[str]) -> str:
    rest = f" and {len(texts) - MOST_NAMES} more" if len(texts) > MOST_NAMES else ""
    return ", ".join(texts[:MOST_NAMES]) + rest


def named_hashes(domain: DomainConfig, subject: str) -> frozenset[str]:
    """Hashes that a finding of the named subject has as its `subject` or among its `same`."""
    space = domain.dataset or ""
    return frozenset({subject_hash(subject, space), subject_hash(f"same {canonical(subject)}", space)})


def is_named(finding: Finding, hashes: frozenset[str]) -> bool:
    return finding.subject in hashes or not hashes.isdisjoint(finding.same)


def check_named(
    domains: Mapping[str, DomainConfig], looked: Mapping[str, Sequence[tuple[Source, Finding]]]
) -> dict[str, list[Problem]]:
    """Hold every `held_out` list against who is there; `BadData` names who is not, with the nearest who is.

    Somebody of whom no volume can be used is a warning.
    """
    said: dict[str, list[Problem]] = {}
    for name, domain in domains.items():
        idle = []
        for subject in domain.held_out if isinstance(domain.held_out, tuple) else ():
            hashes = named_hashes(domain, subject)
            found = [finding for _, finding in looked[name] if is_named(finding, hashes)]
            if not found:
                raise BadData(_unknown(name, subject, domains, looked))
            if all(finding.cause for finding in found):
                idle.append(f"'{subject}'")
        if idle:
            cause = "no volume of these subjects in held_out can be used; mend their files, or take them off the list"
            local = f"held_out {some(idle)}"
            said[name] = [Problem(name, "(held_out)", _people(len(idle)), cause, "warning", local)]
    return said


def _unknown(
    name: str,
    subject: str,
    domains: Mapping[str, DomainConfig],
    looked: Mapping[str, Sequence[tuple[Source, Finding]]],
) -> str:
    known = sorted({shown_id(source, finding) for source, finding in looked[name]})
    octal = f"{int(subject):o}" if subject.isdecimal() else subject  # YAML reads 010 as 8
    alike = [text for text in known if near(text) == near(subject)] or [t for t in known if near(t) == near(octal)]
    close = alike or difflib.get_close_matches(subject, known, n=1, cutoff=0.6)
    far = difflib.get_close_matches(subject, known, n=1, cutoff=0.0) or known
    hint = f"did you mean '{close[0]}'?" if close else f"the nearest is '{far[0]}'" if far else "it has no subjects"
    if subject.isdecimal():
        hint += " (write numbers in quotes: YAML reads 01 as 1, 010 as 8)"
    elsewhere = [
        other
        for other, pairs in looked.items()
        if other != name and any(is_named(f, named_hashes(domains[other], subject)) for _, f in pairs)
    ]
    there = f"; it is in '{elsewhere[0]}'" if elsewhere else ""
    return f"domain '{name}': held_out names '{subject}', who is none of its {len(known)} subjects{there}; {hint}"
