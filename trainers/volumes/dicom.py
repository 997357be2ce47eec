"""One folder of DICOM slices as one volume: its header and notes, and its voxels in the modality's units."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainers.volumes.dicom_pixels import read_pixels
from trainers.volumes.dicom_slice import SECONDARY_CAPTURE, Slice, names_of, number, read_slice, text
from trainers.volumes.dicom_stack import Stack, stack
from trainers.volumes.header import Header, Note
from trainers.volumes.refused import Refused
from trainers.volumes.tolerance import same_spacing

NOTED_STEP = 1e-2  # of the larger one; SpacingBetweenSlices is often written with two digits
AIR_HU = -1024.0  # what stands where a CT has no image


@dataclasses.dataclass(frozen=True)
class Series:
    """Slices in order of position, those of one place in order of time."""

    header: Header
    places: tuple[tuple[Slice, ...], ...]


def read_series(files: tuple[Path, ...]) -> Series:
    """Check that the files are one evenly spaced stack of one series, and put them in order; raises `Refused`."""
    slices: list[Slice] = []
    try:
        slices.extend(read_slice(file) for file in files)
        found = stack(slices)
    except Refused as refused:
        refused.names = (*refused.names, *(name for item in slices for name in names_of(item.header)))
        raise
    first = found.places[0][0]
    rows, columns = first.extents
    header = Header(
        shape=(columns, rows, len(found.places)),
        frames=len(found.places[0]),
        affine=np.diag([-1.0, -1.0, 1.0, 1.0]) @ found.affine,
        dtype=f"{first.header.get('BitsAllocated', 0)} bit",
        patient=str(first.header.get("PatientID", "") or ""),
        names=names_of(first.header),
        notes=tuple(_notes(slices, found)),
        modality=first.modality,
        reading=_reading(slices),
    )
    return Series(header, found.places)


def read_patient(file: Path) -> str:
    """The patient's id of one slice, for this machine's console; empty where it cannot be read."""
    import pydicom

    try:
        header: Any = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["PatientID"])
        return str(header.get("PatientID", "") or "")
    except Exception:
        return ""


def read_frame(series: Series, frame: int) -> npt.NDArray[np.float32]:
    """Voxels (columns, rows, slices) in the units of the modality, which for CT are HU.

    Where the padding value says that there is no image stands air (CT), else the lowest value of the rest.
    """
    volume = np.empty(series.header.shape, dtype=np.float32)
    empty = np.zeros(series.header.shape, dtype=bool)
    for k, group in enumerate(series.places):
        volume[..., k], empty[..., k] = read_pixels(group[frame])
    if empty.any() and not empty.all():
        volume[empty] = AIR_HU if series.header.modality == "CT" else volume[~empty].min()
    return volume


def _reading(slices: Sequence[Slice]) -> str:
    """What is done to stored values besides rescaling."""
    inverted = ["inverted"] if slices[0].inverted else []
    padded = ["padding"] if any(s.padding is not None for s in slices) else []
    return " ".join(inverted + padded)


def _notes(slices: Sequence[Slice], found: Stack) -> list[Note]:
    first, notes = slices[0], []
    if first.inverted:
        notes.append(("MONOCHROME1", "low values are shown white; its values were inverted"))
    if first.part:
        notes.append((first.part, "it is one part of complex voxels; leave it out if magnitudes are meant"))
    if first.header.get("SOPClassUID") == SECONDARY_CAPTURE or "SECONDARY" in first.image_type[1:2]:
        notes.append(("secondary capture", "its values may not be the scanner's; leave it out if they are not"))
    elif "DERIVED" in first.image_type[:1]:
        notes.append(("\\".join(first.image_type), "a derived image; leave it out if only acquired ones are meant"))
    if text(first.header, "LossyImageCompression") == "01":
        notes.append(("LossyImageCompression 01", "it was compressed with loss at some time"))
    between = number(first.header, "SpacingBetweenSlices")
    if between and not same_spacing([between], [found.step], NOTED_STEP):
        notes.append(
            (
                f"SpacingBetweenSlices {abs(between):g}, positions {found.step:.4g} mm apart",
                "two distances of the slices in one header; the positions are used",
            )
        )
    if first.modality == "CT" and first.rescale is None:
        notes.append(("no RescaleSlope", "its values are taken for HU as they are stored; check them"))
    _check_real_world(slices)
    return notes


def _check_real_world(slices: Sequence[Slice]) -> None:
    """One map to real values for all slices changes nothing that is learnt; one for each slice does."""
    maps = set()
    for item in slices:
        mapping = item.header.get("RealWorldValueMappingSequence")
        if mapping and item.rescale is None:
            one = mapping[0]
            maps.add((number(one, "RealWorldValueSlope"), number(one, "RealWorldValueIntercept")))
    if len(maps) > 1 or (maps and slices[0].modality == "CT"):
        raise Refused(
            "RealWorldValueMappingSequence without RescaleSlope",
            "its real values are given in a way that is not read; convert it to NIfTI",
        )
