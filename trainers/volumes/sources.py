"""From the paths of a configuration to files that claim to be volumes, each with its subject.

To add a format: name its ending in `ENDINGS` and give it a reader in `readers`.
"""

from __future__ import annotations

import csv
import dataclasses
import fnmatch
import glob
import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainers.config.data import DomainConfig
from trainers.config.text import NoText, read_text
from trainers.volumes.errors import BadData

ENDINGS = {".nii": "nifti", ".nii.gz": "nifti", ".mgz": "mgz", ".mgh": "mgz", ".nrrd": "nrrd"}
DICOM_ENDINGS = (".dcm", ".ima", ".dicom")
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


@dataclasses.dataclass(frozen=True)
class Source:
    """One file, or one folder of DICOM slices, that may hold a volume.

    `subject` is the raw id: it stays in this process. `rule` says where it came from (`csv`,
    `pattern`, `bids`, `folder`, `name`); a DICOM patient replaces the last three. `held_out` is
    None unless a CSV says.
    """

    domain: str
    path: Path
    format: str
    files: tuple[Path, ...]
    subject: str = dataclasses.field(repr=False)
    rule: str
    held_out: bool | None = None
    fault: str = ""


def find_sources(name: str, domain: DomainConfig, root: Path) -> list[Source]:
    """Every source of a domain, once, in the order of its path.

    Raises `BadData` if a path of the configuration does not exist, matches nothing or holds no volume.
    """
    found: dict[Path, Source] = {}
    for text in domain.path:
        sources = [s for s in _resolve(name, domain, text, root) if not _excluded(s.path, domain.exclude)]
        if not sources:
            raise BadData(
                f"domain '{name}': no volume in {text!r} (looked in {_expand(text, root)}); "
                f"give a folder, file, glob or CSV that leads to {', '.join(ENDINGS)} or DICOM files"
            )
        for source in sources:
            found.setdefault(source.path, source)
    return [found[path] for path in sorted(found)]


def _expand(text: str, root: Path) -> Path:
    return Path(os.path.abspath(root / Path(os.path.expandvars(text)).expanduser()))


def _resolve(name: str, domain: DomainConfig, text: str, root: Path) -> Iterator[Source]:
    path = _expand(text, root)
    if path.is_file() and path.suffix.lower() == ".csv":
        yield from _from_csv(name, domain, path, root)
    elif path.exists():
        yield from _from_path(name, domain, path, root)
    elif glob.has_magic(str(path)):
        base = next(p for p in path.parents if not glob.has_magic(str(p)))
        for match in sorted(glob.glob(str(path), recursive=True)):
            yield from _from_path(name, domain, Path(match), root, base)
    else:
        raise BadData(f"domain '{name}': there is no {path}; mend `path` ({text!r} is read relative to {root})")


def _from_path(name: str, domain: DomainConfig, path: Path, root: Path, base: Path | None = None) -> Iterator[Source]:
    """A file as it is; a folder to any depth. Subjects' folders lie below `base`."""
    base = base or (path if path.is_dir() else path.parent)
    for item, kind, files in _walk(path) if path.is_dir() else _single(path):
        subject, rule = _subject(item, base, domain.subject, root)
        fault = "" if subject else f"the subject pattern {domain.subject!r} does not match its path"
        yield Source(name, item, kind, files, subject, rule, fault=fault)


def list_files(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Format and files of one volume; raises `BadData` unless the path leads to exactly one."""
    found = list(_walk(path) if path.is_dir() else _single(path))
    if len(found) != 1 or not path.exists():
        there = f"{path} holds {len(found)} volumes" if path.exists() else f"there is no {path}"
        raise BadData(f"{there}; name one file, or a folder with one DICOM series")
    return found[0][1], found[0][2]


def _single(path: Path) -> Iterator[tuple[Path, str, tuple[Path, ...]]]:
    yield path, "dicom" if _is_dicom(path) else _format(path), (path,)


def _walk(folder: Path) -> Iterator[tuple[Path, str, tuple[Path, ...]]]:
    """Volumes below a folder; all DICOM files of one folder are one series."""
    for where, folders, names in os.walk(folder):
        folders.sort()
        paths = [Path(where, n) for n in sorted(names) if not n.startswith(".")]
        slices = tuple(p for p in paths if _is_dicom(p))
        if slices:
            yield Path(where), "dicom", slices
        yield from ((p, _format(p), (p,)) for p in paths if _format(p))


def _format(path: Path) -> str:
    lower = path.name.lower()
    return next((kind for ending, kind in ENDINGS.items() if lower.endswith(ending)), "")


def _is_dicom(path: Path) -> bool:
    """By its ending, or, without one, by the mark that DICOM files carry at byte 128."""
    if path.suffix.lower() in DICOM_ENDINGS:
        return True
    if not (path.suffix == "" or path.suffix[1:].isdigit()) or path.name.upper() == "DICOMDIR" or not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            file.seek(128)
            return file.read(4) == b"DICM"
    except OSError:
        return False


def _excluded(path: Path, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(path.name, p) or fnmatch.fnmatch(path.as_posix(), p) for p in patterns)


def _subject(path: Path, base: Path, pattern: str | None, root: Path) -> tuple[str, str]:
    """The subject of a path and the rule that gave it; an empty subject where the pattern fails."""
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    if pattern is not None:
        match = re.search(pattern, shown.as_posix())
        return ("" if match is None else match[1] or "" if match.re.groups else match[0]), "pattern"
    bids = re.search(r"(?:^|[/_])(sub-[A-Za-z0-9]+)", shown.as_posix())
    if bids:
        return bids[1], "bids"
    below = path.relative_to(base).parts
    if len(below) > 1:
        return below[0], "folder"
    return stem(path), "name"


def stem(path: Path) -> str:
    """The file's name without its ending, `.nii.gz` being one."""
    lower = path.name.lower()
    ending = next((e for e in sorted(ENDINGS, key=len, reverse=True) if lower.endswith(e)), path.suffix)
    return path.name[: len(path.name) - len(ending)] if ending else path.name


def _from_csv(name: str, domain: DomainConfig, table: Path, root: Path) -> Iterator[Source]:
    with io.StringIO(_text(name, table), newline="") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        if not {"path", "subject"} <= columns:
            raise BadData(
                f"domain '{name}': {table} has the columns {', '.join(sorted(columns)) or 'none'}; "
                "it needs path and subject, and may have held_out"
            )
        for number, row in enumerate(reader, start=2):
            yield _from_row(name, table, number, row)


def _text(name: str, table: Path) -> str:
    try:
        return read_text(table)
    except NoText as error:
        raise BadData(f"domain '{name}': {error}") from None
    except OSError as error:
        raise BadData(f"domain '{name}': {table} cannot be read ({error.strerror}); mend `path`") from None


def _from_row(name: str, table: Path, number: int, row: dict[str, str | None]) -> Source:
    text, subject = (row["path"] or "").strip(), (row["subject"] or "").strip()
    held = (row.get("held_out") or "").strip().lower()
    if not text or not subject:
        raise BadData(f"domain '{name}': line {number} of {table} lacks a path or a subject; fill it in")
    if held not in TRUE + FALSE:
        raise BadData(f"domain '{name}': held_out in line {number} of {table} is {held!r}; write true or false")
    path = _expand(text, table.parent)
    found = list(_walk(path) if path.is_dir() else _single(path))
    fault = "" if path.exists() else "there is no such file"
    if not found or len(found) > 1:
        fault = f"the folder holds {len(found)} volumes; name one in each line"
    item, kind, files = found[0] if found else (path, "", ())
    held_out = held in TRUE if "held_out" in row else None
    return Source(name, item, kind, files, subject, "csv", held_out=held_out, fault=fault)
