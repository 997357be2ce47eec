"""What a file is, by its ending; DICOM files without one by the mark that they carry.

To add a format: name its ending in `ENDINGS` and give it a reader in `readers`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ENDINGS = {".nii": "nifti", ".nii.gz": "nifti", ".mgz": "mgz", ".mgh": "mgz", ".nrrd": "nrrd"}
DICOM_ENDINGS = (".dcm", ".ima", ".dicom")
TABLES = (".csv", ".tsv")
# Formats of images that are not read: whoever has them wants to hear of it.
CONVERTIBLE = (
    ".mha", ".mhd", ".img", ".hdr", ".nhdr", ".b2nd", ".npy", ".npz", ".minc", ".mnc", ".tif", ".tiff", ".gipl",
    ".par", ".rec", ".img.gz", ".hdr.gz", ".zarr", ".h5", ".hdf5", ".nii.bz2", ".nii.xz", ".nii.zst", ".nii.zip",
    ".zip", ".tar", ".tar.gz", ".tgz", ".v", ".bruker", ".vtk", ".vti", ".mif", ".mif.gz", ".raw",
)  # fmt: skip
PLAIN_ENDING = re.compile(r"\.[a-z][a-z0-9]{0,7}")


def format_of(name: str) -> str:
    """The format that a file's name claims; empty where it is none that is read."""
    lower = name.lower()
    return next((kind for ending, kind in ENDINGS.items() if lower.endswith(ending)), "")


def is_dicom_name(name: str) -> bool:
    return name.lower().endswith(DICOM_ENDINGS)


def is_dicom(path: Path) -> bool:
    """By its ending, or, without one, by the mark that DICOM files carry at byte 128."""
    if is_dicom_name(path.name):
        return True
    if not _bare(path.name) or path.name.upper() == "DICOMDIR" or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            file.seek(128)
            return file.read(4) == b"DICM"
    except OSError:
        return False


def may_be_volume(name: str) -> bool:
    """Whether a file that cannot be looked into may have been a volume."""
    return bool(format_of(name)) or is_dicom_name(name) or _bare(name)


def _bare(name: str) -> bool:
    suffix = Path(name).suffix
    return suffix == "" or suffix[1:].isdigit()


def ending_of(name: str) -> str:
    """The ending to count a file under; one that may be part of an id is not repeated."""
    lower = name.lower()
    known = next((e for e in sorted(CONVERTIBLE, key=len, reverse=True) if lower.endswith(e)), "")
    suffix = known or Path(lower).suffix
    return suffix if PLAIN_ENDING.fullmatch(suffix) or known else "no ending" if _bare(lower) else "other endings"


def stem(path: Path) -> str:
    """The file's name without its ending, `.nii.gz` being one."""
    lower = path.name.lower()
    ending = next((e for e in sorted(ENDINGS, key=len, reverse=True) if lower.endswith(e)), path.suffix)
    return path.name[: len(path.name) - len(ending)] if ending else path.name
