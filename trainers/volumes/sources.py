"""From the paths of a configuration to files that claim to be volumes, each with its subject."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainers.config.data import DomainConfig
from trainers.config.text import unknown_in
from trainers.volumes.endings import CONVERTIBLE, ENDINGS, TABLES
from trainers.volumes.errors import BadData
from trainers.volumes.finding import Search, Tally, Volume, matches, single
from trainers.volumes.layouts import Identity, forget, identify, looks_like_label
from trainers.volumes.locations import Exclude, expand, pattern_of
from trainers.volumes.records import Problem
from trainers.volumes.spreadsheet import Row, read_rows
from trainers.volumes.subjects import is_nobody

MOST_NAMES = 3


@dataclasses.dataclass(frozen=True)
class Source:
    """One file, or one folder of DICOM slices, that may hold a volume.

    Parameters
    ----------
    subject:
        The raw id, which stays in this process; `person` is the part of it that tells people apart, where
        that is less (`00001` of `00001_t1n`).
    rule:
        Where it came from: `csv`, `pattern`, `bids`, `nnunet`, `folder`, `name`, `sequence`. A DICOM patient
        replaces the last five.
    held_out:
        None unless a table says.
    also:
        Persons that other names of the very same file claim.
    dataset:
        The name space of its ids.
    nobody:
        Whether the user's pattern gave an id that stands for nobody, so that the path had to say.
    like_label:
        Whether it is named like a label map.
    """

    domain: str
    path: Path
    format: str
    files: tuple[Path, ...]
    subject: str = dataclasses.field(repr=False)
    rule: str
    held_out: bool | None = None
    fault: str = ""
    person: str = dataclasses.field(default="", repr=False)
    also: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    dataset: str = ""
    nobody: bool = False
    like_label: bool = False


@dataclasses.dataclass(frozen=True)
class Finds:
    """What the paths of a domain lead to. `notes` are lines about what was passed over that need no mending."""

    sources: tuple[Source, ...]
    warnings: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def find_sources(name: str, domain: DomainConfig, root: Path) -> list[Source]:
    """Every source of a domain; see `look_for`."""
    return list(look_for(name, domain, root).sources)


def look_for(name: str, domain: DomainConfig, root: Path, cache: Path | None = None) -> Finds:
    """Every source of a domain, once, in the order of its path, and what was passed over on the way.

    Raises `BadData` if a path of the configuration does not exist, matches nothing or holds no volume.
    """
    forget()
    tally, exclude = Tally(), Exclude(domain.exclude, root)
    found: list[Source] = []
    for text in domain.path:
        one = _Look(name, domain, root, tally, exclude, cache)
        sources = list(one.resolve(text))
        if not sources:
            passed = "; ".join([*filter(None, [unknown_in(text)]), *_passed(tally, exclude)])
            raise BadData(
                f"domain '{name}': no volume in {text!r} (looked in {expand(text, root)}{passed and '; '}{passed}); "
                f"give a folder, file, glob or CSV that leads to {', '.join(ENDINGS)} or DICOM files"
            )
        found += sorted(sources, key=lambda source: source.path)
    sources, twice = _once(found)
    warnings = _warnings(name, tally, exclude, sources, twice)
    return Finds(tuple(sources), tuple(warnings), tuple(_notes(tally)))


@dataclasses.dataclass(frozen=True)
class _Look:
    """One look at one path of a domain."""

    name: str
    domain: DomainConfig
    root: Path
    tally: Tally
    exclude: Exclude
    cache: Path | None

    def resolve(self, text: str) -> Iterator[Source]:
        """Sources of one text of the configuration. A path that exists as written is no pattern."""
        path, pattern = expand(text, self.root), pattern_of(text, self.root)
        if os.path.isfile(path) and path.suffix.lower() in TABLES:
            yield from self._rows(path)
        elif os.path.isdir(path):
            yield from (self._source(v, path) for v in self._search(path).below(path))
        elif os.path.lexists(path):
            found = [] if self.exclude(path, path.parent) else [single(path)]
            yield from (self._source(v, path.parent) for v in found)
        elif pattern is not None:
            search = self._search(pattern[1])
            yield from (self._source(v, pattern[1]) for v in matches(*pattern, search))
        else:
            cure = unknown_in(text) or f"mend `path` ({text!r} is read relative to {self.root})"
            raise BadData(f"domain '{self.name}': there is no {path}; {cure}")

    def _search(self, base: Path) -> Search:
        return Search(self.tally, lambda path: self.exclude(path, base), self.cache)

    def _source(self, volume: Volume, base: Path) -> Source:
        """A volume as a source. Subjects' folders lie below `base`."""
        who = identify(volume.path, base, self.domain.subject, self.root)
        fault = volume.fault
        if not fault and not who.raw:
            fault = f"the subject pattern {self.domain.subject!r} does not match its path"
        nobody = who.rule == "pattern" and bool(who.raw) and is_nobody(who.raw, zero=False)
        if nobody:
            who = identify(volume.path, base, None, self.root)
        source = self._with(volume, who, fault, looks_like_label(volume.path, base))
        return dataclasses.replace(source, nobody=nobody)

    def _with(self, volume: Volume, who: Identity, fault: str, like_label: bool, held: bool | None = None) -> Source:
        return Source(
            domain=self.name,
            path=volume.path,
            format=volume.format,
            files=volume.files,
            subject=who.raw,
            rule=who.rule,
            held_out=held,
            fault=fault,
            person=who.person,
            dataset=self.domain.dataset or "",
            like_label=like_label,
        )

    def _rows(self, table: Path) -> Iterator[Source]:
        nobody: list[int] = []
        rows, again = read_rows(self.name, table)
        self.tally.rows_again += again
        for row in rows:
            if not self.exclude(row.path, table.parent):
                if is_nobody(row.subject):
                    nobody.append(row.line)
                    continue
                yield self._row(row)
        if nobody:
            lines = ", ".join(map(str, nobody[:5])) + (", ..." if len(nobody) > 5 else "")
            raise BadData(
                f"domain '{self.name}': the subject in line {lines} of {table} stands for nobody (as empty, 0, "
                "ANONYMOUS or unknown do); write an id for each person, counted from 1 if by number"
            )

    def _row(self, row: Row) -> Source:
        found = [single(row.path)]
        fault = "" if os.path.lexists(row.path) else "there is no such file"
        if os.path.isdir(row.path):
            found = list(Search(Tally()).below(row.path))
            fault = f"the folder holds {len(found)} volumes; name one in each line" if len(found) != 1 else ""
        volume = found[0] if found and not (fault and os.path.isdir(row.path)) else Volume(row.path, "")
        who = Identity(row.subject, row.subject, "csv")
        return self._with(volume, who, fault or volume.fault, looks_like_label(row.path, row.path.parent), row.held_out)


def _once(sources: list[Source]) -> tuple[list[Source], list[Source]]:
    """Each file on disk once, in the order of paths, and the other names that it goes by.

    A table's word comes first, then a name that is no link, then the order of the configuration. If one row holds a
    file out, it is held out. Where no name is better than another, all of them say who is in it.
    """
    groups: dict[object, list[Source]] = {}
    for source in sources:
        groups.setdefault(_mark(source), []).append(source)
    kept: list[Source] = []
    others: list[Source] = []
    for group in groups.values():
        if len(group) == 1:
            kept += group
            continue
        group.sort(key=lambda s: (s.rule != "csv", _is_link(s)))
        first = group[0]
        names = {s.path: s for s in reversed(group) if s.path != first.path}
        held = True if any(s.held_out for s in group) else first.held_out
        equal = names.values() if first.rule == "csv" or _is_link(first) else ()
        also = tuple(s.person for s in equal if s.rule == first.rule)
        kept.append(dataclasses.replace(first, held_out=held, also=also))
        others += names.values()
    return sorted(kept, key=lambda s: s.path), sorted(others, key=lambda s: s.path)


def _is_link(source: Source) -> bool:
    return os.path.realpath(source.path) != str(source.path)


def _mark(source: Source) -> object:
    """What two names of one file have in common."""
    try:
        info = source.files[0].stat()
    except (OSError, IndexError):
        return source.path
    return (info.st_dev, info.st_ino, len(source.files)) if info.st_ino else os.path.realpath(source.path)


def _passed(tally: Tally, exclude: Exclude) -> list[str]:
    """What was passed over, counted: endings that are not read, what `exclude` and label folders leave out."""
    endings = sorted(tally.passed.items(), key=lambda item: (-len(item[1]), item[0]))
    lines = [f"passed over {', '.join(f'{ending}: {len(files)}' for ending, files in endings)}"] if endings else []
    excluded = sum(exclude.counts.values())
    lines += [f"left out by exclude: {excluded}"] if excluded else []
    lines += [f"label maps left out: {sum(tally.labels.values())}"] if any(tally.labels.values()) else []
    return lines + _notes(tally, endings=False)


def _notes(tally: Tally, endings: bool = True) -> list[str]:
    lines = []
    other = {ending: len(files) for ending, files in tally.passed.items() if ending not in CONVERTIBLE}
    if endings and other:
        counts = sorted(other.items(), key=lambda item: (-item[1], item[0]))
        lines.append(f"files of other kinds passed over: {', '.join(f'{e}: {n}' for e, n in counts)}")
    if tally.hidden:
        lines.append(f"volumes in hidden or system folders left out: {len(tally.hidden)}")
    if tally.rows_again:
        lines.append(f"rows of tables that say the same again: {tally.rows_again}")
    if tally.links_back:
        lines.append(f"links to folders that were seen already: {tally.links_back}")
    return lines


def _warnings(
    name: str, tally: Tally, exclude: Exclude, sources: list[Source], twice: list[Source]
) -> Iterator[Problem]:
    """What a person should look at, once for each kind of thing; names of files only for this machine's console."""
    convertible = {ending: len(files) for ending, files in tally.passed.items() if ending in CONVERTIBLE}
    if convertible:
        counts = ", ".join(f"{ending}: {count}" for ending, count in sorted(convertible.items()))
        cause = (
            "formats of images that are not read are passed over; convert them to NIfTI, or leave them out by exclude"
        )
        yield Problem(name, "(passed over)", counts, cause, "warning")
    labels = {folder: count for folder, count in tally.labels.items() if count}
    if labels:
        kinds = ", ".join(sorted({folder.name for folder in labels}))
        cause = f"the label maps of {kinds} are left out: they lie beside the images that they belong to"
        yield Problem(name, "(label folders)", _files(sum(labels.values())), cause, "warning", _some(labels))
    like = [source for source in sources if source.like_label]
    if like:
        cause = "named like label maps, and used all the same; if they are no images to train on, add them to exclude"
        yield Problem(name, "(label names)", _files(len(like)), cause, "warning", _some(s.path for s in like))
    if twice:
        cause = "other names of files that are there already (links); each file is used once"
        yield Problem(name, "(links)", _files(len(twice)), cause, "warning", _some(s.path for s in twice))
    for pattern in exclude.unused:
        cause = "an exclude pattern matches nothing; mend it (it is held against file names and paths), or take it out"
        yield Problem(name, "(exclude)", "", cause, "warning", f"exclude {pattern!r}")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _some(paths: Iterable[Path]) -> str:
    """A few paths for the console."""
    shown = [str(path) for path in paths]
    rest = f" and {len(shown) - MOST_NAMES} more" if len(shown) > MOST_NAMES else ""
    return ", ".join(shown[:MOST_NAMES]) + rest
