"""From what packages hold (NIfTI, NRRD, bare arrays, DICOM series) to gzipped NIfTI with a true affine.

World coordinates are NIfTI's: x to the right, y to the front, z up, in mm. NRRD and DICOM point left and back.
"""

from __future__ import annotations

import gzip
import io

import nibabel
import nrrd
import numpy as np
import numpy.typing as npt
import pydicom

from .catalogue import RawLayout, Volume
from .errors import WrongContent

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DIRECTIONS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


def to_nifti(volume: Volume, files: tuple[bytes, ...]) -> bytes:
    """The volume as the bytes of a .nii.gz: the same bytes each time. A NIfTI keeps its own header as it is."""
    if volume.format == "nifti":
        return files[0] if files[0].startswith(b"\x1f\x8b") else _gzip(files[0])
    if volume.format == "nrrd":
        voxels, affine = _nrrd(files[0])
    elif volume.format == "dicom":
        voxels, affine = _dicom(files)
    else:
        if volume.raw is None:
            raise WrongContent(f"{volume.name}: a raw volume needs its layout in the catalogue")
        voxels, affine = _raw(files[0], volume.raw)
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    return _gzip(image.to_bytes())


def describe(content: bytes) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Shape and spacing (mm; the first three axes) of a .nii.gz given as bytes."""
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(content))
    spacing = tuple(round(float(s), 4) for s in image.header.get_zooms()[:3])
    return tuple(int(n) for n in image.shape), spacing


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1, mtime=0)


def _nrrd(content: bytes) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.float64]]:
    stream = io.BytesIO(content)
    header = nrrd.read_header(stream)
    voxels = nrrd.read_data(header, stream)
    if header.get("space") != "left-posterior-superior":
        raise WrongContent(f"space {header.get('space')!r} of an NRRD volume; only left-posterior-superior is known")
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(header["space directions"]).T
    affine[:3, 3] = header["space origin"]
    return voxels, _LPS_TO_RAS @ affine


def _raw(content: bytes, layout: RawLayout) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.float64]]:
    voxels = np.frombuffer(content, dtype=layout.dtype).reshape(layout.shape).transpose(2, 1, 0)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1.0
    for axis, letter in enumerate(layout.axes):
        row, sign = _DIRECTIONS[letter]
        affine[row, axis] = sign * layout.spacing[axis]
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(voxels.shape) - 1) / 2)  # no origin is known: centre at zero
    return voxels, affine


def _dicom(files: tuple[bytes, ...]) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.float64]]:
    slices = [pydicom.dcmread(io.BytesIO(f)) for f in files]
    across, down = np.asarray(slices[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    normal = np.cross(across, down)
    slices.sort(key=lambda s: float(normal @ np.asarray(s.ImagePositionPatient, dtype=float)))
    first, last = (np.asarray(s.ImagePositionPatient, dtype=float) for s in (slices[0], slices[-1]))
    row_spacing, column_spacing = (float(s) for s in slices[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = across * column_spacing
    affine[:3, 1] = down * row_spacing
    affine[:3, 2] = (last - first) / (len(slices) - 1)  # the distance between slices; the thickness is another thing
    affine[:3, 3] = first
    return np.stack([s.pixel_array.T for s in slices], axis=-1), _LPS_TO_RAS @ affine
