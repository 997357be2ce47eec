"""Headers and voxels of every format: `read_header` before anything large is read, then `read_voxels`.

Voxels come as float32 in the order of the file with the affine that takes voxel indices to millimetres in
RAS. MONAI reads neither MGZ nor says which series it picked from a DICOM folder, so each format has a reader of
its own. A reader refuses what is no scalar volume by raising `Refused`. It reads every field that changes what
voxels or places mean, or refuses the file for it, and it proves that the file is whole.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainers.volumes import dicom, mgh, nifti, nrrd_file
from trainers.volumes.header import Affine, Header
from trainers.volumes.refused import Refused

__all__ = ["Affine", "Array", "Header", "read_header", "read_voxels"]

Array = npt.NDArray[np.float32]


@contextmanager
def _quiet() -> Iterator[None]:
    """Libraries warn with header values, some of them of the patient: say nothing, judge by the outcome."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@_quiet()
def read_header(format: str, files: tuple[Path, ...]) -> Header:
    """The header alone; raises `Refused`, or whatever the format's library raises on a broken file."""
    if format == "nifti":
        return nifti.read_header(files[0])
    if format == "mgz":
        return mgh.read_header(files[0])
    if format == "nrrd":
        return nrrd_file.read_header(files[0])
    if format == "dicom":
        return dicom.read_series(files).header
    raise Refused(files[0].suffix or "no ending", "not a known format; convert it to NIfTI")


@_quiet()
def read_voxels(format: str, files: tuple[Path, ...], frame: int = 0, *, whole: bool = True) -> tuple[Array, Affine]:
    """One frame as float32 (X, Y, Z) and its affine.

    With `whole` the other frames of a 4D file are read as well, to prove that the file is whole.
    """
    if format == "dicom":
        series = dicom.read_series(files)
        return dicom.read_frame(series, frame), series.header.affine
    affine = read_header(format, files).affine
    if format == "nifti":
        return nifti.read_voxels(files[0], frame, whole=whole), affine
    if format == "mgz":
        return mgh.read_voxels(files[0], frame, whole=whole), affine
    return nrrd_file.read_voxels(files[0], frame), affine
