"""The cache of preprocessed volumes: one `.npy` per volume, one `.json` beside it, one file of places per use.

Why not MONAI's PersistentDataset: it reads a whole tensor for every crop, and by default its key does not
cover the transforms. Here the key covers content, frame, steps and code, and a crop reads only its planes.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainers.volumes.files import make_folder, write_atomic
from trainers.volumes.places import Mask, choose_places, foreground_box
from trainers.volumes.readers import Array
from trainers.volumes.recipe import VERSION, Processed, Step
from trainers.volumes.records import Box, Size, digest_of
from trainers.volumes.refused import Refused

PLACES_VERSION = 1
LARGEST_FLOAT16 = 60000.0


@dataclasses.dataclass(frozen=True)
class Cached:
    """A cached volume: its file, what is known of it, the smallest box around its foreground."""

    key: str
    file: Path
    shape: Size
    fill: float
    threshold: float
    foreground: Box

    def mask(self) -> Mask:
        mask: Mask = np.load(self.file, mmap_mode="r", allow_pickle=False) > self.threshold
        return mask


def cache_key(sha256: str, frame: int, steps: Sequence[Step], dtype: str) -> str:
    """16 hex digits over all that the cached voxels depend on."""
    return digest_of([sha256, frame, [dict(s) for s in steps], dtype, VERSION])[:16]


def find_cached(cache: Path, key: str) -> Cached | None:
    """The volume under a key, or None where it is missing, incomplete or not whole."""
    file = cache / f"{key}.npy"
    try:
        body = json.loads(file.with_suffix(".json").read_text())
        if file.stat().st_size != body["bytes"]:
            return None
        x, y, z = (int(n) for n in body["shape"])
        bx, by, bz = ((int(low), int(high)) for low, high in body["foreground"])
        return Cached(key, file, (x, y, z), body["fill"], body["threshold"], (bx, by, bz))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def store(cache: Path, key: str, volume: Processed, dtype: str) -> Cached:
    """Write a processed volume; the `.json` comes last and makes it count."""
    voxels = fitted(volume.voxels, dtype)
    content = _npy(voxels)
    file = make_folder(cache) / f"{key}.npy"
    write_atomic(file, content)
    body = {
        "bytes": len(content),
        "shape": list(voxels.shape),
        "fill": float(voxels.min()),
        "threshold": volume.threshold,
        "foreground": foreground_box(voxels > volume.threshold),
    }
    write_atomic(file.with_suffix(".json"), json.dumps(body).encode())
    cached = find_cached(cache, key)
    assert cached is not None
    return cached


def places_in(cache: Path, cached: Cached, box: Box, crop: Sequence[int]) -> tuple[Path, int]:
    """File of the crop centres for a box and how many there are; chosen on first use."""
    name = digest_of([box, list(crop), PLACES_VERSION])[:8]
    file = cache / f"{cached.key}-{name}.npy"
    try:
        return file, len(np.load(file, allow_pickle=False))
    except (OSError, ValueError, EOFError):
        centres = choose_places(cached.mask(), box, crop)
    write_atomic(file, _npy(centres))
    return file, len(centres)


def fitted(voxels: Array, dtype: str) -> np.ndarray[Any, np.dtype[np.floating]]:
    """The voxels as they are stored; raises `Refused` where they are not finite."""
    if not np.isfinite(voxels).all():
        raise Refused("values that are not finite", "preprocessing it overflowed; check its intensities")
    if dtype == "float16":
        voxels = np.clip(voxels, -LARGEST_FLOAT16, LARGEST_FLOAT16)
    return np.ascontiguousarray(voxels, dtype=np.dtype(dtype).newbyteorder("<"))


def _npy(values: np.ndarray[Any, Any]) -> memoryview:
    out = io.BytesIO()
    np.lib.format.write_array(out, values, version=(1, 0), allow_pickle=False)
    return out.getbuffer()
