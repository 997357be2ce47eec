"""Writers for volumes of every format, healthy and sick; all of them small and seeded."""

from __future__ import annotations

import types
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from trainers.config.data import DataConfig


def head(shape=(40, 44, 36), seed=0, scale=100.0):
    """A bright, textured ellipsoid off the centre, in air; every axis and direction looks different."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    inside = ((grid - np.array([0.1, -0.1, 0.05])[:, None, None, None]) ** 2).sum(axis=0) < 0.6
    texture = 1 + 0.3 * grid[0] + 0.2 * grid[1] ** 2 + 0.4 * grid[2] + 0.1 * rng.normal(size=shape)
    return (scale * inside * np.maximum(texture, 0.2)).astype(np.float32)


def nifti(file, voxels, spacing=(2.0, 2.0, 2.0), affine=None, big=False, dtype=np.float32):
    affine = np.diag([*spacing, 1.0]) if affine is None else affine
    header = nib.Nifti1Header(endianness=">") if big else None
    image = nib.Nifti1Image(np.asarray(voxels, dtype=dtype), affine, header)
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, file)
    return file


def rgb(file, shape=(20, 20, 20)):
    colour = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    voxels = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8).view(colour).reshape(shape)
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), file)
    return file


def mgz(file, voxels, affine=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else affine
    nib.save(nib.MGHImage(np.asarray(voxels, np.float32), affine), file)
    return file


def write_nrrd(file, voxels, directions=None, space="left-posterior-superior", **header):
    file.parent.mkdir(parents=True, exist_ok=True)
    directions = np.diag([2.0, 2.0, 2.0]) if directions is None else directions
    nrrd.write(str(file), voxels, {"space": space, "space directions": directions, **header})
    return file


def dicom(
    folder,
    voxels,
    *,
    patient="DOE-4711",
    series=None,
    number=1,
    gap=3.0,
    name="x",
    places=None,
    colour=False,
    tags=None,
):
    """`voxels` are (columns, rows, slices); one file a slice, stored in shuffled order.

    `tags` replaces attributes: a value for all slices, or a function of the slice's number; None removes one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    uid = series or generate_uid()
    order = np.random.default_rng(0).permutation(voxels.shape[2])
    for k in range(voxels.shape[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        data.PatientID, data.PatientName, data.Modality = patient, "Doe^Jane", "CT"
        data.SeriesInstanceUID, data.SeriesNumber, data.InstanceNumber = uid, number, k + 1
        data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [2.0, 2.5]
        data.ImagePositionPatient = [-10.0, -20.0, places[k] if places else k * gap]
        data.Rows, data.Columns = voxels.shape[1], voxels.shape[0]
        data.SamplesPerPixel, data.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 1
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        plane = (voxels[..., k].T + 1024).astype("<i2")
        data.PixelData = (np.stack([plane] * 3, axis=-1) if colour else plane).tobytes()
        for tag, value in (tags or {}).items():
            value = value(k) if callable(value) else value
            if value is None:
                delattr(data, tag)
            else:
                setattr(data, tag, value)
        data.save_as(folder / f"{name}{order[k]:03d}.dcm", enforce_file_format=True)
    return folder


@pytest.fixture
def make():
    return types.SimpleNamespace(head=head, nifti=nifti, rgb=rgb, mgz=mgz, nrrd=write_nrrd, dicom=dicom)


@pytest.fixture
def config(tmp_path):
    """`config(domains, **rest)`: a configuration rooted in the test's folder, crops of 16 voxels."""

    def build(domains, **rest):
        domains = {n: {"path": n, "kind": "mr", **d} for n, d in domains.items()}
        return DataConfig.model_validate({"root": str(tmp_path), "crop": 16, "domains": domains, **rest})

    return build


@pytest.fixture
def patients(tmp_path):
    """Three healthy subjects in a folder."""

    def write(folder, count=3, first=0):
        return [nifti(Path(tmp_path, folder, f"s{i}.nii.gz"), head(seed=i)) for i in range(first, first + count)]

    return write
