"""MGH and MGZ, FreeSurfer's format: big-endian, the header in front, a footer behind the voxels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainers.volumes.extents import three
from trainers.volumes.header import Header
from trainers.volumes.packed import read_span, read_start
from trainers.volumes.refused import Refused

DATA_OFFSET = 284  # bytes
GOOD_RAS = slice(28, 30)  # bytes of the flag; nibabel sets it where it is not set
NO_PLACE = (
    "goodRASFlag 0",
    "its orientation and voxel size are not known; 1 mm and FreeSurfer's coronal order are taken",
)


def read_header(path: Path) -> Header:
    """The header; raises `Refused` on what is no volume with a known place."""
    raw, dtype, placed = _parse(path)
    shape, frames = three(raw["dims"], "MGH")
    affine = np.asarray(raw.get_affine(), dtype=np.float64)
    return Header(shape, frames, affine, dtype.str, notes=() if placed else (NO_PLACE,))


def read_voxels(path: Path, frame: int, *, whole: bool = True) -> npt.NDArray[np.float32]:
    """One frame (X, Y, Z); the file is read to its end and proved if `whole`."""
    raw, dtype, _ = _parse(path)
    shape, frames = three(raw["dims"], "MGH")
    size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    span = read_span(path, DATA_OFFSET + frame * size, size, DATA_OFFSET + frames * size, tail=True, whole=whole)
    return np.frombuffer(span, dtype).reshape(shape, order="F").astype(np.float32)


def _parse(path: Path) -> tuple[Any, np.dtype[Any], bool]:
    """nibabel's structure, the type of the voxels, and whether the header knows their place."""
    from nibabel.freesurfer.mghformat import MGHHeader

    block = read_start(path, DATA_OFFSET)
    if len(block) < DATA_OFFSET:
        raise Refused(f"{len(block)} bytes", "it cannot be read: it is too short for an MGH header; fetch it again")
    raw: Any = MGHHeader(block, check=False)
    if int(raw["version"]) != 1:
        raise Refused(f"it begins with {block[:4].hex(' ')}", "it cannot be read: no MGH header; is the ending right?")
    try:
        dtype = np.dtype(raw.get_data_dtype())
    except KeyError:
        raise Refused(f"type {int(raw['type'])}", "a type of voxels that MGH does not know; convert it") from None
    return raw, dtype, any(block[GOOD_RAS])
