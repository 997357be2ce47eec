"""One DICOM file: what its header says, each field read or the file refused for it, by name.

The patient's id and name are read for two ends: to know the subject, and to blot them out of file names.
Neither is ever shown, nor is what pydicom says of a broken file, which may quote them.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainers.volumes.privacy import scrub
from trainers.volumes.refused import Refused

OVERLAY_BIT = 0x60000102  # Overlay Bit Position, retired
GE_CREATOR, GE_PART = 0x00430010, 0x0043102F  # of GEMS_PARM_01: 0 magnitude, 1 phase, 2 real, 3 imaginary
TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "PatientID", "PatientName", "Modality",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "PixelSpacing",
    "ImageOrientationPatient", "ImagePositionPatient", "SpacingBetweenSlices", "GantryDetectorTilt", "ImageType",
    "InstanceNumber", "TemporalPositionIdentifier", "AcquisitionNumber", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept",
    "RescaleType", "ModalityLUTSequence", "RealWorldValueMappingSequence", "LossyImageCompression", "EchoTime",
    "ComplexImageComponent", "PresentationLUTShape", "FrameOfReferenceUID", "Units", OVERLAY_BIT, GE_CREATOR, GE_PART,
]  # fmt: skip
NO_IMAGES = (
    "SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "RTRECORD", "SR", "KO", "PR", "REG", "FID", "RWV", "DOC", "PLAN", "M3D",
    "SMR", "ECG", "AU",
)  # fmt: skip
NO_SLICES = ("LOCALIZER", "SCOUT", "TOPOGRAM", "MOSAIC", "SCREEN SAVE", "DOSE_INFO")
# Of an MR image, which part of the complex numbers it holds: as ComplexImageComponent or ImageType, 3 on, have it.
PARTS = {
    "P": "phase", "PHASE": "phase", "PHASE MAP": "phase", "I": "imaginary part", "IMAGINARY": "imaginary part",
    "MIXED": "mixed parts", "R": "real part", "REAL": "real part",
}  # fmt: skip
REAL = "real part"  # is trained on and said: some scanners store inversion recovery, which is an image, as such
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
IN_PHYSICAL_UNITS = ("CT", "PT")
HU_TYPES = ("", "HU", "US")  # US: unspecified, which for CT means HU
COSINES_OFF = 1e-2  # of 1 or 0: beyond it these are no direction cosines


@dataclasses.dataclass(frozen=True)
class Slice:
    """One slice. `name` is the file's, fit to be shown; lengths in mm, patient coordinates (LPS).

    Attributes
    ----------
    cosines:
        (6,) of the row and the column.
    position:
        (3,) of the centre of the first pixel.
    spacing:
        Between rows, between columns.
    extents:
        Rows, columns.
    order:
        Temporal position, acquisition, instance, file name.
    padding:
        Lowest and highest stored value that stands for no image.
    rescale:
        Slope and intercept, None where there is none.
    """

    file: Path
    name: str
    header: Any
    cosines: npt.NDArray[np.float64]
    position: npt.NDArray[np.float64]
    spacing: tuple[float, float]
    extents: tuple[int, int]
    order: tuple[int, int, int, str]
    padding: tuple[int, int] | None
    rescale: tuple[float, float] | None

    @property
    def modality(self) -> str:
        return text(self.header, "Modality").upper()

    @property
    def inverted(self) -> bool:
        return text(self.header, "PhotometricInterpretation").upper() == "MONOCHROME1"

    @property
    def kind(self) -> tuple[str, ...]:
        """What tells images at one place apart besides time: echo time and the rest of ImageType."""
        return (text(self.header, "EchoTime"), *self.image_type[2:])

    @property
    def value_range(self) -> tuple[int, int]:
        """Least and greatest value that can be stored."""
        bits = int(self.header.get("BitsStored") or self.header.get("BitsAllocated") or 16)
        signed = bool(int(self.header.get("PixelRepresentation", 0) or 0))
        return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    @property
    def part(self) -> str:
        """Of complex numbers; empty for their magnitude."""
        return part_of(self.header)

    @property
    def overlay(self) -> bool:
        """Whether bits that hold no value hold an overlay, as old files have it."""
        return OVERLAY_BIT in self.header and int(self.header[OVERLAY_BIT].value or 0) > 0

    @property
    def image_type(self) -> tuple[str, ...]:
        return image_type(self.header)


def read_slice(file: Path) -> Slice:
    """The header of one file, checked; raises `Refused`."""
    import pydicom

    try:
        header: Any = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=TAGS)
        names = names_of(header)
    except OSError:
        raise
    except Exception as error:
        raise Refused(file.name, f"{_how(error)}; take it out of the folder, or fetch it again") from None
    name = scrub(file.name, list(names))
    try:
        _check_kind(header, name)
        _check_values(header, name)
        return _slice(file, name, header)
    except Refused as refused:
        refused.names = names
        raise
    except Exception:
        damaged = Refused(name, "its header is damaged: a value is not what DICOM says; fetch it again")
        damaged.names = names
        raise damaged from None


def names_of(header: Any) -> tuple[str, ...]:
    """Words that must not be shown: the patient's id and the parts of the name."""
    words = str(header.get("PatientName", "") or "").replace("^", " ").replace("=", " ").split()
    return (str(header.get("PatientID", "") or ""), *words)


def text(header: Any, tag: str | int) -> str:
    value = header.get(tag, "") if isinstance(tag, str) else header[tag].value if tag in header else ""
    return str(value or "").strip()


def image_type(header: Any) -> tuple[str, ...]:
    found = header.get("ImageType") or ()
    return tuple(str(part).strip().upper() for part in ([found] if isinstance(found, str) else found))


def part_of(header: Any) -> str:
    """Which part of complex numbers an MR image holds: `phase`, ...; empty for the magnitude and for other images."""
    if text(header, "Modality").upper() not in ("MR", ""):
        return ""
    said = text(header, "ComplexImageComponent").upper()
    if said:
        return PARTS.get(said, "")
    found = next((PARTS[part] for part in image_type(header)[2:] if part in PARTS), "")
    if not found and text(header, GE_CREATOR) == "GEMS_PARM_01" and GE_PART in header:
        value = header[GE_PART].value
        value = int.from_bytes(value[:2], "little") if isinstance(value, bytes) else value
        found = {1: "phase", 2: REAL, 3: "imaginary part"}.get(value, "") if isinstance(value, int) else ""
    return found


def number(header: Any, tag: str) -> float | None:
    """A decimal of the header, None where it is missing or empty."""
    value = header.get(tag)
    return None if value is None or str(value).strip() == "" else float(value)


def _how(error: Exception) -> str:
    """What is wrong with a file that pydicom cannot open, in words of our own."""
    if type(error).__name__ == "InvalidDicomError":
        return "it is no DICOM file (the preamble and the mark DICM are missing)"
    return "it is cut short or damaged, its header cannot be read"


def _check_kind(header: Any, name: str) -> None:
    """Only slices of scalar intensities."""
    modality, types = text(header, "Modality").upper(), image_type(header)
    if modality in NO_IMAGES:
        raise Refused(f"{name}: Modality {modality}", "no image of a scanner; take it out of the folder")
    if "Rows" not in header:
        raise Refused(name, "a DICOM file without an image, or its header is cut short; take it out of the folder")
    photometric = text(header, "PhotometricInterpretation").upper()
    if int(header.get("SamplesPerPixel", 1) or 1) != 1 or photometric not in ("", "MONOCHROME1", "MONOCHROME2"):
        raise Refused(f"{name}: {photometric or 'colour'}", "colour image; give scalar intensities")
    if int(header.get("NumberOfFrames", 1) or 1) > 1:
        raise Refused(
            f"{header.NumberOfFrames} frames in one file", "multi-frame DICOM is not read; convert it to NIfTI"
        )
    for kind in NO_SLICES:
        if kind in types:
            raise Refused(f"{name}: ImageType {kind}", "no slice of the volume; take it out of the folder")


def _check_values(header: Any, name: str) -> None:
    """Values must mean what they say."""
    modality = text(header, "Modality").upper()
    if text(header, "PhotometricInterpretation").upper() == "MONOCHROME1" and modality in IN_PHYSICAL_UNITS:
        raise Refused(
            f"{name}: MONOCHROME1 in {modality}",
            "whether its values or only their display are inverted is not said; convert it to MONOCHROME2",
        )
    shape = text(header, "PresentationLUTShape").upper()
    if shape == "INVERSE" and text(header, "PhotometricInterpretation").upper() == "MONOCHROME2":
        raise Refused(
            f"{name}: PresentationLUTShape INVERSE, MONOCHROME2",
            "one says that low values are white, the other that they are black; mend the one that is wrong",
        )
    if part_of(header) not in ("", REAL):
        raise Refused(f"{name}: {part_of(header)}", "a part of complex voxels; keep only the magnitude in the folder")
    if header.get("ModalityLUTSequence"):
        raise Refused(f"{name}: ModalityLUTSequence", "its values are indices of a table; convert it to real values")
    kind = text(header, "RescaleType").upper()
    if modality == "CT" and kind not in HU_TYPES:
        raise Refused(f"{name}: RescaleType {kind}", "its values are no HU; take it out, or convert it")
    stored, high = header.get("BitsStored"), header.get("HighBit")
    if stored is not None and high is not None and int(high) != int(stored) - 1:
        raise Refused(f"{name}: BitsStored {stored}, HighBit {high}", "its values are shifted; convert it to NIfTI")


def _slice(file: Path, name: str, header: Any) -> Slice:
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        if not header.get(tag):
            cause = "the slice's place in space is not known; convert the series to NIfTI"
            raise Refused(f"{name}: no {tag}", cause)
    cosines = _numbers(header, "ImageOrientationPatient", 6, name)
    across, down = cosines[:3], cosines[3:]
    off = max(abs(across @ across - 1), abs(down @ down - 1), abs(across @ down))
    if off > COSINES_OFF:
        shown = " ".join(f"{c:g}" for c in cosines)
        raise Refused(f"{name}: ImageOrientationPatient {shown}", "no direction cosines; mend the header")
    row_mm, column_mm = _numbers(header, "PixelSpacing", 2, name)
    if row_mm <= 0 or column_mm <= 0:
        raise Refused(f"{name}: PixelSpacing {row_mm:g} {column_mm:g}", "no size of pixels; mend the header")
    order = ("TemporalPositionIdentifier", "AcquisitionNumber", "InstanceNumber")
    temporal, acquisition, instance = (int(header.get(tag, 0) or 0) for tag in order)
    return Slice(
        file=file,
        name=name,
        header=header,
        cosines=cosines,
        position=_numbers(header, "ImagePositionPatient", 3, name),
        spacing=(float(row_mm), float(column_mm)),
        extents=(int(header.Rows), int(header.Columns)),
        order=(temporal, acquisition, instance, file.name),
        padding=_padding(header),
        rescale=_rescale(header, name),
    )


def _numbers(header: Any, tag: str, count: int, name: str) -> npt.NDArray[np.float64]:
    try:
        values = np.array([float(value) for value in header[tag].value], dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if len(values) != count or not np.isfinite(values).all():
        raise Refused(f"{name}: {tag}", f"it does not hold {count} numbers; mend the header")
    return values


def _rescale(header: Any, name: str) -> tuple[float, float] | None:
    slope, intercept = number(header, "RescaleSlope"), number(header, "RescaleIntercept")
    if slope is None and intercept is None:
        return None
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    if slope == 0 or not math.isfinite(slope) or not math.isfinite(intercept):
        raise Refused(f"{name}: RescaleSlope {slope:g}, RescaleIntercept {intercept:g}", "no scaling; mend the header")
    return slope, intercept


def _padding(header: Any) -> tuple[int, int] | None:
    """Stored values that stand for no image. Writers give signed ones as unsigned and the other way round."""
    found = [_stored(header, tag) for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    known = [value for value in found if value is not None]
    return (min(known), max(known)) if found[0] is not None else None


def _stored(header: Any, tag: str) -> int | None:
    value = header.get(tag)
    if isinstance(value, bytes):
        value = int.from_bytes(value[:2], "little") if len(value) >= 2 else None
    if value is None or str(value).strip() == "":
        return None
    whole, found = 2 ** int(header.get("BitsAllocated", 16) or 16), int(value)
    if int(header.get("PixelRepresentation", 0) or 0):
        return found - whole if found >= whole // 2 else found
    return found + whole if found < 0 else found
