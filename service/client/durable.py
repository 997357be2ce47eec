"""Small files that survive a kill and a power cut."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def cut(path: Path, size: int) -> None:
    """Keep the first `size` bytes."""
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def append_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Add one JSON line each; on disk when it returns. Where it raises `OSError`, nothing was added."""
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    fresh = not path.exists()
    with path.open("ab") as file:
        before = file.tell()
        try:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            # A full disk must not leave half a line for the next one to be glued to.
            os.ftruncate(file.fileno(), before)
            raise
    if fresh:
        _sync_folder(path.parent)


def replace_file(path: Path, text: str) -> None:
    """Write a file as a whole: after a crash the old or the new one is there."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
