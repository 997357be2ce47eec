"""The same anatomy in every format and orientation comes out the same."""

import itertools

import nibabel as nib
import numpy as np
import pytest

from trainers.config.data import DomainConfig
from trainers.volumes import BadData, preprocess, recipe_of
from trainers.volumes.readers import read_header, read_voxels
from trainers.volumes.refused import Refused

KEEP = DomainConfig(path="x", kind="mr", spacing=None)


def turned(voxels, affine, axes, flips):
    """The same image stored with other axes first and some of them backwards."""
    ornt = np.array([[axes.index(a), -1 if flips[axes.index(a)] else 1] for a in range(3)])
    image = nib.Nifti1Image(voxels, affine).as_reoriented(ornt)
    return np.asarray(image.dataobj), image.affine


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True), (True, True, True)])
def test_any_orientation_comes_out_ras(tmp_path, make, axes, flips):
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    plain = preprocess(make.nifti(tmp_path / "a.nii", make.head(), affine=affine), KEEP)
    voxels, other = turned(make.head(), affine, list(axes), flips)
    again = preprocess(make.nifti(tmp_path / "b.nii", voxels, affine=other), KEEP)
    np.testing.assert_allclose(again, plain, atol=1e-5)


def test_big_endian_nifti_reads_like_little_endian(tmp_path, make):
    big = make.nifti(tmp_path / "big.nii", make.head(), big=True)
    assert read_header("nifti", (big,)).dtype == ">f4"
    little = make.nifti(tmp_path / "little.nii", make.head())
    np.testing.assert_array_equal(preprocess(big, KEEP), preprocess(little, KEEP))


def test_scaled_integers_come_in_their_units(tmp_path, make):
    image = nib.Nifti1Image(make.head(), np.eye(4))
    image.header.set_data_dtype(np.int16)
    nib.save(image, tmp_path / "int.nii")
    voxels, _ = read_voxels("nifti", (tmp_path / "int.nii",))
    assert voxels.dtype == np.float32
    np.testing.assert_allclose(voxels, make.head(), atol=0.01)


def test_mgz_and_nrrd_agree_with_nifti(tmp_path, make):
    plain = preprocess(make.nifti(tmp_path / "a.nii", make.head()), KEEP)
    np.testing.assert_allclose(preprocess(make.mgz(tmp_path / "a.mgz", make.head()), KEEP), plain, atol=1e-5)
    lps = make.nrrd(tmp_path / "lps.nrrd", make.head()[::-1, ::-1])
    ras = make.nrrd(tmp_path / "ras.nrrd", make.head(), space="right-anterior-superior")
    np.testing.assert_allclose(preprocess(lps, KEEP), plain, atol=1e-5)
    np.testing.assert_allclose(preprocess(ras, KEEP), plain, atol=1e-5)


def test_4d_frames_are_told_apart(tmp_path, make):
    frames = np.stack([make.head(seed=s) for s in range(3)], axis=-1)
    file = make.nifti(tmp_path / "4d.nii.gz", frames)
    assert read_header("nifti", (file,)).frames == 3
    for n in range(3):
        np.testing.assert_array_equal(read_voxels("nifti", (file,), n)[0], frames[..., n])
    moved = np.moveaxis(frames, -1, 0)
    directions = np.vstack([np.full(3, np.nan), np.diag([2.0] * 3)])
    kinds = ["list", "domain", "domain", "domain"]
    other = make.nrrd(tmp_path / "4d.nrrd", moved, directions=directions, kinds=kinds)
    assert read_header("nrrd", (other,)).frames == 3
    np.testing.assert_array_equal(read_voxels("nrrd", (other,), 2)[0], frames[..., 2])
    with pytest.raises(BadData, match="frames 0 to 2"):
        preprocess(file, KEEP, frame=3)


def test_a_trailing_axis_of_one_is_no_axis(tmp_path, make):
    file = make.nifti(tmp_path / "a.nii", make.head()[..., None])
    assert read_header("nifti", (file,)).frames == 1
    np.testing.assert_array_equal(read_voxels("nifti", (file,))[0], make.head())


def test_dicom_series_is_sorted_scaled_and_turned(tmp_path, make):
    voxels = np.round(make.head((20, 24, 12)))
    folder = make.dicom(tmp_path / "series", voxels)
    files = tuple(sorted(folder.iterdir()))
    header = read_header("dicom", files)
    assert header.shape == (20, 24, 12)
    assert header.spacing == pytest.approx((2.5, 2.0, 3.0))
    read, affine = read_voxels("dicom", files)
    np.testing.assert_array_equal(read, voxels)
    np.testing.assert_allclose(affine[:3, 3], [10.0, 20.0, 0.0])
    assert nib.aff2axcodes(affine) == ("L", "P", "S")


def test_dicom_with_two_time_points_has_two_frames(tmp_path, make):
    voxels = np.round(make.head((20, 24, 12)))
    places = [k // 2 * 3.0 for k in range(12)]
    files = tuple(make.dicom(tmp_path / "series", voxels, places=places).iterdir())
    assert read_header("dicom", files).frames == 2
    np.testing.assert_array_equal(read_voxels("dicom", files, 1)[0], voxels[..., 1::2])


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"places": [0, 3, 6, 9, 15, 18]}, "slices are missing"),
        ({"places": [0, 3, 6, 6, 9, 12]}, "missing or repeated"),
        ({"colour": True}, "colour"),
    ],
)
def test_sick_dicom_series_are_refused(tmp_path, make, change, cause):
    folder = make.dicom(tmp_path / "series", np.round(make.head((20, 24, 6))), **change)
    with pytest.raises(Refused, match=cause):
        read_header("dicom", tuple(folder.iterdir()))


def test_two_series_in_a_folder_are_named(tmp_path, make):
    make.dicom(tmp_path / "s", np.round(make.head((20, 24, 6))), number=3, name="a")
    make.dicom(tmp_path / "s", np.round(make.head((20, 24, 4))), number=7, name="b")
    with pytest.raises(Refused) as refused:
        read_header("dicom", tuple((tmp_path / "s").iterdir()))
    assert refused.value.value == "series 3 (6 files), series 7 (4 files)"


def test_preprocess_gives_what_the_recipe_says(tmp_path, make):
    file = make.nifti(tmp_path / "a.nii", make.head(), spacing=(1.0, 2.0, 4.0))
    domain = DomainConfig(path="x", kind="mr", spacing=2.0)
    out = preprocess(file, domain)
    assert out.dtype == np.float32
    assert out.shape[0] == 1
    np.testing.assert_allclose(out.shape[1:], (20, 44, 71), atol=1)
    np.testing.assert_array_equal(preprocess(file, list(recipe_of(domain))), out)
    inside = out[out > out.min() + 0.1 * (out.max() - out.min())]
    assert abs(inside.mean()) < 0.05
    assert inside.std() == pytest.approx(1, abs=0.05)


def test_ct_keeps_one_scale_for_all_volumes(tmp_path, make):
    domain = DomainConfig(path="x", kind="ct", window=(-100.0, 300.0), spacing=None)
    out = preprocess(make.nifti(tmp_path / "a.nii", make.head()), domain)
    np.testing.assert_allclose(out[0], np.clip((make.head() - 100) / 200, -1, 1), atol=1e-6)


def test_downsampling_averages_noise(tmp_path, make):
    noise = 100 + np.random.default_rng(0).normal(size=(48, 48, 48)).astype(np.float32)
    domain = DomainConfig(path="x", kind="ct", window=(0.0, 200.0), spacing=4.0)
    out = preprocess(make.nifti(tmp_path / "a.nii", noise, spacing=(1.0, 1.0, 1.0)), domain)
    assert out.std() * 100 < 0.25


def test_preprocess_says_what_is_wrong(tmp_path, make):
    with pytest.raises(BadData, match="there is no"):
        preprocess(tmp_path / "nothing.nii", KEEP)
    with pytest.raises(BadData, match="colour"):
        preprocess(make.rgb(tmp_path / "rgb.nii"), KEEP)
