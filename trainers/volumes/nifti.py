"""NIfTI, one file: every field of the header that changes what voxels mean is read, or the file is refused.

What is left to nibabel is the layout of the header and the arithmetic of its forms and scalings. The bytes are
read here, so that the end of the stream is reached and proved (`packed`).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainers.volumes.extents import three
from trainers.volumes.header import Affine, Header, Note
from trainers.volumes.packed import read_span, read_start
from trainers.volumes.refused import Refused
from trainers.volumes.tolerance import same_spacing

LARGEST_HEADER = 540  # bytes, of NIfTI-2
MM_OF_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # by code: unknown, metre, millimetre, micrometre
NAME_OF_UNIT = {1: "metre", 2: "millimetre", 3: "micrometre"}
INTENSITIES = (0, 1001, 1011, 2001)  # none, estimate, dimensionless, time series
LABELS = (1002, 1003)  # label map, neuroanatomical names
STATISTICS = range(2, 25)
COLOURS = (2003, 2004)
QFORM_TOLERANCE = (
    1e-2  # difference of cosines; a qform keeps no shear, so an oblique sform is not met to the last digit
)


def read_header(path: Path) -> Header:
    """The header; raises `Refused` on what is no scalar volume or contradicts itself."""
    raw = _parse(path)
    dtype = _dtype(raw)
    shape, frames = three(_extents(raw), "NIfTI")
    _offset(raw)
    _check_scaling(raw)
    notes: list[Note] = []
    _check_intent(raw, notes)
    unit = int(raw["xyzt_units"]) & 7
    if unit not in MM_OF_UNIT:
        raise Refused(f"xyzt_units {unit}", "a unit of length that NIfTI does not know; set metre, mm or micrometre")
    affine = _place(raw, notes)
    scale = MM_OF_UNIT[unit]
    reading = ""
    if scale != 1:
        affine = np.diag([scale, scale, scale, 1.0]) @ affine
        reading = f"unit {NAME_OF_UNIT[unit]}"
        notes.append((f"unit {NAME_OF_UNIT[unit]}", "its header is not in millimetres; lengths were turned into them"))
    return Header(shape, frames, affine, dtype.str, notes=tuple(notes), reading=reading)


def read_voxels(path: Path, frame: int, *, whole: bool = True) -> npt.NDArray[np.float32]:
    """One frame in the units of the file, (X, Y, Z); the file is read to its end and proved if `whole`."""
    from nibabel.volumeutils import apply_read_scaling

    raw = _parse(path)
    dtype, (shape, frames) = _dtype(raw), three(_extents(raw), "NIfTI")
    size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    start = _offset(raw)
    span = read_span(path, start + frame * size, size, start + frames * size, whole=whole)
    stored = np.frombuffer(span, dtype).reshape(shape, order="F")
    slope, inter = raw.get_slope_inter()
    return np.asarray(apply_read_scaling(stored, slope, inter), dtype=np.float32)


def _parse(path: Path) -> Any:
    """The header as nibabel's structure, NIfTI-1 or 2, of either byte order."""
    from nibabel import Nifti1Header, Nifti2Header

    block = read_start(path, LARGEST_HEADER)
    if not block:
        raise Refused("0 bytes", "it is empty; fetch or convert it again")
    for kind, size in ((Nifti1Header, 348), (Nifti2Header, 540)):
        if len(block) >= size and kind.may_contain_header(block):
            raw = kind.from_fileobj(io.BytesIO(block[:size]), endianness=_byte_order(block, size), check=False)
            if bytes(raw["magic"].item()).startswith((b"ni1", b"ni2")):
                raise Refused("magic ni1", "header and voxels lie in two files; join them in one .nii")
            return raw
    if len(block) < 348:
        raise Refused(f"{len(block)} bytes", "it cannot be read: it is too short for a NIfTI header; fetch it again")
    raise Refused(f"it begins with {block[:4].hex(' ')}", "it cannot be read: no NIfTI header; is the ending right?")


def _byte_order(block: bytes, size: int) -> str | None:
    """By the size of the header, which is its first field; None where that is wrong and has to be guessed."""
    if int.from_bytes(block[:4], "little") == size:
        return "<"
    return ">" if int.from_bytes(block[:4], "big") == size else None


def _dtype(raw: Any) -> np.dtype[Any]:
    code = int(raw["datatype"])
    try:
        dtype: np.dtype[Any] = np.dtype(raw.get_data_dtype())
    except Exception:
        raise Refused(f"datatype {code}", "a type of voxels that NIfTI does not know; mend the header") from None
    if dtype.names is not None:
        raise Refused("".join(dtype.names), "colour image; give scalar intensities")
    if dtype.kind == "c":
        raise Refused(dtype.name, "complex voxels; give the magnitude")
    if dtype.kind not in "iuf" or dtype.itemsize == 0:
        raise Refused(f"datatype {code}", "no type of voxels that can be read; convert it to integers or floats")
    return dtype


def _extents(raw: Any) -> tuple[int, ...]:
    axes = int(raw["dim"][0])
    if not 1 <= axes <= 7:
        raise Refused(f"dim[0] {axes}", "the number of axes must be 1 to 7; mend the header")
    return tuple(int(n) for n in raw["dim"][1 : axes + 1])


def _offset(raw: Any) -> int:
    """Where the voxels begin, in bytes."""
    least = int(raw["sizeof_hdr"]) + 4
    offset = float(raw["vox_offset"])
    if offset == 0:
        return least
    if not np.isfinite(offset) or offset != int(offset) or offset < least:
        raise Refused(f"vox_offset {offset:g}", f"voxels cannot begin there, the header has {least} bytes; mend it")
    return int(offset)


def _check_scaling(raw: Any) -> None:
    """A slope of 0 or NaN means that there is none; anything else must be a number."""
    slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
    if np.isinf(slope) or (slope != 0 and not np.isnan(slope) and not np.isfinite(inter)):
        raise Refused(f"scl_slope {slope:g}, scl_inter {inter:g}", "no scaling that can be used; mend the header")


def _check_intent(raw: Any, notes: list[Note]) -> None:
    """Intensities may be trained on; labels, vectors and colours may not; a statistic is said."""
    code = int(raw["intent_code"])
    value = f"intent code {code}"
    if code in INTENSITIES:
        return
    if code in STATISTICS:
        notes.append((value, "its header calls it a statistic, not intensities; exclude it if that is not meant"))
    elif code in LABELS:
        raise Refused(value, "its header calls it a label map, not intensities; exclude it")
    elif code in COLOURS:
        raise Refused(value, "its header calls it a colour image; give scalar intensities")
    else:
        raise Refused(value, "its header says that its values are no intensities (vectors, matrices, a mesh ...)")


def _place(raw: Any, notes: list[Note]) -> Affine:
    """The affine in the header's unit: the sform, or else the qform, or else the sizes of the voxels alone."""
    sizes = [float(mm) for mm in raw["pixdim"][1:4]]
    shown = " x ".join(f"{mm:.4g}" for mm in sizes)
    with_sform, with_qform = int(raw["sform_code"]) > 0, int(raw["qform_code"]) > 0
    if not with_sform and not all(np.isfinite(mm) and mm > 0 for mm in sizes):
        raise Refused(f"pixdim {shown}", "the header gives no usable place in space: a size of 0 or below, or none")
    qform = _qform(raw) if with_qform and (not with_sform or all(np.isfinite(mm) and mm > 0 for mm in sizes)) else None
    if not with_sform and not with_qform:
        notes.append(
            (
                "sform and qform codes 0",
                "its orientation is not known, x is taken to point to the left; set one of them if that is wrong",
            )
        )
        return np.asarray(raw.get_base_affine(), dtype=np.float64)
    if not with_sform:
        return _need(qform)
    sform = np.asarray(raw.get_sform(), dtype=np.float64)
    _compare(sform, qform, sizes, notes)
    return sform


def _qform(raw: Any) -> Affine | None:
    """The qform, None where its numbers are none; a `qfac` of 0 counts as 1, as NIfTI says."""
    qfac = float(raw["pixdim"][0])
    if qfac not in (-1.0, 0.0, 1.0):
        return None
    raw = raw.copy()
    raw["pixdim"][0] = qfac or 1.0
    try:
        return np.asarray(raw.get_qform(), dtype=np.float64)
    except Exception:
        return None


def _need(qform: Affine | None) -> Affine:
    if qform is None:
        raise Refused("qform", "its rotation is none (qfac must be 1 or -1, the quaternion of length 1); mend it")
    return qform


def _compare(sform: Affine, qform: Affine | None, sizes: list[float], notes: list[Note]) -> None:
    """Say where the sform, which is used, is contradicted by the rest of the header."""
    lengths = np.sqrt((sform[:3, :3] ** 2).sum(axis=0))
    if not np.isfinite(sform).all() or not lengths.all():
        return  # refused with its value by whoever checks the affine
    if all(np.isfinite(mm) and mm > 0 for mm in sizes) and not same_spacing(lengths, sizes):
        one, other = (" x ".join(f"{mm:.4g}" for mm in found) for found in (lengths, sizes))
        notes.append((f"sform {one}, pixdim {other}", "two sizes of the voxels in one header; the sform's are used"))
    if qform is None or not np.isfinite(qform).all():
        return
    norms = np.sqrt((qform[:3, :3] ** 2).sum(axis=0))
    apart = float(np.abs(sform[:3, :3] / lengths - qform[:3, :3] / norms).max())
    if apart > QFORM_TOLERANCE:
        notes.append(
            (f"cosines up to {apart:.2g} apart", "sform and qform turn the axes differently; the sform is used")
        )
