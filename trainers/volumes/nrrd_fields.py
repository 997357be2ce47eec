"""NRRD: every field that changes what voxels or places mean, read or refused by name.

Left out of account, since it changes neither for scalars: `measurement frame` (turns vectors only), `centerings`
(the origin is the centre of the first voxel either way), `min` and `max`, `thicknesses`, `content`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from trainers.volumes.header import Affine, Note
from trainers.volumes.refused import Refused

SPACE_KINDS = ("domain", "space", "???", "none", "")
FRAME_KINDS = ("time", "list")
SINGLE_KINDS = ("stub", "scalar")  # axes of one sample
COLOUR_KINDS = ("3-color", "4-color", "rgb-color", "hsv-color", "xyz-color", "rgba-color")
WORLDS = {
    "left-posterior-superior": (-1.0, -1.0, 1.0),
    "lps": (-1.0, -1.0, 1.0),
    "right-anterior-superior": (1.0, 1.0, 1.0),
    "ras": (1.0, 1.0, 1.0),
    "left-anterior-superior": (-1.0, 1.0, 1.0),
    "las": (-1.0, 1.0, 1.0),
}
MM_OF_UNIT = {
    "mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "millimetre": 1.0, "millimetres": 1.0,
    "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3, "micrometers": 1e-3,
    "micrometre": 1e-3, "micrometres": 1e-3,
    "nm": 1e-6, "nanometer": 1e-6, "nanometre": 1e-6,
    "cm": 10.0, "centimeter": 10.0, "centimeters": 10.0, "centimetre": 10.0, "centimetres": 10.0,
    "m": 1e3, "meter": 1e3, "meters": 1e3, "metre": 1e3, "metres": 1e3,
}  # fmt: skip
UNKNOWN_UNITS = ("", "???", "none")


@dataclasses.dataclass(frozen=True)
class Axes:
    """Which axes of the file are space, and which are frames (time, a list of images)."""

    space: tuple[int, ...]
    other: tuple[int, ...]


def check_fields(header: dict[str, Any]) -> None:
    """Raise `Refused` on fields that change the meaning of values and are not read."""
    for field in ("data file", "datafile"):
        if field in header:
            raise Refused(f"{field}: {header[field]}", "its voxels lie in another file; join both in one .nrrd")
    if str(header.get("type", "")).lower() == "block":
        raise Refused("type: block", "no type of voxels that can be read; convert it to integers or floats")
    for field in ("old min", "old max", "oldmin", "oldmax"):
        if field in header:
            raise Refused(
                f"{field}: {header[field]}",
                "its values were quantized and stand for others; store the true values (unu unquantize)",
            )


def find_axes(header: dict[str, Any]) -> Axes:
    """Space and frames by `kinds` and `space directions`; raises `Refused` on voxels that are no scalars."""
    count, sizes = int(header["dimension"]), [int(n) for n in header["sizes"]]
    kinds = [str(kind).strip().lower() for kind in header.get("kinds", [])] or [""] * count
    if len(kinds) != count or len(sizes) != count:
        raise Refused(f"dimension {count}", f"it has {len(kinds)} kinds and {len(sizes)} sizes; mend the header")
    directions = header.get("space directions")
    frames = []
    for axis, kind in enumerate(kinds):
        placed = directions is None or (directions[axis] is not None and np.isfinite(directions[axis]).all())
        _check_kind(kind, sizes[axis])
        if kind in FRAME_KINDS or kind in SINGLE_KINDS or not placed:
            frames.append(axis)
    space = [a for a in range(count) if a not in frames]
    if len(space) > 3:
        if directions is None and "kinds" not in header and any(n > 1 for n in sizes[3:]):
            raise Refused(f"{count} axes", "without kinds it is not known which are space; write kinds into the header")
        frames, space = sorted({*frames, *space[3:]}), space[:3]
    return Axes(tuple(space), tuple(frames))


def _check_kind(kind: str, size: int) -> None:
    if kind in SPACE_KINDS or kind in FRAME_KINDS or (kind in SINGLE_KINDS and size == 1):
        return
    if kind in COLOUR_KINDS:
        raise Refused(f"kind {kind}", "colour image; give scalar intensities")
    if kind == "complex":
        raise Refused(f"kind {kind}", "complex voxels; give the magnitude")
    raise Refused(f"kind {kind}", "NRRD with vectors for voxels (or points, matrices ...); give a scalar volume")


def place(header: dict[str, Any], axes: Axes, notes: list[Note]) -> tuple[Affine, str]:
    """The affine to RAS millimetres, and how lengths were read where they were not in millimetres."""
    affine = np.eye(4)
    directions = header.get("space directions")
    if directions is None:
        affine[:3, :3] = np.diag(_spacings(header, axes))
        scale = [_mm(header.get("units"), axis) for axis in axes.space]
        affine = affine @ np.diag([*scale, 1.0])
        notes.append(("no space directions", "its orientation is not known; its axes are taken to point to R, A, S"))
    else:
        columns = np.array([directions[a] for a in axes.space], dtype=np.float64).T
        if columns.shape != (3, 3):
            raise Refused(f"space of {len(columns)} dimensions", "three are needed; take time out of the space")
        affine[:3, :3] = columns
        origin = np.asarray(header.get("space origin", np.zeros(3)), dtype=np.float64)
        affine[:3, 3] = origin if origin.shape == (3,) else np.nan
        scale = [_mm(header.get("space units"), row) for row in range(3)]
        affine = np.diag([*_flips(header, notes), 1.0]) @ np.diag([*scale, 1.0]) @ affine
    reading = "" if scale == [1.0, 1.0, 1.0] else "mm per unit " + " ".join(f"{s:g}" for s in scale)
    if reading:
        notes.append((reading, "its header is not in millimetres; lengths were turned into them"))
    return affine, reading


def _spacings(header: dict[str, Any], axes: Axes) -> list[float]:
    spacings = header.get("spacings")
    if spacings is None:
        raise Refused("no spacings", "its header does not say how large voxels are; write spacings or space directions")
    return [float(spacings[a]) for a in axes.space]


def _mm(units: Any, axis: int) -> float:
    """Millimetres of the unit of an axis; a unit that is not named is a millimetre."""
    if units is None:
        return 1.0
    unit = str(units[axis]).strip().strip('"').lower() if axis < len(units) else ""
    if unit in UNKNOWN_UNITS:
        return 1.0
    if unit not in MM_OF_UNIT:
        raise Refused(f"unit {unit!r}", "a unit of length that is not known here; write mm")
    return MM_OF_UNIT[unit]


def _flips(header: dict[str, Any], notes: list[Note]) -> tuple[float, float, float]:
    """Signs that turn the file's world into RAS."""
    world = header.get("space")
    if world is None:
        notes.append(("no space", "its header does not say where left is; left-posterior-superior is taken"))
        return WORLDS["lps"]
    found = WORLDS.get(str(world).strip().lower())
    if found is None:
        raise Refused(
            f"space {world}", "it does not say where left and front are; write left-posterior-superior or RAS"
        )
    return found
