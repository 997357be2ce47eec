"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from trainers.volumes.errors import BadData, NoRoom


def make_folder(folder: Path) -> Path:
    """Create the folder; `BadData` says where to go instead if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadData(
            f"the cache folder {folder} cannot be made ({error.strerror}); set data.cache to one that can be"
        ) from None
    return folder


def write_atomic(file: Path, content: bytes | memoryview, *parts: bytes | memoryview, mode: int = 0o644) -> None:
    """Write, flush to disk, then rename: a crash leaves the old file or the new one, never half of one."""
    scratch = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
            for part in (content, *parts):
                out.write(part)
            out.flush()
            os.fsync(out.fileno())
        os.replace(scratch, file)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise _explained(error, file.parent) from None


def _explained(error: OSError, folder: Path) -> OSError | BadData:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(f"the disk is full while writing to the cache {folder}; free space or set data.cache elsewhere")
    return BadData(f"the cache {folder} cannot be written ({error.strerror}); set data.cache to a folder that can be")


def check_room(folder: Path, needed: int) -> None:
    """Raise `NoRoom` unless the disk of `folder` has `needed` bytes and a twentieth more."""
    free = shutil.disk_usage(make_folder(folder)).free
    if needed * 1.05 > free:
        raise NoRoom(
            f"the cache needs {in_words(needed)} in {folder}, where {in_words(free)} are free; "
            "free space, set data.cache to a larger disk, or raise data.spacing"
        )


def in_words(size: float) -> str:
    """Bytes as a person reads them."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def sha256_of(files: Iterable[Path]) -> str:
    """Of one file its SHA-256; of several, the SHA-256 over their sorted ones, so names do not matter."""
    found = sorted(_sha256(file) for file in files)
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()


def _sha256(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
