"""A field of a header that changes what voxels or places mean is read, or the file is refused with its value."""

import struct

import nibabel as nib
import nrrd
import numpy as np
import pytest

from trainers.volumes import scan
from trainers.volumes.readers import read_header, read_voxels
from trainers.volumes.refused import Refused
from trainers.volumes.tolerance import DIRECTION_TOLERANCE, same_direction, same_spacing

SHAPE = (10, 12, 14)


def voxels():
    return np.random.default_rng(0).integers(0, 500, SHAPE).astype(np.int16)


def write(file, affine=None, set_header=None, kind=nib.Nifti1Image, data=None):
    image = kind(voxels() if data is None else data, np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1)
    nib.save(image, file)
    if set_header is not None:  # past all checks of the library
        raw = bytearray(file.read_bytes())
        size = 348 if kind is nib.Nifti1Image else 540
        header = kind.header_class(bytes(raw[:size]), check=False)
        set_header(header)
        file.write_bytes(header.binaryblock + raw[size:])
    return file


def setter(**fields):
    def change(header):
        for field, value in fields.items():
            if isinstance(value, dict):
                for index, one in value.items():
                    header[field][index] = one
            else:
                header[field] = value

    return change


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize(("code", "mm"), [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001), (2 | 8, 1.0), (3 | 16, 0.001)])
def test_units_of_nifti(tmp_path, kind, code, mm):
    affine = np.array([[0, 2, 0, -9], [1, 0, 0, 8], [0, 0, -3, 7], [0, 0, 0, 1]], dtype=float)
    write(tmp_path / "a.nii", affine / [[mm], [mm], [mm], [1]], setter(xyzt_units=code), kind)
    header = read_header("nifti", (tmp_path / "a.nii",))
    np.testing.assert_allclose(header.affine, affine, rtol=1e-6)
    np.testing.assert_allclose(header.spacing, (1, 2, 3), rtol=1e-6)
    assert bool(header.notes) == bool(header.reading) == (mm != 1)


def test_a_unit_that_makes_voxels_absurd_is_named(tmp_path, config):
    (tmp_path / "mr").mkdir()
    write(tmp_path / "mr" / "a.nii", set_header=setter(xyzt_units=1))
    (problem,) = scan(config({"mr": {}})).problems
    assert "2000 x 2000 x 2000 mm, unit metre" in problem.value


@pytest.mark.parametrize(
    ("change", "value", "cause"),
    [
        (setter(xyzt_units=5), "xyzt_units 5", "unit"),
        (setter(intent_code=1002), "intent code 1002", "label map"),
        (setter(intent_code=1003), "intent code 1003", "label map"),
        (setter(intent_code=1005), "intent code 1005", "no intensities"),
        (setter(intent_code=1007), "intent code 1007", "no intensities"),
        (setter(intent_code=1006), "intent code 1006", "no intensities"),
        (setter(intent_code=2003), "intent code 2003", "colour"),
        (setter(intent_code=2004), "intent code 2004", "colour"),
        (setter(intent_code=3001), "intent code 3001", "no intensities"),
        (setter(scl_slope=2.0, scl_inter=np.nan), "scl_inter nan", "no scaling"),
        (setter(scl_slope=2.0, scl_inter=np.inf), "scl_inter inf", "no scaling"),
        (setter(scl_slope=np.inf), "scl_slope inf", "no scaling"),
        (setter(scl_slope=-np.inf), "scl_slope -inf", "no scaling"),
        (setter(sform_code=0, pixdim={1: np.nan}), "pixdim nan", "no usable place"),
        (setter(sform_code=0, pixdim={2: 0.0}), "pixdim 2 x 0", "no usable place"),
        (setter(sform_code=0, pixdim={3: -2.0}), "pixdim 2 x 2 x -2", "no usable place"),
        (setter(sform_code=0, qform_code=0, pixdim={1: 0.0}), "pixdim 0", "no usable place"),
        (setter(sform_code=0, pixdim={0: 0.5}), "qform", "qfac"),
        (setter(sform_code=0, quatern_b=0.9, quatern_c=0.9), "qform", "quaternion"),
        (setter(datatype=128), "RGB", "colour"),
        (setter(datatype=2304), "RGBA", "colour"),
        (setter(datatype=32), "complex64", "magnitude"),
        (setter(datatype=1792), "complex128", "magnitude"),
        (setter(datatype=0), "datatype 0", "type of voxels"),
        (setter(datatype=1), "datatype 1", "type of voxels"),
        (setter(datatype=1536), "datatype 1536", "type of voxels"),
        (setter(datatype=2048), "datatype 2048", "type of voxels"),
        (setter(datatype=99), "datatype 99", "type of voxels"),
        (setter(dim={0: 5, 4: 1, 5: 3}), "10x12x14x1x3", "vectors"),
        (setter(dim={0: 5, 4: 2, 5: 3}), "10x12x14x2x3", "vectors"),
        (setter(dim={0: 6, 4: 1, 5: 1, 6: 2}), "10x12x14x1x1x2", "vectors"),
        (setter(dim={0: 9}), "dim[0] 9", "1 to 7"),
        (setter(dim={2: -12}), "10x-12x14", "positive"),
        (setter(vox_offset=np.nan), "vox_offset nan", "mend"),
        (setter(vox_offset=100), "vox_offset 100", "mend"),
        (setter(magic=b"ni1"), "ni1", "two files"),
    ],
)
def test_a_nifti_header_that_cannot_be_meant_is_refused(tmp_path, change, value, cause):
    write(tmp_path / "a.nii", set_header=change)
    with pytest.raises(Refused) as refused:
        read_header("nifti", (tmp_path / "a.nii",))
    assert value in refused.value.value
    assert cause in refused.value.cause


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (setter(sform_code=0, qform_code=0), "orientation is not known"),
        (setter(pixdim={3: 5.0}), "two sizes of the voxels"),
        (setter(quatern_b=1.0), "turn the axes differently"),
        (setter(pixdim={0: -1.0}), "turn the axes differently"),
        (setter(intent_code=5), "statistic"),
    ],
)
def test_a_nifti_header_that_contradicts_itself_is_said(tmp_path, config, change, said):
    (tmp_path / "mr").mkdir()
    write(tmp_path / "mr" / "a.nii", set_header=change)
    found = scan(config({"mr": {}}))
    assert len(found.domains["mr"].items) == 1
    assert [said in p.cause for p in found.problems] == [True]
    assert found.problems[0].severity == "warning"
    assert scan(config({"mr": {}})).problems == found.problems, "the index keeps what was said"


@pytest.mark.parametrize(
    "change",
    [
        setter(scl_slope=0.0, scl_inter=7.0),
        setter(scl_slope=np.nan, scl_inter=np.nan),
        setter(intent_code=2001),
        setter(intent_code=1001),
        setter(sform_code=0, pixdim={0: 0.0}),
        setter(qform_code=0),
        setter(pixdim={3: 2.0001}),
        setter(vox_offset=0),
    ],
)
def test_a_nifti_header_that_means_what_it_says_is_read(tmp_path, change):
    write(tmp_path / "a.nii", set_header=change)
    header = read_header("nifti", (tmp_path / "a.nii",))
    assert header.notes == ()
    np.testing.assert_allclose(header.affine, np.diag([2.0, 2.0, 2.0, 1.0]), atol=1e-6)
    np.testing.assert_array_equal(read_voxels("nifti", (tmp_path / "a.nii",))[0], voxels())


def test_mgh_without_a_place_is_said(tmp_path, make):
    file = make.mgz(tmp_path / "a.mgh", voxels())
    assert read_header("mgz", (file,)).notes == ()
    raw = file.read_bytes()
    file.write_bytes(raw[:28] + struct.pack(">h", 0) + raw[30:])
    (note,) = read_header("mgz", (file,)).notes
    assert note[0] == "goodRASFlag 0"


def nrrd_of(file, data=None, **fields):
    """`None` takes a field away."""
    body = {"space": "right-anterior-superior", "space directions": np.diag([2.0, 2.0, 2.0]), "encoding": "raw"}
    body |= {name.replace("_", " "): value for name, value in fields.items()}
    nrrd.write(str(file), voxels() if data is None else data, {n: v for n, v in body.items() if v is not None})
    return file


@pytest.mark.parametrize(
    ("fields", "affine"),
    [
        ({"space": "RAS"}, np.diag([2.0, 2, 2, 1])),
        ({"space": "Left-Posterior-Superior"}, np.diag([-2.0, -2, 2, 1])),
        ({"space": "LAS"}, np.diag([-2.0, 2, 2, 1])),
        (
            {"space_units": ["um", "um", "um"], "space_directions": np.diag([500.0, 600, 700])},
            np.diag([0.5, 0.6, 0.7, 1]),
        ),
        ({"space_units": ["mm", "cm", "m"], "space_directions": np.diag([2.0, 0.2, 0.002])}, np.diag([2.0, 2, 2, 1])),
        ({"space_units": ["", "???", "millimeters"]}, np.diag([2.0, 2, 2, 1])),
        (
            {"space_units": ["cm"] * 3, "space_origin": [1.0, 2, 3]},
            [[20, 0, 0, 10], [0, 20, 0, 20], [0, 0, 20, 30], [0, 0, 0, 1]],
        ),
        (
            {"space": None, "space_directions": None, "spacings": [500.0, 1, 2], "units": ["um", "mm", "mm"]},
            np.diag([0.5, 1, 2, 1]),
        ),
        ({"kinds": ["domain", "space", "domain"]}, np.diag([2.0, 2, 2, 1])),
        ({"measurement_frame": np.eye(3)[::-1]}, np.diag([2.0, 2, 2, 1])),
        ({"centerings": ["node", "node", "node"]}, np.diag([2.0, 2, 2, 1])),
    ],
)
def test_places_of_nrrd(tmp_path, fields, affine):
    file = nrrd_of(tmp_path / "a.nrrd", **fields)
    np.testing.assert_allclose(read_header("nrrd", (file,)).affine, affine, atol=1e-12)


@pytest.mark.parametrize(
    ("fields", "value", "cause"),
    [
        *(
            ({"kinds": [kind, "domain", "domain", "domain"]}, kind, cause)
            for kind, cause in [
                ("RGB-color", "colour"), ("RGBA-color", "colour"), ("HSV-color", "colour"), ("XYZ-color", "colour"),
                ("3-color", "colour"), ("4-color", "colour"), ("rgb-COLOR", "colour"), ("complex", "magnitude"),
                ("vector", "vectors"), ("2-vector", "vectors"), ("3-vector", "vectors"), ("4-vector", "vectors"),
                ("covariant-vector", "vectors"), ("normal", "vectors"), ("3-gradient", "vectors"),
                ("3-normal", "vectors"), ("point", "vectors"), ("quaternion", "vectors"), ("2D-matrix", "vectors"),
                ("2D-masked-matrix", "vectors"), ("2D-symmetric-matrix", "vectors"), ("3D-matrix", "vectors"),
                ("3D-masked-symmetric-matrix", "vectors"), ("scalar", "vectors"), ("stub", "vectors"),
                ("something-new", "vectors"),
            ]
        ),
        ({"space": "scanner-xyz"}, "scanner-xyz", "where left"),
        ({"space": "3D-right-handed"}, "3D-right-handed", "where left"),
        ({"space": "left-posterior-superior-time"}, "time", "where left"),
        ({"space_units": ["pixel", "pixel", "pixel"]}, "pixel", "write mm"),
        ({"space_units": ["inch", "inch", "inch"]}, "inch", "write mm"),
        ({"old_min": 0.0, "old_max": 4000.0}, "old min", "quantized"),
        ({"space": None, "space_directions": None}, "no spacings", "spacings"),
        ({"data_file": "voxels.raw"}, "voxels.raw", "another file"),
    ],
)  # fmt: skip
def test_an_nrrd_header_that_cannot_be_meant_is_refused(tmp_path, fields, value, cause):
    data = np.stack([voxels()] * 3) if "kinds" in fields else voxels()
    if "kinds" in fields:
        fields = fields | {"space_directions": np.vstack([np.full(3, np.nan), np.diag([2.0] * 3)])}
    late = {n.replace("_", " "): fields[n] for n in ("old_min", "old_max", "data_file") if n in fields}
    file = nrrd_of(tmp_path / "a.nrrd", data, **{n: v for n, v in fields.items() if n.replace("_", " ") not in late})
    lines = "".join(f"{name}: {text}\n" for name, text in late.items()).encode()
    raw = file.read_bytes()
    file.write_bytes(raw.replace(b"encoding: raw\n", b"encoding: raw\n" + lines, 1))
    with pytest.raises(Refused) as refused:
        read_header("nrrd", (file,))
    assert value.lower() in refused.value.value.lower()
    assert cause in refused.value.cause


def test_axes_of_nrrd_without_kinds_are_not_guessed(tmp_path):
    data = np.stack([voxels()] * 3)
    file = nrrd_of(tmp_path / "a.nrrd", data, space=None, space_directions=None, spacings=[1.0, 2, 2, 2])
    with pytest.raises(Refused, match="write kinds"):
        read_header("nrrd", (file,))
    file = nrrd_of(tmp_path / "b.nrrd", voxels()[..., None], space=None, space_directions=None, spacings=[2.0, 2, 2, 1])
    np.testing.assert_array_equal(read_voxels("nrrd", (file,))[0], voxels())


def test_a_single_sample_on_another_axis_is_no_axis(tmp_path):
    directions = np.vstack([np.full(3, np.nan), np.diag([2.0] * 3)])
    for kind in ("stub", "scalar"):
        file = nrrd_of(tmp_path / "a.nrrd", voxels()[None], space_directions=directions, kinds=[kind, *["domain"] * 3])
        assert read_header("nrrd", (file,)).frames == 1
        np.testing.assert_array_equal(read_voxels("nrrd", (file,))[0], voxels())


@pytest.mark.parametrize("fields", [{"space": None}, {"space": None, "space_directions": None, "spacings": [2.0] * 3}])
def test_nrrd_that_does_not_say_where_left_is_is_used_and_said(tmp_path, fields):
    (note,) = read_header("nrrd", (nrrd_of(tmp_path / "a.nrrd", **fields),)).notes
    assert "taken" in note[1]


def test_frames_that_are_not_used_are_said(tmp_path, make, config):
    make.nifti(tmp_path / "mr" / "bold.nii.gz", np.stack([make.head(seed=s) for s in range(5)], axis=-1))
    (problem,) = scan(config({"mr": {}})).problems
    assert (problem.severity, problem.value) == ("warning", "5 frames")
    assert "set frames: all" in problem.cause
    assert scan(config({"mr": {"frames": "all"}})).problems == ()


def test_another_reading_is_another_volume_in_the_cache(tmp_path, config):
    """A cache filled before units were read holds the same file with other spacing: it must not be found."""
    (tmp_path / "mr").mkdir()
    write(tmp_path / "mr" / "a.nii")
    (plain,) = scan(config({"mr": {}})).domains["mr"].items
    assert plain.finding.content == plain.finding.sha256
    write(tmp_path / "mr" / "a.nii", np.diag([500.0, 500, 500, 1]), setter(xyzt_units=3))
    (other,) = scan(config({"mr": {"spacing": None}})).domains["mr"].items
    assert other.finding.content != other.finding.sha256
    np.testing.assert_allclose(other.finding.spacing, 0.5)


def test_measures_are_the_same_by_distance():
    assert same_direction([0.4999999, 0], [0.5000001, 0])
    assert same_direction([0.0, 1.0], [DIRECTION_TOLERANCE * 0.99, 1.0])
    assert not same_direction([0.0, 1.0], [DIRECTION_TOLERANCE * 1.01, 1.0])
    assert same_spacing([1.00049999], [1.00050001])
    assert not same_spacing([1.0], [1.01])


def test_copies_whose_spacing_differs_in_the_last_digit_are_duplicates(tmp_path, make, config):
    for number, mm in enumerate((1.0004999, 1.0005001)):
        make.nifti(tmp_path / "mr" / f"s{number}.nii", make.head(), spacing=(mm, mm, mm))
    assert len(scan(config({"mr": {}})).duplicates) == 1
