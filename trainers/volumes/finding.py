"""Every file below a folder, once: volumes, and a tally of all that was passed over, so that nothing goes unsaid.

Links are followed after the folders they stand in, and no folder is entered twice, so a loop ends and the name
that is no link wins. Nothing is opened but regular files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fnmatch
import glob
import os
import stat
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from trainers.volumes.endings import ending_of, format_of, is_dicom, may_be_volume
from trainers.volumes.errors import BadData
from trainers.volumes.layouts import label_folder

_SYSTEM = ("__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "#recycle", "#snapshot", "CVS", "__pycache__")
HIDDEN = frozenset((*_SYSTEM, "System Volume Information"))
NO_TEXT = "its name is not UTF-8; rename it"
MOST_HIDDEN = 20_000  # entries of hidden folders that are counted; a snapshot of a file system has millions


@dataclasses.dataclass(frozen=True)
class Volume:
    """A file, or a folder of DICOM slices, that claims to be a volume; or, with a `fault`, what may have been one."""

    path: Path
    format: str
    files: tuple[Path, ...] = ()
    fault: str = ""


@dataclasses.dataclass
class Tally:
    """What was passed over. `passed` holds files by ending, `labels` volumes by label folder."""

    passed: dict[str, set[Path]] = dataclasses.field(default_factory=lambda: defaultdict(set))
    labels: dict[Path, int] = dataclasses.field(default_factory=dict)
    hidden: set[Path] = dataclasses.field(default_factory=set)
    looked_into: int = 0
    rows_again: int = 0
    links_back: int = 0


def leave_none(path: Path) -> bool:
    """Excludes nothing."""
    del path
    return False


class Search:
    """A walk through folders. `excluded` says which files the user leaves out; `avoid` is the cache."""

    def __init__(self, tally: Tally, excluded: Callable[[Path], bool] = leave_none, avoid: Path | None = None) -> None:
        self.tally, self._excluded, self._avoid = tally, excluded, avoid
        self._seen: set[tuple[int, int, str]] = set()

    def below(self, start: Path) -> Iterator[Volume]:
        """Volumes below a folder; all DICOM files of one folder are one series."""
        folders, links = [start], deque[Path]()
        while folders or links:
            folder = folders.pop() if folders else links.popleft()
            if not _is_text(folder):
                yield Volume(_legible(folder), "", fault=NO_TEXT)
                continue
            try:
                info = folder.stat()
                # Some network file systems number nothing: there the name has to do.
                mark = (info.st_dev, info.st_ino, "" if info.st_ino else os.path.realpath(folder))
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                yield Volume(
                    folder, "", fault=f"the folder cannot be read ({error.strerror}); give the right to read it"
                )
                continue
            if mark in self._seen:
                self.tally.links_back += 1
                continue
            self._seen.add(mark)
            yield from self._inside(folder, entries, folders, links)

    def _inside(
        self, folder: Path, entries: list[os.DirEntry[str]], folders: list[Path], links: deque[Path]
    ) -> Iterator[Volume]:
        files: list[Path] = []
        deeper = 0
        for entry in entries:
            path = folder / entry.name
            if hidden(entry.name):
                self._count_hidden(path)
            elif _is_folder(entry):
                deeper += self._enter(path, folders, links)
            else:
                files.append(path)
        found = list(self.among(files))
        if format_of(folder.name) and not found and not deeper:
            yield Volume(folder, "", fault="a folder with the name of a volume and no volume in it; leave it out")
        yield from found

    def _enter(self, path: Path, folders: list[Path], links: deque[Path]) -> bool:
        if path == self._avoid:
            return False
        if label_folder(path):
            self.leave_labels(path)
        elif path.is_symlink():
            links.append(path)
        else:
            folders.append(path)
        return True

    def leave_labels(self, folder: Path) -> None:
        """Count the volumes of a label folder, less those that the user leaves out anyway."""
        if folder not in self.tally.labels:
            inner = Search(Tally(), self._excluded)
            self.tally.labels[folder] = sum(1 for _ in inner.below(folder))

    def among(self, files: Iterable[Path]) -> Iterator[Volume]:
        """Volumes among files; DICOM slices are joined by folder."""
        slices: dict[Path, list[Path]] = defaultdict(list)
        for path in files:
            if self._excluded(path):
                continue
            fault = _fault(path)
            if fault:
                if may_be_volume(path.name):
                    yield Volume(_legible(path), "", fault=fault)
                else:
                    self.tally.passed[ending_of(path.name)].add(path)
            elif is_dicom(path):
                slices[path.parent].append(path)
            elif format_of(path.name):
                yield Volume(path, format_of(path.name), (path,))
            else:
                self.tally.passed[ending_of(path.name)].add(path)
        for folder, found in slices.items():
            if not self._excluded(folder):
                yield Volume(folder, "dicom", tuple(found))

    def _count_hidden(self, path: Path) -> None:
        """Volumes in what is hidden, as far as a walk of bounded length finds them."""
        if not os.path.isdir(path):
            if format_of(path.name):
                self.tally.hidden.add(path)
            return
        for where, folders, names in os.walk(path):
            self.tally.looked_into += len(folders) + len(names)
            self.tally.hidden |= {Path(where, name) for name in names if format_of(name)}
            if self.tally.looked_into > MOST_HIDDEN:
                return


def hidden(name: str) -> bool:
    """Whether a file or folder is there for a program, not for people."""
    return name.startswith(".") or name in HIDDEN


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Without a question to the disk for what is no link; a link that leads round in a circle is no folder."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _legible(path: Path) -> Path:
    """The same where its name is text; else with the bytes that are none written out, fit to be shown."""
    return Path(os.fsencode(path).decode(errors="backslashreplace"))


def _fault(path: Path) -> str:
    """Why a file cannot be opened like one."""
    if not _is_text(path):
        return NO_TEXT
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink() and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return "a link that leads nowhere; mend it, or fetch what it stands for"
        return f"it cannot be looked at ({error.strerror})"
    if stat.S_ISREG(mode):
        return ""
    kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, "a folder"))
    return f"{next((words for test, words in kinds if test(mode)), 'a device')}, not a regular file; leave it out"


def single(path: Path) -> Volume:
    """The file that the user named."""
    fault = _fault(path) if os.path.lexists(path) else ""
    if fault:
        return Volume(path, "", fault=fault)
    return Volume(path, "dicom" if is_dicom(path) else format_of(path.name), (path,))


def _expanded(pattern: str) -> list[Path]:
    """What `glob` would give, in order, but `**` enters no folder twice, so that links in a circle end."""
    parts = pattern.split("/")
    if "**" not in parts:
        return sorted(map(Path, glob.glob(pattern)))
    number = parts.index("**")
    tops = map(Path, glob.glob("/".join(parts[:number]) or "/"))
    return sorted({path for top in tops for path, below in _all_below(top) if _fits(below, parts[number:])})


def _all_below(top: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Everything below a folder that is not hidden, and the folder itself, with its names from there."""
    seen: set[str] = set()
    folders: deque[tuple[Path, tuple[str, ...]]] = deque([(top, ())])
    links: deque[tuple[Path, tuple[str, ...]]] = deque()
    while folders or links:
        folder, names = folders.popleft() if folders else links.popleft()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        yield folder, names
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                below = (folder / entry.name, (*names, entry.name))
                if hidden(entry.name):
                    continue
                if _is_folder(entry):
                    (links if entry.is_symlink() else folders).append(below)
                else:
                    yield below


def _fits(names: tuple[str, ...], patterns: list[str]) -> bool:
    """Whether names of folders and a file fit the parts of a pattern, `**` standing for any number of folders."""
    if not patterns or (not names and patterns[0] != "**"):
        return not names and not patterns
    if patterns[0] == "**":
        return _fits(names, patterns[1:]) or (bool(names) and _fits(names[1:], patterns))
    return fnmatch.fnmatchcase(names[0], patterns[0]) and _fits(names[1:], patterns[1:])


def matches(pattern: str, base: Path, search: Search) -> Iterator[Volume]:
    """Volumes that a pattern for `glob` leads to: files themselves, folders to any depth."""
    files: list[Path] = []
    entered: set[Path] = set()
    for path in _expanded(pattern):
        parts = path.relative_to(base).parts
        inside = [base.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)]
        if any(folder in entered for folder in inside) or any(hidden(folder.name) for folder in inside):
            continue
        labels = next((f for f in inside if f in search.tally.labels or _is_labels(f)), None)
        if labels is not None:
            search.leave_labels(labels)
        elif os.path.isdir(path):
            entered.add(path)
            yield from search.below(path)
        else:
            files.append(path)
    yield from search.among(files)


def _is_labels(folder: Path) -> bool:
    return os.path.isdir(folder) and label_folder(folder)


def list_files(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Format and files of one volume; raises `BadData` unless the path leads to exactly one."""
    found = list(Search(Tally()).below(path) if os.path.isdir(path) else [single(path)])
    if len(found) != 1 or not os.path.exists(path):
        there = f"{path} holds {len(found)} volumes" if os.path.exists(path) else f"there is no {path}"
        raise BadData(f"{there}; name one file, or a folder with one DICOM series")
    if found[0].fault:
        raise BadData(f"{found[0].path}: {found[0].fault}")
    return found[0].format, found[0].files
