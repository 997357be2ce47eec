"""What a volume's header says, in one form for all formats."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Affine = npt.NDArray[np.float64]
Note = tuple[str, str]
"""(value that was found, what it means and what to do): a file that is used all the same."""


@dataclasses.dataclass(frozen=True)
class Header:
    """What the header claims.

    Attributes
    ----------
    shape:
        Voxels along the axes of the file.
    frames:
        Of a 4D file, else 1.
    affine:
        (4, 4), from voxel indices to RAS millimetres.
    dtype:
        The stored type.
    patient, names:
        Of DICOM: the id, and the words that must not be shown.
    notes:
        What a person should hear of although the file is used.
    modality:
        Of DICOM, such as `CT`; else empty.
    reading:
        How values or places are read other than as they stand (`unit m`, `inverted`): part of the cache's key.
    """

    shape: tuple[int, int, int]
    frames: int
    affine: Affine
    dtype: str
    patient: str = ""
    names: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    modality: str = ""
    reading: str = ""

    @property
    def spacing(self) -> tuple[float, float, float]:
        x, y, z = (float(mm) for mm in np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)))
        return x, y, z
