"""Reading crops out of the cache. This runs in loader workers: numpy and the file system only.

Crops are read with plain reads, not through a memory map: on a file that was cut short a map kills the
process with SIGBUS, a read says so. Planes of the slowest axis are read one by one, so a crop of a large
volume costs its share of it, not all of it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from io import FileIO

import numpy as np
import numpy.typing as npt

from trainers.volumes.errors import VolumeUnreadable
from trainers.volumes.records import HeldOutCrop, PreparedVolume

Crop = npt.NDArray[np.float32]


def read_crop(volume: PreparedVolume, index: int, size: Sequence[int]) -> Crop:
    """Crop number `index` of [0, volume.crops), as float32 (1, *size).

    The places were fixed when the volume was prepared. A `size` other than the prepared one keeps the
    centres. Raises `VolumeUnreadable` if the cache is missing or broken, `IndexError` beyond the crops.
    """
    if not 0 <= index < volume.crops:
        raise IndexError(f"crop {index} of '{volume.name}'; it has crops 0 to {volume.crops - 1}")
    return _read(volume, centres_of(volume)[index], size)


def read_held_out(crop: HeldOutCrop, size: Sequence[int]) -> Crop:
    """A held-out crop as float32 (1, *size); raises `VolumeUnreadable`."""
    return _read(crop.volume, np.array(crop.centre), size)


def centres_of(volume: PreparedVolume) -> npt.NDArray[np.int32]:
    """Centres (crops, 3) of a volume's crops, in voxels; raises `VolumeUnreadable`."""
    try:
        centres = _centres(volume.places)
        if len(centres) != volume.crops:
            raise ValueError(f"{len(centres)} places, expected {volume.crops}")
        return centres
    except (OSError, ValueError, EOFError):
        cause = "the list of crop places in the cache is missing or broken"
        raise VolumeUnreadable(volume.key, volume.name, cause) from None


@functools.lru_cache(maxsize=4096)
def _centres(file: str) -> npt.NDArray[np.int32]:
    centres: npt.NDArray[np.int32] = np.load(file, allow_pickle=False).astype(np.int32).reshape(-1, 3)
    return centres


def _read(volume: PreparedVolume, centre: npt.NDArray[np.integer], size: Sequence[int]) -> Crop:
    """Read the part of the crop that lies in the volume's box and pad the rest with its background."""
    out = np.full(tuple(size), volume.fill, dtype=np.float32)
    source, target = [], []
    for (low, high), middle, extent in zip(volume.box, centre, size, strict=True):
        take = min(extent, high - low)
        first = min(max(int(middle) - extent // 2, low), high - take)
        before = (extent - take) // 2
        source.append(slice(first, first + take))
        target.append(slice(before, before + take))
    out[tuple(target)] = _region(volume, source)
    if not np.isfinite(out).all():
        raise VolumeUnreadable(volume.key, volume.name, "the cached file holds values that are not finite")
    return out[np.newaxis]


def _region(volume: PreparedVolume, region: Sequence[slice]) -> npt.NDArray[np.floating]:
    try:
        dtype, start = _header(volume.file, volume.shape)
        with open(volume.file, "rb", buffering=0) as file:
            return _planes(file, start, dtype, volume.shape, region)
    except (OSError, ValueError, EOFError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise VolumeUnreadable(volume.key, volume.name, f"the cached file is broken: {cause}") from None


@functools.lru_cache(maxsize=4096)
def _header(name: str, shape: Sequence[int]) -> tuple[np.dtype[np.floating], int]:
    """Type of the voxels and where they begin; parsed once per file, as that costs as much as a crop."""
    with open(name, "rb") as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"npy version {version}, expected (1, 0)")
        found, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if found != shape or fortran or dtype.kind != "f":
            raise ValueError(f"it holds {dtype} {found}, expected floats {shape}")
        return dtype, file.tell()


def _planes(
    file: FileIO, start: int, dtype: np.dtype[np.floating], shape: Sequence[int], region: Sequence[slice]
) -> npt.NDArray[np.floating]:
    """Read whole rows of the fastest axis for each plane, then cut them to the region."""
    x, y, z = region
    rows, length = y.stop - y.start, shape[2]
    out = np.empty((x.stop - x.start, rows, length), dtype=dtype)
    for i in range(len(out)):
        offset = start + ((x.start + i) * shape[1] + y.start) * length * dtype.itemsize
        if os.preadv(file.fileno(), [out[i]], offset) != out[i].nbytes:
            raise EOFError("it is cut short")
    return out[:, :, z]
