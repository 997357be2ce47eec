"""The pixels of one slice: whole, in range, inverted and rescaled as the header says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from trainers.volumes.dicom_slice import Slice
from trainers.volumes.refused import Refused


def read_pixels(item: Slice) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Values (columns, rows) in the units of the modality, and where the padding value says that none is.

    Raises `Refused` with the name of the slice.
    """
    stored = _stored(item).T
    low, high = item.padding or (1, 0)
    empty = (stored >= low) & (stored <= high)
    _check_range(item, stored[~empty])
    values: npt.NDArray[Any] = stored
    if item.inverted:
        least, most = _range(item)
        values = (least + most) - stored.astype(np.int64)
    slope, intercept = item.rescale or (1.0, 0.0)
    return values * slope + intercept, empty


def _stored(item: Slice) -> npt.NDArray[Any]:
    """Stored values (rows, columns)."""
    import pydicom

    try:
        data: Any = pydicom.dcmread(item.file)
        syntax: Any = data.file_meta.get("TransferSyntaxUID")
    except OSError:
        raise
    except Exception:
        raise Refused(item.name, "it is cut short or damaged; fetch it again") from None
    if "PixelData" not in data:
        raise Refused(item.name, "it has no pixels: it is cut short, or only a header; fetch it again")
    if syntax is None:
        raise Refused(f"{item.name}: no TransferSyntaxUID", "how its pixels are packed is not said; mend the file meta")
    if not syntax.is_private and syntax.is_transfer_syntax and not syntax.is_compressed:
        _check_length(item, data)
    try:
        pixels: npt.NDArray[Any] = data.pixel_array
    except Exception as error:
        how = "there is no decoder for them" if isinstance(error, RuntimeError | NotImplementedError) else ""
        raise Refused(
            f"{item.name}: {syntax.name}",
            f"its pixels cannot be unpacked: {how or 'they are damaged, or packed otherwise than it says'}; "
            "decompress it (dcmdjpeg, gdcmconv --raw) or fetch it again",
        ) from None
    if pixels.shape != item.extents:
        raise Refused(f"{item.name}: pixels {pixels.shape}, header {item.extents}", "its header does not fit its pixels")
    return pixels


def _check_length(item: Slice, data: Any) -> None:
    needed = item.extents[0] * item.extents[1] * int(data.BitsAllocated) // 8
    have = len(data.PixelData)
    if have < needed:
        raise Refused(f"{item.name}: {have} of {needed} bytes of pixels", "it is cut short; fetch it again")
    if data.PixelData[needed:].strip(b"\0"):
        raise Refused(
            f"{item.name}: {have} bytes of pixels, {needed} by its header", "its header does not fit its pixels; mend it"
        )


def _range(item: Slice) -> tuple[int, int]:
    """Least and greatest value that can be stored."""
    bits = int(item.header.get("BitsStored") or item.header.get("BitsAllocated") or 16)
    signed = bool(int(item.header.get("PixelRepresentation", 0) or 0))
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _check_range(item: Slice, stored: npt.NDArray[Any]) -> None:
    """Bits above those stored hold overlays in old files, or the header is wrong."""
    if not stored.size or stored.dtype.kind not in "iu":
        return
    least, most = _range(item)
    low, high = int(stored.min()), int(stored.max())
    if low < least or high > most:
        raise Refused(
            f"{item.name}: values {low} to {high}, BitsStored {item.header.get('BitsStored')}",
            "its values do not fit the bits that its header says are stored (an overlay in them?); convert it",
        )
