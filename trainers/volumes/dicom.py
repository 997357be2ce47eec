"""One folder of DICOM slices as one volume. Only what geometry needs is read from the headers.

The patient's id and name are read for two ends: to know the subject, and to blot them out of file names.
Neither is ever shown.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainers.volumes.refused import Refused

TAGS = [
    "SeriesInstanceUID", "SeriesNumber", "PatientID", "PatientName", "SamplesPerPixel", "NumberOfFrames",
    "ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "Rows", "Columns", "InstanceNumber",
    "TemporalPositionIdentifier", "AcquisitionNumber", "BitsAllocated", "PhotometricInterpretation",
]  # fmt: skip
SAME_PLACE_MM = 1e-2
UNEVEN = 0.1


@dataclasses.dataclass(frozen=True)
class Series:
    """Slices in order of position, `frames` of them at each place."""

    shape: tuple[int, int, int]
    frames: int
    affine: npt.NDArray[np.float64]
    dtype: str
    slices: tuple[tuple[Path, ...], ...]
    patient: str
    names: tuple[str, ...]


def read_series(files: tuple[Path, ...]) -> Series:
    """Check that the files are one evenly spaced stack of one series, and put them in order.

    Raises `Refused` on colour, several series, single slices, mixed orientations, gaps or repeats.
    """
    headers = [(_header(file), file) for file in files]
    _one_series([header for header, _ in headers])
    first = headers[0][0]
    across, down, normal = _axes(first)
    stacks = _stack(headers, normal)
    places = np.array([position for position, _ in stacks])
    if len(stacks) < 2:
        raise Refused(f"{len(files)} slice", "one slice is no volume; leave it out or join the slices")
    row_mm, column_mm = (float(mm) for mm in first.PixelSpacing)
    start, end = (_position(stacks[i][1][0][0]) for i in (0, -1))
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1], lps[:3, 3] = across * column_mm, down * row_mm, start
    lps[:3, 2] = (end - start) / (len(places) - 1)
    words = str(first.get("PatientName", "")).replace("^", " ").replace("=", " ").split()
    patient = str(first.get("PatientID", "") or "")
    return Series(
        shape=(int(first.Columns), int(first.Rows), len(stacks)),
        frames=len(stacks[0][1]),
        affine=np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps,
        dtype=f"{first.get('BitsAllocated', 0)} bit",
        slices=tuple(tuple(file for _, file in group) for _, group in stacks),
        patient=patient,
        names=(patient, *words),
    )


def read_patient(file: Path) -> str:
    """The patient's id of one slice, for this machine's console; empty where it cannot be read."""
    import pydicom

    try:
        header: Any = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["PatientID"])
        return str(header.get("PatientID", "") or "")
    except Exception:
        return ""


def read_frame(series: Series, frame: int) -> npt.NDArray[np.float32]:
    """Voxels (columns, rows, slices) in the units of the modality, which for CT are HU."""
    import pydicom

    volume = np.empty(series.shape, dtype=np.float32)
    for k, group in enumerate(series.slices):
        data: Any = pydicom.dcmread(group[frame])
        slope, intercept = float(data.get("RescaleSlope", 1) or 1), float(data.get("RescaleIntercept", 0) or 0)
        volume[..., k] = data.pixel_array.T * slope + intercept
    return volume


def _header(file: Path) -> Any:
    import pydicom

    header: Any = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=TAGS)
    if "Rows" not in header:
        raise Refused(file.name, "a DICOM file without an image; take it out of the folder")
    if int(header.get("SamplesPerPixel", 1)) != 1:
        raise Refused(str(header.get("PhotometricInterpretation", "colour")), "colour image; give scalar intensities")
    if int(header.get("NumberOfFrames", 1) or 1) > 1:
        raise Refused(
            f"{header.NumberOfFrames} frames in one file", "multi-frame DICOM is not read; convert it to NIfTI"
        )
    missing = [t for t in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing") if not header.get(t)]
    if missing:
        raise Refused(f"no {missing[0]}", "the slice's place in space is not known; convert the series to NIfTI")
    return header


def _one_series(headers: list[Any]) -> None:
    found = Counter((str(h.get("SeriesInstanceUID", "")), h.get("SeriesNumber", None)) for h in headers)
    if len({uid for uid, _ in found}) > 1:
        counts = sorted((int(number or 0), count) for (_, number), count in found.items())
        named = ", ".join(f"series {number} ({count} files)" for number, count in counts)
        raise Refused(named, "the folder holds more than one series; put each into a folder of its own")
    extents = {(int(h.Rows), int(h.Columns)) for h in headers}
    if len(extents) > 1:
        raise Refused(f"slices of {sorted(extents)}", "slices differ in size; keep one kind in the folder")
    turned = {tuple(round(float(c), 3) for c in h.ImageOrientationPatient) for h in headers}
    if len(turned) > 1:
        raise Refused(f"{len(turned)} orientations", "slices lie in different planes; keep one plane in the folder")


def _axes(header: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    cosines = np.array([float(c) for c in header.ImageOrientationPatient])
    across, down = cosines[:3], cosines[3:]
    return across, down, np.cross(across, down)


def _position(header: Any) -> npt.NDArray[np.float64]:
    return np.array([float(mm) for mm in header.ImagePositionPatient])


def _stack(
    headers: list[tuple[Any, Path]], normal: npt.NDArray[np.float64]
) -> list[tuple[float, list[tuple[Any, Path]]]]:
    """Slices grouped by place, in order of place, each group in order of time."""
    groups: dict[int, list[tuple[Any, Path]]] = defaultdict(list)
    for header, file in headers:
        groups[round(float(_position(header) @ normal) / SAME_PLACE_MM)].append((header, file))
    stacks = [(place * SAME_PLACE_MM, sorted(groups[place], key=_when)) for place in sorted(groups)]
    counts = {len(group) for _, group in stacks}
    if len(counts) > 1:
        raise Refused(
            f"{min(counts)} to {max(counts)} slices a place", "slices are missing or repeated; mend the series"
        )
    gaps = np.diff([place for place, _ in stacks])
    if len(gaps) and gaps.max() - gaps.min() > UNEVEN * np.median(gaps):
        raise Refused(f"gaps of {gaps.min():.2f} to {gaps.max():.2f} mm", "slices are missing; complete the series")
    return stacks


def _when(item: tuple[Any, Path]) -> tuple[int, int, int, str]:
    header, file = item
    order = ("TemporalPositionIdentifier", "AcquisitionNumber", "InstanceNumber")
    temporal, acquisition, instance = (int(header.get(tag, 0) or 0) for tag in order)
    return temporal, acquisition, instance, file.name
