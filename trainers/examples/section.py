"""From an examples folder to the `data:` part of a configuration: one table of volumes per domain, and the block."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from . import manifest as manifests
from .manifest import Entry, Manifest

KINDS = {"ct": "ct", "nuclear": "pet", "pet": "pet"}  # all others are MR


def data_section(manifest: Manifest) -> dict[str, Any]:
    """The `data:` block for what is there, for `data.root` set to the examples folder."""
    return {"domains": {name: _domain(manifest, name) for name in manifest.domains}}


def _domain(manifest: Manifest, name: str) -> dict[str, Any]:
    source = manifest.of(name)[0].source
    block = {"path": f"{name}.csv", "kind": KINDS.get(source.get("modality", name), "mr")}
    return {**block, "window": source["window"]} if "window" in source else block


def write_tables(root: Path, manifest: Manifest) -> None:
    """Write `<domain>.csv` for each domain: path, subject and, where the choice is made, who is held out.

    Where all volumes that are there would be on one side, the choice is left to the configuration.
    """
    for name in manifest.domains:
        content = _table(manifest.of(name)).encode()
        path = root / f"{name}.csv"
        if not path.exists() or path.read_bytes() != content:
            manifests.write(path, content)


def _table(entries: tuple[Entry, ...]) -> str:
    chosen = 0 < sum(e.held_out for e in entries) < len(entries)
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(["path", "subject", "held_out"] if chosen else ["path", "subject"])
    for e in entries:
        table.writerow([e.file, e.subject, str(e.held_out).lower()] if chosen else [e.file, e.subject])
    return stream.getvalue()
