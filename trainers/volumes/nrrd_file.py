"""NRRD with its voxels in the same file: raw, gzip, bzip2 or text, read to the end and proved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from trainers.volumes.extents import three
from trainers.volumes.header import Header, Note
from trainers.volumes.nrrd_fields import check_fields, find_axes, place
from trainers.volumes.packed import take, unpack
from trainers.volumes.refused import Refused

ENCODINGS = {
    "raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2",
    "ascii": "text", "text": "text", "txt": "text",
}  # fmt: skip
NEEDED = ("type", "dimension", "sizes", "encoding")


def read_header(path: Path) -> Header:
    """The header; raises `Refused` on what is no scalar volume or cannot be read."""
    with open(path, "rb") as file:
        header = _parse(file)
    axes = find_axes(header)
    sizes = [int(n) for n in header["sizes"]]
    shape, frames = three([sizes[a] for a in (*axes.space, *axes.other)], "NRRD")
    notes: list[Note] = []
    affine, reading = place(header, axes, notes)
    return Header(shape, frames, affine, str(header["type"]), notes=tuple(notes), reading=reading)


def read_voxels(path: Path, frame: int) -> npt.NDArray[np.float32]:
    """One frame (X, Y, Z) as it is stored; the file is read to its end and proved."""
    with open(path, "rb") as file:
        header = _parse(file)
        voxels = _content(file, header)
    axes = find_axes(header)
    ordered = np.transpose(voxels, [*axes.space, *axes.other])
    ordered = ordered.reshape(*ordered.shape[:3], -1)
    return np.ascontiguousarray(ordered[..., frame], dtype=np.float32)


def _parse(file: IO[bytes]) -> dict[str, Any]:
    """The fields; the file stands at the first byte behind them."""
    import nrrd

    if not file.read(4).startswith(b"NRRD"):
        raise Refused("no NRRD in its first bytes", "it cannot be read: it is empty or no NRRD; is the ending right?")
    file.seek(0)
    try:
        header: dict[str, Any] = dict(nrrd.read_header(file))
    except Exception as error:
        raise Refused(str(error).split("\n")[0][:80], "it cannot be read: its header is cut short or damaged") from None
    missing = [field for field in NEEDED if field not in header]
    if missing:
        raise Refused(f"no field '{missing[0]}'", "it cannot be read: its header is cut short or damaged")
    encoding = str(header["encoding"]).lower()
    if encoding not in ENCODINGS:
        raise Refused(f"encoding {encoding}", "packed in a way that is not read; store it as gzip or raw")
    check_fields(header)
    return header


def _content(file: IO[bytes], header: dict[str, Any]) -> npt.NDArray[Any]:
    """All voxels in the order of the file's axes."""
    from nrrd.reader import _determine_datatype

    dtype: np.dtype[Any] = np.dtype(_determine_datatype(header))
    sizes = tuple(int(n) for n in header["sizes"])
    packing = ENCODINGS[str(header["encoding"]).lower()]
    for _ in range(int(header.get("line skip", header.get("lineskip", 0)))):
        file.readline()
    if packing == "text":
        return _numbers(file.read(), dtype, sizes)
    needed = dtype.itemsize * int(np.prod(sizes, dtype=np.int64))
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    parts = unpack(file, packing)
    if skip < 0:  # the data are the last bytes
        parts, skip = _last(parts, needed), 0
    return np.frombuffer(take(parts, skip, needed, skip + needed), dtype).reshape(sizes, order="F")


def _last(parts: Iterator[bytes], count: int) -> Iterator[bytes]:
    yield b"".join(parts)[-count:]


def _numbers(text: bytes, dtype: np.dtype[Any], sizes: tuple[int, ...]) -> npt.NDArray[Any]:
    words, needed = text.split(), int(np.prod(sizes, dtype=np.int64))
    if len(words) != needed:
        raise Refused(f"{len(words)} numbers, its header speaks of {needed}", "it is cut short or its sizes are wrong")
    try:
        return np.array(words, dtype=np.float64).astype(dtype).reshape(sizes, order="F")
    except ValueError:
        raise Refused("words that are no numbers", "its text is damaged; fetch or convert it again") from None
