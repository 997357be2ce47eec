"""manifest.json: which volumes lie in an examples folder, where each came from, and what they must hash to."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILE_NAME = "manifest.json"


@dataclass(frozen=True)
class Entry:
    """One volume on disk. `source` says where it came from: package, version, licence, member, hashes."""

    domain: str
    subject: str
    file: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    sha256: str
    source: dict[str, Any]
    held_out: bool = False


@dataclass(frozen=True)
class Manifest:
    """`kind` is 'examples' or 'phantoms'; `missing` gives by package the reason why it could not be fetched."""

    kind: str
    entries: tuple[Entry, ...]
    missing: dict[str, str] = field(default_factory=dict)
    planted: dict[str, Any] = field(default_factory=dict)

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(sorted({e.domain for e in self.entries}))

    def of(self, domain: str) -> tuple[Entry, ...]:
        return tuple(e for e in self.entries if e.domain == domain)

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": 1,
            "kind": self.kind,
            "volumes": [asdict(e) for e in self.entries],
            "missing": self.missing,
            "planted": self.planted,
        }


def load(folder: Path) -> Manifest | None:
    """The folder's manifest, or None when there is none that can be read."""
    try:
        body = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        entries = tuple(
            Entry(**{**e, "shape": tuple(e["shape"]), "spacing": tuple(e["spacing"])}) for e in body["volumes"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Manifest(str(body.get("kind")), entries, dict(body.get("missing", {})), dict(body.get("planted", {})))


def save(folder: Path, manifest: Manifest) -> None:
    write(folder / FILE_NAME, (json.dumps(manifest.to_dict(), indent=1) + "\n").encode())


def write(path: Path, content: bytes) -> None:
    """Write whole or not at all: a reader never sees half a file, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sha256(*contents: bytes) -> str:
    """SHA-256 of the contents one after the other, as hex."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


def intact(folder: Path, entry: Entry) -> bool:
    """Whether the entry's file is there and still what was written."""
    try:
        return sha256((folder / entry.file).read_bytes()) == entry.sha256
    except OSError:
        return False
