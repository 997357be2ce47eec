"""Reading a file to its end, packed or not, and proving on the way that it is whole.

A stream that is packed with gzip or bzip2 carries a checksum behind its last byte. Readers that stop once they
have the voxels never see it, so voxels with flipped bits pass for good ones. `read_span` goes on to the end:
the checksum, the length and whatever follows are looked at in the one read that brings the voxels.
"""

from __future__ import annotations

import bz2
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from trainers.volumes.files import in_words
from trainers.volumes.refused import Refused

CHUNK = 2**20  # bytes of the file that are unpacked at once
LONGEST_PADDING = 4096  # zero bytes behind the data: a sector or a tape block, which some writers fill up
GZIP, BZIP2 = b"\x1f\x8b", b"BZh"
AGAIN = "fetch or convert it again"


def read_start(path: Path, count: int) -> bytes:
    """The first `count` bytes of the content, fewer where it ends before; nothing is proved."""
    with open(path, "rb") as file:
        parts, have = [], 0
        for part in unpack(file, packing_of(file)):
            parts.append(part)
            have += len(part)
            if have >= count:
                break
    return b"".join(parts)[:count]


def packing_of(file: IO[bytes]) -> str:
    """`gzip`, `bzip2` or `raw`, by the first bytes from here on, whatever the name says; the place is kept."""
    here = file.tell()
    magic = file.read(3)
    file.seek(here)
    return "gzip" if magic.startswith(GZIP) else "bzip2" if magic == BZIP2 else "raw"


def read_span(path: Path, start: int, length: int, total: int, *, tail: bool = False, whole: bool = True) -> bytearray:
    """Bytes [start, start + length) of the content, which by its header has `total` bytes.

    Everything behind them is read as well and proved unless `whole` is false and data that are not asked for
    follow. `tail` allows any content behind the data (MGH keeps its footer there).

    Raises `Refused` where the content is shorter or longer than `total`, or a checksum or a length is wrong.
    """
    with open(path, "rb") as file:
        packing = packing_of(file)
        if packing != "raw":
            return take(unpack(file, packing), start, length, total, tail=tail, whole=whole)
        size = os.fstat(file.fileno()).st_size
        file.seek(min(total, size))
        check_length(size, total, padded=not file.read(LONGEST_PADDING).strip(b"\0"), tail=tail)
        file.seek(start)
        return bytearray(file.read(length))


def take(
    parts: Iterator[bytes], start: int, length: int, total: int, *, tail: bool = False, whole: bool = True
) -> bytearray:
    """As `read_span`, of a content that comes in parts."""
    span, seen, padded = bytearray(), 0, True
    for part in parts:
        low, high = max(start - seen, 0), min(start + length - seen, len(part))
        if low < high:
            span += memoryview(part)[low:high]
        if seen + len(part) > total and padded:
            padded = not part[max(total - seen, 0) :].strip(b"\0")
        seen += len(part)
        if not whole and seen >= start + length and start + length < total:
            return span
    check_length(seen, total, padded=padded, tail=tail)
    return span


def check_length(size: int, total: int, *, padded: bool, tail: bool = False) -> None:
    """Raise `Refused` unless `size` bytes of content are the `total` of the header; `padded`: zeros follow."""
    if size < total:
        raise Refused(f"{size} of {total} bytes", f"it is cut short: its header speaks of more; {AGAIN}")
    extra = size - total
    if extra and not tail and (not padded or extra > LONGEST_PADDING):
        raise Refused(
            f"{extra} bytes more than the {total} of its header",
            "its header does not fit its data, so voxels would be read from the wrong places; mend shape or type",
        )


def unpack(file: IO[bytes], packing: str) -> Iterator[bytes]:
    """The content from here to the end, in parts; raises `Refused` where it is not what was packed."""
    if packing == "raw":
        while part := file.read(CHUNK):
            yield part
        return
    yield from _unpacked(file, packing)


def _unpacked(file: IO[bytes], packing: str) -> Iterator[bytes]:
    """Streams that are packed one behind the other are one content, as gzip and bzip2 define it."""
    size = os.fstat(file.fileno()).st_size
    left, begun = b"", False
    machine: Any = None
    while True:
        part = left or file.read(CHUNK)
        left = b""
        if not part:
            break
        if machine is None:
            if begun and not part.startswith(GZIP if packing == "gzip" else BZIP2):
                _check_padding(part, file)
                return
            machine, begun = _machine(packing), True
        try:
            out = machine.decompress(part)
        except (zlib.error, OSError, EOFError) as error:
            raise Refused(
                _said(error), f"its {packing} stream is damaged, so its voxels cannot be trusted; {AGAIN}"
            ) from None
        if out:
            yield out
        if machine.eof:
            left, machine = machine.unused_data, None
            if len(left) < len(BZIP2):
                left += file.read(CHUNK)
    if machine is not None or not begun:
        raise Refused(f"{in_words(size)}, without the end of its {packing} stream", f"it is cut short; {AGAIN}")


def _machine(packing: str) -> Any:
    return zlib.decompressobj(zlib.MAX_WBITS | 16) if packing == "gzip" else bz2.BZ2Decompressor()


def _check_padding(part: bytes, file: IO[bytes]) -> None:
    """Zeros may follow the last stream, nothing else."""
    while part:
        if part.strip(b"\0"):
            raise Refused(
                f"{len(part.lstrip(bytes(1)))} bytes or more behind the end of its packed data",
                f"something was appended to it, or it was written over; {AGAIN}",
            )
        part = file.read(CHUNK)


def _said(error: Exception) -> str:
    """What zlib says, without its numbers: `incorrect data check` is the checksum, `... length check` the length."""
    text = str(error)
    for sign, words in (
        ("incorrect data check", "its checksum is wrong"),
        ("incorrect length check", "its length is wrong"),
        ("Invalid data stream", "its blocks or their checksums are wrong"),
        ("incorrect header check", "it does not begin as packed data do"),
    ):
        if sign in text:
            return words
    return text.split(": ")[-1]
