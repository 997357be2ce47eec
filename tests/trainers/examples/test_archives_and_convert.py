"""Nested archives are read as asked; every format comes out with the right affine."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from trainers.examples.archives import read_members
from trainers.examples.catalogue import RawLayout, Volume
from trainers.examples.convert import describe, to_nifti
from trainers.examples.errors import WrongContent


def load(content: bytes) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(content))


def tar_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def test_steps_into_nested_archives_and_lists_folders(tmp_path: Path) -> None:
    archive = tmp_path / "a.whl"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("x/inner.tgz", tar_of({"d/b": b"2", "d/a": b"1", "other": b"3"}))
        bundle.writestr("plain", b"4")
    got = read_members(archive, ["x/inner.tgz!d/", "x/inner.tgz!other", "plain"])
    assert got == {"x/inner.tgz!d/": (b"1", b"2"), "x/inner.tgz!other": (b"3",), "plain": (b"4",)}


def test_missing_member_and_strange_archive_are_named(tmp_path: Path) -> None:
    archive = tmp_path / "a.tgz"
    archive.write_bytes(tar_of({"a": b"1"}))
    with pytest.raises(WrongContent, match=r"a\.tgz holds no 'b'"):
        read_members(archive, ["b"])
    archive.write_bytes(b"not an archive at all" * 50)
    with pytest.raises(WrongContent, match=r"a\.tgz is no zip, tar or Debian archive"):
        read_members(archive, ["b"])


def test_nrrd_points_left_and_back(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([0.5, 0.6, 5.0]),
        "space origin": [1, 2, 3],
    }
    nrrd.write(str(tmp_path / "a.nrrd"), voxels, header)
    content = to_nifti(Volume("ct", "s", "n", "m", "h", "nrrd"), ((tmp_path / "a.nrrd").read_bytes(),))
    image = load(content)
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels)
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    np.testing.assert_allclose(image.affine[:3, 3], [-1, -2, 3])
    assert describe(content) == ((2, 3, 4), (0.5, 0.6, 5.0))


def test_raw_array_needs_its_layout() -> None:
    voxels = np.arange(24, dtype="<i2").reshape(4, 3, 2)
    layout = RawLayout((4, 3, 2), "<i2", (1.0, 1.5, 2.0), "LAS")
    image = load(to_nifti(Volume("ct", "s", "n", "m", "h", "raw", layout), (voxels.tobytes(),)))
    assert image.shape == (2, 3, 4)
    assert nibabel.aff2axcodes(image.affine) == ("L", "A", "S")
    np.testing.assert_allclose(image.header.get_zooms(), (1.0, 1.5, 2.0))
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels.transpose(2, 1, 0))
    with pytest.raises(WrongContent, match="needs its layout"):
        to_nifti(Volume("ct", "s", "n", "m", "h", "raw"), (voxels.tobytes(),))


def dicom_slice(position: float, value: int) -> bytes:
    slice_ = Dataset()
    slice_.file_meta = FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_.file_meta.MediaStorageSOPClassUID = slice_.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID = generate_uid()
    slice_.Rows, slice_.Columns = 3, 2
    slice_.SamplesPerPixel, slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit = 1, 16, 16, 15
    slice_.PixelRepresentation, slice_.PhotometricInterpretation = 0, "MONOCHROME2"
    slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    slice_.ImagePositionPatient = [-10, -20, position]
    slice_.PixelSpacing, slice_.SliceThickness = [0.8, 0.9], 5.0
    slice_.PixelData = np.full((3, 2), value, np.uint16).tobytes()
    stream = io.BytesIO()
    slice_.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def test_dicom_slices_are_ordered_by_position_and_spaced_by_distance() -> None:
    files = (dicom_slice(7.0, 2), dicom_slice(0.0, 1), dicom_slice(14.0, 3))
    image = load(to_nifti(Volume("pd", "s", "n", "m/", "h", "dicom"), files))
    assert image.shape == (2, 3, 3)
    np.testing.assert_array_equal(np.asarray(image.dataobj)[0, 0], [1, 2, 3])
    np.testing.assert_allclose(image.header.get_zooms(), (0.9, 0.8, 7.0), rtol=1e-6)
    np.testing.assert_allclose(image.affine[:3, 3], [10, 20, 0])


def test_the_same_bytes_each_time() -> None:
    voxels = np.arange(24, dtype="<i2")
    volume = Volume("ct", "s", "n", "m", "h", "raw", RawLayout((4, 3, 2), "<i2", (1.0, 1.5, 2.0), "LAS"))
    assert to_nifti(volume, (voxels.tobytes(),)) == to_nifti(volume, (voxels.tobytes(),))
