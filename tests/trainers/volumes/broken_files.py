"""More of what `broken` lists: files whose header or bytes are wrong, and subjects and tables that contradict."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np

from tests.trainers.volumes.broken import SHAPE, BrokenSetting, BrokenVolume, good, head, hounsfield, nifti
from tests.trainers.volumes.conftest import dicom

Bytes = Callable[[bytes], bytes]
Headers = Callable[[nib.Nifti1Header], None]


def changed(change: Bytes, ending: str = ".nii.gz") -> Callable[[Path], Path]:
    """A healthy NIfTI file whose bytes are changed afterwards."""

    def make(folder: Path) -> Path:
        file = nifti(folder / f"odd{ending}", head())
        file.write_bytes(change(file.read_bytes()))
        return file

    return make


def headed(change: Headers) -> Callable[[Path], Path]:
    """A healthy NIfTI file with another header."""

    def make(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        image = nib.Nifti1Image(head(), np.diag([2.0, 2.0, 2.0, 1.0]))
        change(image.header)
        nib.save(image, folder / "odd.nii.gz")
        return folder / "odd.nii.gz"

    return make


def nrrd_with(**header: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        whole = {"space": "left-posterior-superior", "space directions": 2 * np.eye(3), **header}
        nrrd.write(str(folder / "odd.nrrd"), head(), whole)
        return folder / "odd.nrrd"

    return make


def slices(**tags: Any) -> Callable[[Path], Path]:
    return lambda folder: dicom(folder / "odd", np.round(hounsfield()), tags=tags)


def _flipped(raw: bytes) -> bytes:
    return raw[:-6] + bytes([raw[-6] ^ 0xFF]) + raw[-5:]


def _set(**fields: Any) -> Headers:
    def change(header: nib.Nifti1Header) -> None:
        for name, value in fields.items():
            header[name] = value

    return change


VOLUMES = [
    BrokenVolume("gzip with a wrong checksum", changed(_flipped), "mr", "quarantined", "its checksum is wrong"),
    BrokenVolume("gzip with something behind it", changed(lambda b: b + b"abc"), "mr", "quarantined", "appended"),
    BrokenVolume("gzip without its end", changed(lambda b: b[:-8]), "mr", "quarantined", "without the end of its gzip"),
    BrokenVolume("a byte too short", changed(lambda b: b[:-1], ".nii"), "mr", "quarantined", "cut short"),
    BrokenVolume("empty file", changed(lambda b: b"", ".nii"), "mr", "quarantined", "it is empty"),
    BrokenVolume("2 m spacing", headed(_set(xyzt_units=1)), "mr", "quarantined", "unit metre"),
    BrokenVolume("unit that is none", headed(_set(xyzt_units=5)), "mr", "quarantined", "xyzt_units 5"),
    BrokenVolume("label map by its header", headed(_set(intent_code=1002)), "mr", "quarantined", "label map"),
    BrokenVolume("quaternions", nrrd_with(kinds=["quaternion", "domain", "domain"]), "mr", "quarantined", "quaternion"),
    BrokenVolume("place in scanner-xyz", nrrd_with(space="scanner-xyz"), "mr", "quarantined", "scanner-xyz"),
    BrokenVolume("dicom of another modality", slices(Modality="MR"), "ct", "quarantined", "Modality MR, kind ct"),
    BrokenVolume("ct with white air", slices(PhotometricInterpretation="MONOCHROME1"), "ct", "quarantined", "MONOCHR"),
    BrokenVolume(
        "slice shifted sideways",
        slices(ImagePositionPatient=lambda k: [-10.0 + 2 * (k == 7), -20.0, 3.0 * k]),
        "ct",
        "quarantined",
        "sideways",
    ),
    BrokenVolume(
        "tilted gantry", slices(ImagePositionPatient=lambda k: [-10.0, 0.8 * k, 3.0 * k]), "ct", "quarantined", "gantry"
    ),
    BrokenVolume("dicom that lost quality", slices(LossyImageCompression="01"), "ct", "warning", "LossyImage"),
]


def _nnunet(folder: Path) -> dict[str, Any]:
    task = folder / "Task09"
    for number in range(4):
        side = "imagesTr" if number < 3 else "imagesTs"
        nifti(task / side / f"spleen_{number}_0000.nii.gz", head(number))
        nifti(task / "labelsTr" / f"spleen_{number}.nii.gz", np.random.default_rng(number).integers(0, 99, SHAPE))
    return {"domains": {"mr": {"path": "Task09", "kind": "mr"}}}


def _named(folder: Path, **domain: Any) -> dict[str, Any]:
    for number in range(3):
        nifti(folder / "mr" / f"sub-0{number}.nii.gz", head(number))
    return {"domains": {"mr": {"path": "mr", "kind": "mr", **domain}}}


def _table(folder: Path, text: str | bytes) -> dict[str, Any]:
    good(folder / "mr")
    (folder / "list.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return {"domains": {"mr": {"path": "list.csv", "kind": "mr"}}}


def _with(folder: Path, add: Callable[[Path], Any], **domain: Any) -> dict[str, Any]:
    good(folder / "mr")
    add(folder / "mr")
    return {"max_missing": 0.5, "domains": {"mr": {"path": "mr", "kind": "mr", **domain}}}


def _no_text(folder: Path) -> None:
    with open(os.fsencode(folder) + b"/odd\xff.nii", "wb") as file:
        file.write(b"x")


def _nobody_left(folder: Path) -> dict[str, Any]:
    good(folder / "a")
    nifti(folder / "b" / "s0.nii.gz", head(200))
    a = {"path": "a", "kind": "mr", "held_out": ["s0"]}
    return {"domains": {"a": a, "b": {"path": "b", "kind": "mr"}}}


SETTINGS = [
    BrokenSetting("nnU-Net folder", _nnunet, 0, "label maps of labelsTr are left out"),
    BrokenSetting("one held-out name is nobody", lambda f: _named(f, held_out=["sub-00", "sub-1"]), 2, "did you mean"),
    BrokenSetting("held-out list of a fraction", lambda f: _named(f, held_out=[0.2]), 2, "held_out"),
    BrokenSetting(
        "table of nobody", lambda f: _table(f, "path,subject\nmr/s0.nii.gz,ANONYMOUS"), 2, "stands for nobody"
    ),
    BrokenSetting(
        "one file on both sides",
        lambda f: _table(f, "path,subject,held_out\nmr/s0.nii.gz,a,true\nmr/s0.nii.gz,a,false"),
        2,
        "lines 2 and 3",
    ),
    BrokenSetting(
        "table in Latin-1", lambda f: _table(f, "path,subject\nmr/s0.nii.gz,Müller".encode("latin-1")), 2, "not UTF-8"
    ),
    BrokenSetting("nobody is left to train on", _nobody_left, 2, "nobody is left to train on"),
    BrokenSetting("a pipe", lambda f: _with(f, lambda d: os.mkfifo(d / "x.nii")), 0, "a named pipe"),
    BrokenSetting(
        "a link that leads nowhere", lambda f: _with(f, lambda d: os.symlink("gone", d / "x.nii")), 0, "leads nowhere"
    ),
    BrokenSetting(
        "exclude that matches nothing", lambda f: _with(f, lambda d: None, exclude="*.no"), 0, "matches nothing"
    ),
    BrokenSetting("home of nobody", lambda f: {**_named(f), "root": "~nobody-of-that-name/x"}, 2, "is not known here"),
    BrokenSetting(
        "a cache in no variable", lambda f: {**_named(f), "cache": "$NOT_SET_HERE/x"}, 2, "data.cache is '$NOT"
    ),
    BrokenSetting("a name that is no text", lambda f: _with(f, _no_text), 0, "not UTF-8"),
    BrokenSetting("formats that are not read", lambda f: _with(f, lambda d: (d / "x.mha").touch()), 0, ".mha: 1"),
]
