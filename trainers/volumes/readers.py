"""Headers and voxels of every format: `read_header` before anything large is read, then `read_voxels`.

Voxels come as float32 in the order of the file with the affine that takes voxel indices to millimetres in
RAS. MONAI reads neither MGZ nor says which series it picked from a DICOM folder, so nibabel, pynrrd and
pydicom are called directly. A reader refuses what is no scalar volume by raising `Refused`.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainers.volumes import dicom
from trainers.volumes.refused import Refused

Array = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]

COLOUR_KINDS = ("RGB-color", "HSV-color", "XYZ-color", "RGBA-color")


@dataclasses.dataclass(frozen=True)
class Header:
    """What the header claims: three extents, frames, the affine to RAS millimetres, the stored type."""

    shape: tuple[int, int, int]
    frames: int
    affine: Affine
    dtype: str
    patient: str = ""
    names: tuple[str, ...] = ()

    @property
    def spacing(self) -> tuple[float, float, float]:
        x, y, z = (float(mm) for mm in np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)))
        return x, y, z


@contextmanager
def _quiet() -> Iterator[None]:
    """Libraries warn with header values, some of them of the patient: say nothing, judge by the outcome."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@_quiet()
def read_header(format: str, files: tuple[Path, ...]) -> Header:
    """The header alone; raises `Refused`, or whatever the format's library raises on a broken file."""
    if format in ("nifti", "mgz"):
        return _nibabel_header(files[0])
    if format == "nrrd":
        return _nrrd_header(files[0])
    if format == "dicom":
        series = dicom.read_series(files)
        return Header(series.shape, series.frames, series.affine, series.dtype, series.patient, series.names)
    raise Refused(files[0].suffix or "no ending", "not a known format; convert it to NIfTI")


@_quiet()
def read_voxels(format: str, files: tuple[Path, ...], frame: int = 0) -> tuple[Array, Affine]:
    """One frame as float32 (X, Y, Z) and its affine."""
    header = read_header(format, files)
    if format in ("nifti", "mgz"):
        return _nibabel_voxels(files[0], frame), header.affine
    if format == "nrrd":
        return _nrrd_voxels(files[0], frame), header.affine
    return dicom.read_frame(dicom.read_series(files), frame), header.affine


def _three(extents: tuple[int, ...], what: str) -> tuple[tuple[int, int, int], int]:
    """Extents and frames of an array of 2 to 5 axes; trailing axes of one are no axes."""
    extents = tuple(int(n) for n in extents)
    while len(extents) > 3 and extents[-1] == 1:
        extents = extents[:-1]
    text = "x".join(map(str, extents))
    if len(extents) < 3 or 1 in extents[:3]:
        raise Refused(f"shape {text}", "one slice is no volume; leave it out or join the slices")
    if len(extents) > 4:
        raise Refused(f"shape {text}", f"{what} with vectors for voxels; give a scalar volume")
    return (extents[0], extents[1], extents[2]), extents[3] if len(extents) == 4 else 1


def _nibabel_header(path: Path) -> Header:
    import nibabel

    image: Any = nibabel.load(path)
    dtype = np.dtype(image.get_data_dtype())
    if dtype.names is not None:
        raise Refused("".join(dtype.names), "colour image; give scalar intensities")
    if dtype.kind == "c":
        raise Refused(str(dtype), "complex voxels; give the magnitude")
    shape, frames = _three(image.shape, "NIfTI")
    return Header(shape, frames, np.asarray(image.affine, dtype=np.float64), dtype.str)


def _nibabel_voxels(path: Path, frame: int) -> Array:
    import nibabel

    image: Any = nibabel.load(path)
    voxels = image.dataobj[..., frame] if _three(image.shape, "NIfTI")[1] > 1 else image.dataobj
    return np.asarray(voxels, dtype=np.float32).reshape(image.shape[:3])


def _nrrd_header(path: Path) -> Header:
    import nrrd

    header: dict[str, Any] = nrrd.read_header(str(path))
    kinds = [str(kind) for kind in header.get("kinds", [])]
    for kind in kinds:
        if kind in COLOUR_KINDS:
            raise Refused(kind, "colour image; give scalar intensities")
        if "vector" in kind or "matrix" in kind:
            raise Refused(kind, "NRRD with vectors for voxels; give a scalar volume")
    sizes = [int(n) for n in header["sizes"]]
    space, other = _nrrd_axes(header)
    shape, frames = _three(tuple(sizes[a] for a in [*space, *other]), "NRRD")
    return Header(shape, frames, _nrrd_affine(header, space), str(header["type"]))


def _nrrd_axes(header: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Which axes are space, which are not (time, a list of images)."""
    axes = range(int(header["dimension"]))
    directions = header.get("space directions")
    if directions is None:
        kinds = [str(kind) for kind in header.get("kinds", [])] or ["domain"] * len(axes)
        other = [a for a in axes if kinds[a] in ("time", "list")]
    else:
        other = [a for a in axes if directions[a] is None or not np.isfinite(directions[a]).all()]
    if len(axes) - len(other) > 3:
        other = list(axes[3:])
    return [a for a in axes if a not in other], other


def _nrrd_affine(header: dict[str, Any], space: list[int]) -> Affine:
    """NRRD names its world; LPS and the like are turned to RAS. Without directions: the spacings."""
    affine = np.eye(4)
    directions = header.get("space directions")
    if directions is None:
        spacings = header.get("spacings", np.ones(int(header["dimension"])))
        affine[:3, :3] = np.diag([float(spacings[a]) for a in space])
        return affine
    affine[:3, :3] = np.array([directions[a] for a in space], dtype=np.float64).T
    affine[:3, 3] = np.asarray(header.get("space origin", np.zeros(3)), dtype=np.float64)
    world = str(header.get("space", "left-posterior-superior")).lower()
    world = {"lps": "left-posterior-superior", "ras": "right-anterior-superior", "las": "left-anterior-superior"}.get(
        world, world
    )
    flips = [-1.0 if side in world else 1.0 for side in ("left", "posterior", "inferior")]
    return np.diag([*flips, 1.0]) @ affine


def _nrrd_voxels(path: Path, frame: int) -> Array:
    import nrrd

    voxels, header = nrrd.read(str(path))
    space, other = _nrrd_axes(header)
    ordered = np.transpose(voxels, [*space, *other])
    ordered = ordered.reshape(*ordered.shape[:3], -1)
    return np.ascontiguousarray(ordered[..., frame], dtype=np.float32)
