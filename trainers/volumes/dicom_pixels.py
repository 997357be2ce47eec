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
    stored, words = _stored(item)
    low, high = item.padding or (1, 0)
    empty = (words >= low) & (words <= high)
    _check_bits(item, stored, words, empty)
    values: npt.NDArray[Any] = stored
    if item.inverted:
        least, most = item.value_range
        values = (least + most) - stored.astype(np.int64)
    slope, intercept = item.rescale or (1.0, 0.0)
    return values.T * slope + intercept, empty.T


def _stored(item: Slice) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Stored values (rows, columns), and the words they are in, with whatever is in the bits that are not stored."""
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
    native = syntax.is_transfer_syntax and not syntax.is_private and not syntax.is_compressed
    if native:
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
        raise Refused(
            f"{item.name}: pixels {pixels.shape}, header {item.extents}", "its header does not fit its pixels"
        )
    return pixels, _words(data, pixels, syntax.is_little_endian) if native else pixels


def _words(data: Any, pixels: npt.NDArray[Any], little: bool) -> npt.NDArray[Any]:
    if pixels.dtype.kind not in "iu" or int(data.BitsAllocated) != 8 * pixels.dtype.itemsize:
        return pixels
    words = np.frombuffer(data.PixelData, pixels.dtype.newbyteorder("<" if little else ">"), count=pixels.size)
    return words.reshape(pixels.shape)


def _check_length(item: Slice, data: Any) -> None:
    needed = item.extents[0] * item.extents[1] * int(data.BitsAllocated) // 8
    have = len(data.PixelData)
    if have < needed:
        raise Refused(f"{item.name}: {have} of {needed} bytes of pixels", "it is cut short; fetch it again")
    if data.PixelData[needed:].strip(b"\0"):
        raise Refused(
            f"{item.name}: {have} bytes of pixels, {needed} by its header",
            "its header does not fit its pixels; mend it",
        )


def _check_bits(item: Slice, stored: npt.NDArray[Any], words: npt.NDArray[Any], empty: npt.NDArray[np.bool_]) -> None:
    """Bits above those stored are dropped: they hold a sign or an overlay, or else the header is wrong."""
    lost = (words != stored) & ~empty
    if not lost.any() or item.overlay:
        return
    bits = int(item.header.BitsStored)
    unsigned = words[lost].astype(f"u{words.dtype.itemsize}")
    if (unsigned >> bits).any():
        raise Refused(
            f"{item.name}: values up to {int(words[lost].max())}, BitsStored {bits}",
            "its values do not fit the bits that its header says are stored; mend BitsStored",
        )
