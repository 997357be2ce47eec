"""Every slice of a DICOM series is looked at, and every attribute that changes its meaning is read or named."""

import math

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from trainers.volumes import scan
from trainers.volumes.readers import read_header, read_voxels
from trainers.volumes.refused import Refused

SHAPE = (12, 10, 6)


def image(make):
    """Whole HU of -50 to 1000."""
    return np.round(np.random.default_rng(0).uniform(-50, 1000, SHAPE)).astype(np.float32)


def only(slice_number, value, other):
    return lambda k: value if k == slice_number else other


def turned(degrees):
    """The plane turned about its rows' axis."""
    a = math.radians(degrees)
    return [1, 0, 0, 0, math.cos(a), math.sin(a)]


def place(k, across=0.0, down=0.0, along=None):
    return [-10.0 + across, -20.0 + down, k * 3.0 if along is None else along]


def item(**fields):
    found = Dataset()
    for name, value in fields.items():
        setattr(found, name, value)
    return Sequence([found])


def read(folder):
    files = tuple(sorted(folder.iterdir()))
    header = read_header("dicom", files)
    return header, read_voxels("dicom", files)[0]


REFUSED = {
    "MONOCHROME1 in CT": ({"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1 in CT", "MONOCHROME2"),
    "MONOCHROME1 in PET": (
        {"Modality": "PT", "PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1 in PT", "MONOCHROME2",
    ),
    "RGB": ({"PhotometricInterpretation": "RGB"}, "RGB", "colour"),
    "YBR": ({"PhotometricInterpretation": "YBR_FULL_422"}, "YBR_FULL_422", "colour"),
    "palette": ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR", "colour"),
    "HSV": ({"PhotometricInterpretation": "HSV"}, "HSV", "colour"),
    "three samples": ({"SamplesPerPixel": 3}, "MONOCHROME2", "colour"),
    "mixed photometric": (
        {"Modality": "MR", "PhotometricInterpretation": only(4, "MONOCHROME1", "MONOCHROME2")},
        "PhotometricInterpretation MONOCHROME1, others MONOCHROME2", "different kinds",
    ),
    "segmentation": ({"Modality": "SEG"}, "Modality SEG", "no image"),
    "dose": ({"Modality": "RTDOSE"}, "Modality RTDOSE", "no image"),
    "report in the folder": ({"Modality": only(2, "SR", "CT")}, "Modality SR", "no image"),
    "key object": ({"Modality": only(0, "KO", "CT")}, "Modality KO", "no image"),
    "presentation state": ({"Modality": only(5, "PR", "CT")}, "Modality PR", "no image"),
    "mixed modalities": ({"Modality": only(1, "MR", "CT")}, "Modality MR, others CT", "different kinds"),
    "localizer": ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "LOCALIZER", "no slice of the volume"),
    "one localizer": (
        {"ImageType": only(3, ["ORIGINAL", "PRIMARY", "LOCALIZER"], ["ORIGINAL", "PRIMARY", "AXIAL"])},
        "LOCALIZER", "no slice of the volume",
    ),
    "mosaic": ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "MOSAIC", "no slice"),
    "one derived": (
        {"ImageType": only(3, ["DERIVED", "SECONDARY"], ["ORIGINAL", "PRIMARY"])},
        r"ImageType DERIVED\SECONDARY, others ORIGINAL\PRIMARY", "different kinds",
    ),
    "table of values": ({"ModalityLUTSequence": item(LUTExplanation="x")}, "ModalityLUTSequence", "table"),
    "no HU": ({"RescaleType": "MGML"}, "RescaleType MGML", "no HU"),
    "electron density": ({"RescaleType": "ED"}, "RescaleType ED", "no HU"),
    "slope 0": ({"RescaleSlope": 0}, "RescaleSlope 0", "no scaling"),
    "one without slope": (
        {"RescaleSlope": only(2, None, 1), "RescaleIntercept": only(2, None, 0)},
        "RescaleSlope none, others given", "do not compare",
    ),
    "real values by slice": (
        {
            "Modality": "MR", "RescaleSlope": None, "RescaleIntercept": None,
            "RealWorldValueMappingSequence": lambda k: item(RealWorldValueSlope=1.0 + k, RealWorldValueIntercept=0.0),
        },
        "RealWorldValueMapping", "real values",
    ),
    "shifted bits": ({"BitsStored": 12, "HighBit": 15}, "BitsStored 12, HighBit 15", "shifted"),
    "more than the bits": ({"BitsStored": 8, "HighBit": 7}, "BitsStored 8", "do not fit the bits"),
    "no cosines": ({"ImageOrientationPatient": [0] * 6}, "ImageOrientationPatient 0 0 0", "cosines"),
    "cosines of length 2": ({"ImageOrientationPatient": [2, 0, 0, 0, 2, 0]}, "ImageOrientationPatient", "cosines"),
    "axes not at right angles": (
        {"ImageOrientationPatient": [1, 0, 0, 0.6, 0.8, 0]}, "ImageOrientationPatient", "cosines",
    ),
    "no pixel spacing": (
        {"PixelSpacing": None, "ImagerPixelSpacing": [2.0, 2.0]}, "no PixelSpacing", "place in space",
    ),
    "pixels of size 0": ({"PixelSpacing": [0, 0]}, "PixelSpacing 0 0", "size of pixels"),
    "other spacing": (
        {"PixelSpacing": only(3, [2.0, 2.6], [2.0, 2.5])}, r"PixelSpacing 2\2.6, others 2\2.5", "differ in the size",
    ),
    "other plane": (
        {"ImageOrientationPatient": only(2, turned(1.0), turned(0.0))}, "ImageOrientationPatient", "planes",
    ),
    "shifted sideways": ({"ImagePositionPatient": only(2, place(2, across=2.0), None)}, "2.00 mm beside", "sideways"),
    "first shifted": ({"ImagePositionPatient": only(0, place(0, down=1.0), None)}, "1.00 mm beside", "sideways"),
    "last shifted": ({"ImagePositionPatient": only(5, place(5, down=-1.0), None)}, "1.00 mm beside", "sideways"),
    "tilted gantry": (
        {"ImagePositionPatient": lambda k: place(k, down=k * 3.0 * math.tan(math.radians(15)))},
        "lean by 15.0 degrees", "gantry",
    ),
    "gap": (
        {"ImagePositionPatient": lambda k: place(k + (k > 3))}, "3.00 to 6.00 mm, the odd one behind", "missing",
    ),
    **{
        f"{part} by {tag}": ({"Modality": "MR", tag: value}, f"slice000.dcm: {part}", "only the magnitude")
        for part, tag, value in [
            ("phase", "ComplexImageComponent", "PHASE"),
            ("imaginary part", "ComplexImageComponent", "IMAGINARY"),
            ("mixed parts", "ComplexImageComponent", "MIXED"),
            ("phase", "ImageType", ["ORIGINAL", "PRIMARY", "P", "ND"]),
            ("phase", "ImageType", ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"]),
            ("imaginary part", "ImageType", ["ORIGINAL", "PRIMARY", "I_FFE", "I", "FFE"]),
        ]
    },
    "some real": (
        {"Modality": "MR", "ImageType": lambda k: ["ORIGINAL", "PRIMARY", "R" if k == 2 else "M"]},
        "part of complex voxels real part, others none", "only the magnitude",
    ),
    "lookup of presentation": (
        {"Modality": "MR", "PresentationLUTShape": "INVERSE"}, "INVERSE, MONOCHROME2", "mend the one",
    ),
    "inverted in two ranges": (
        {
            "Modality": "MR", "PhotometricInterpretation": "MONOCHROME1", "BitsStored": only(3, 12, 16),
            "HighBit": only(3, 11, 15),
        },
        "range of stored values", "inverted differently",
    ),
    "two frames of reference": (
        {"FrameOfReferenceUID": only(3, "1.2.4", "1.2.3")}, "FrameOfReferenceUID 1.2.4, others 1.2.3", "do not compare",
    ),
    "two units": ({"Modality": "PT", "Units": only(3, "CNTS", "BQML")}, "Units CNTS, others BQML", "different kinds"),
    "two patients": ({"PatientID": only(1, "OTHER", "DOE-4711")}, "more than one PatientID", "several patients"),
}  # fmt: skip


def write(make, folder, tags):
    """`None` of a position leaves the place as the writer sets it."""
    tags = dict(tags)
    where = tags.get("ImagePositionPatient")
    if where is not None:
        tags["ImagePositionPatient"] = lambda k: where(k) or place(k)
    return make.dicom(folder, image(make), name="slice", tags=tags)


def in_pairs(make, folder, tags):
    """Two images at each of six places."""
    where = {"ImagePositionPatient": lambda k: place(k // 2), "Modality": "MR"}
    return make.dicom(folder, np.repeat(image(make), 2, axis=2), tags=where | tags)


@pytest.mark.parametrize(
    "tags",
    [
        {"TemporalPositionIdentifier": lambda k: k % 2 + 1},
        {"EchoTime": lambda k: 10 + 20 * (k % 2)},
        {"InstanceNumber": lambda k: k // 2 + 6 * (k % 2), "ImageType": lambda k: ["ORIGINAL", "PRIMARY", "WF"[k % 2]]},
    ],
)
def test_images_at_one_place_are_frames(tmp_path, make, tags):
    assert read(in_pairs(make, tmp_path / "s", tags))[0].frames == 2


@pytest.mark.parametrize(
    ("tags", "value", "cause"),
    [
        ({"InstanceNumber": None}, "at one place", "order is not known"),
        ({"InstanceNumber": 7}, "at one place", "order is not known"),
        (
            {"InstanceNumber": lambda k: k ^ (k // 2 % 2), "EchoTime": lambda k: 10 + 20 * (k % 2)},
            "EchoTime and ImageType", "from slice to slice",
        ),
        (
            {
                "InstanceNumber": lambda k: k ^ (k // 2 % 2),
                "ImageType": lambda k: ["ORIGINAL", "PRIMARY", "WF"[k % 2]],
            },
            "EchoTime and ImageType", "from slice to slice",
        ),
    ],
)  # fmt: skip
def test_images_at_one_place_whose_order_is_not_one_are_refused(tmp_path, make, tags, value, cause):
    with pytest.raises(Refused) as refused:
        read(in_pairs(make, tmp_path / "s", tags))
    assert value in refused.value.value
    assert cause in refused.value.cause


@pytest.mark.parametrize(("code", "part"), [(0, ""), (1, "phase"), (2, "real part"), (3, "imaginary part")])
@pytest.mark.parametrize("implicit", [False, True])
def test_ge_says_the_part_in_a_field_of_its_own(tmp_path, make, code, part, implicit):
    folder = make.dicom(tmp_path / "s", image(make), tags={"Modality": "MR"})
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        data.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", code)
        if implicit:
            data.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        data.save_as(file, implicit_vr=implicit, little_endian=True)
    if part in ("", "real part"):
        assert [note[0] for note in read(folder)[0].notes] == ([part] if part else [])
    else:
        with pytest.raises(Refused, match=part):
            read(folder)


def test_steps_that_change_slowly_are_not_taken_for_even_ones(tmp_path, make):
    """Each step is near the one before, but the middle of the series is where no even step leads."""
    many = np.tile(image(make), 3)
    tags = {"ImagePositionPatient": lambda k: place(k, along=k * 3.0 + 0.008 * k * k)}
    with pytest.raises(Refused, match="from where even steps would put it"):
        read(make.dicom(tmp_path / "s", many, tags=tags))
    tags = {"ImagePositionPatient": lambda k: place(k, along=k * 3.0 + 0.1 * (k % 2))}
    assert read(make.dicom(tmp_path / "t", many, tags=tags))[0].notes == ()


def test_a_frame_of_reference_that_some_slices_lack_is_no_second_one(tmp_path, make):
    folder = make.dicom(tmp_path / "s", image(make), tags={"FrameOfReferenceUID": only(2, "", "1.2.3")})
    assert read(folder)[0].notes == ()


@pytest.mark.parametrize("case", REFUSED)
def test_a_series_that_cannot_be_meant_is_refused(tmp_path, make, case):
    tags, value, cause = REFUSED[case]
    if case == "no pixel spacing":
        tags = {"ImagerPixelSpacing": [2.0, 2.0], "PixelSpacing": None}
    folder = write(make, tmp_path / "s", tags)
    with pytest.raises(Refused) as refused:
        read(folder)
    assert value in refused.value.value
    assert cause in refused.value.cause


def test_the_slice_at_fault_is_named(tmp_path, make):
    order = np.random.default_rng(0).permutation(SHAPE[2])
    for number in range(SHAPE[2]):
        folder = write(make, tmp_path / f"s{number}", {"PixelSpacing": only(number, [2.0, 2.6], [2.0, 2.5])})
        with pytest.raises(Refused, match=f"slice{order[number]:03d}.dcm"):
            read(folder)
        folder = write(make, tmp_path / f"t{number}", {"ImagePositionPatient": only(number, place(number, 3.0), None)})
        with pytest.raises(Refused, match=f"slice{order[number]:03d}.dcm"):
            read(folder)


def test_cosines_and_positions_that_differ_in_the_last_digits_are_one_plane(tmp_path, make):
    tags = {
        "ImageOrientationPatient": lambda k: [0.9999999, 0.0004999 + 2e-7 * (k % 2), 0, -0.0005001, 0.9999999, 0],
        "ImagePositionPatient": lambda k: place(k, across=0.004 * (k % 2), along=k * 3.0 + 0.0051 * (k % 2)),
        "PixelSpacing": lambda k: [2.0, 2.5000004 if k % 2 else 2.4999996],
    }
    header, voxels = read(make.dicom(tmp_path / "s", image(make), tags=tags))
    assert header.shape == SHAPE
    assert header.frames == 1
    np.testing.assert_array_equal(voxels, image(make))


def test_slices_at_one_place_are_found_by_distance(tmp_path, make):
    """Two frames whose positions lie on both sides of a rounding border."""
    tags = {"ImagePositionPatient": lambda k: place(k, along=k // 2 * 3.0 + (0.00501 if k % 2 else 0.00499))}
    header, _ = read(make.dicom(tmp_path / "s", image(make), tags=tags))
    assert (header.shape[2], header.frames) == (3, 2)


def test_monochrome1_is_inverted_within_the_bits_stored(tmp_path, make):
    stored = (image(make) + 50).astype(np.uint16)
    tags = {
        "Modality": "MR", "PhotometricInterpretation": "MONOCHROME1", "PixelRepresentation": 0, "BitsStored": 12,
        "HighBit": 11, "RescaleSlope": 2, "RescaleIntercept": 5,
        "PixelData": lambda k: stored[..., k].T.astype("<u2").tobytes(),
    }  # fmt: skip
    header, voxels = read(make.dicom(tmp_path / "s", image(make), tags=tags))
    np.testing.assert_array_equal(voxels, (4095 - stored.astype(float)) * 2 + 5)
    assert header.reading == "inverted"
    assert header.notes[0][0] == "MONOCHROME1"


def test_monochrome1_with_signed_values(tmp_path, make):
    tags = {"Modality": "MR", "PhotometricInterpretation": "MONOCHROME1", "RescaleIntercept": 0}
    _, voxels = read(make.dicom(tmp_path / "s", image(make), tags=tags))
    np.testing.assert_array_equal(voxels, -1 - (image(make) + 1024))


PADDED = (slice(0, 3), slice(0, 2), 1)


@pytest.mark.parametrize(
    ("tags", "padding", "modality", "filled"),
    [
        ({"PixelPaddingValue": -2000}, -2000, "CT", -1024),
        ({"PixelPaddingValue": -2000}, -2000, "MR", -50),
        ({"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1500}, -1700, "CT", -1024),
        ({"PixelPaddingValue": -1500, "PixelPaddingRangeLimit": -2000}, -2000, "CT", -1024),
    ],
)
def test_padding_is_background(tmp_path, make, tags, padding, modality, filled):
    def pixels(k):
        plane = image(make)[..., k] + 1024
        if k == 1:
            plane[:3, :2] = padding
        return plane.T.astype("<i2").tobytes()

    folder = make.dicom(tmp_path / "s", image(make), tags=tags | {"Modality": modality, "PixelData": pixels})
    header, voxels = read(folder)
    expected = image(make)
    expected[PADDED] = np.nan
    expected[PADDED] = filled if modality == "CT" else np.nanmin(expected)
    np.testing.assert_array_equal(voxels, expected)
    assert header.reading == "padding"


def test_padding_written_with_the_other_sign(tmp_path, make):
    """-2000 as unsigned, which some scanners write although their pixels are signed."""
    folder = make.dicom(tmp_path / "s", image(make))
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        pixels = data.pixel_array.copy()
        pixels[0, 0] = -2000
        data.PixelData = pixels.tobytes()
        data.add_new("PixelPaddingValue", "US", 2**16 - 2000)
        data.save_as(file)
    _, voxels = read(folder)
    assert (voxels[0, 0] == -1024).all()


def test_rescale_by_slice_is_applied(tmp_path, make):
    tags = {"Modality": "PT", "RescaleSlope": lambda k: 1.0 + k, "RescaleIntercept": 0}
    _, voxels = read(make.dicom(tmp_path / "s", image(make), tags=tags))
    np.testing.assert_allclose(voxels, (image(make) + 1024) * (1 + np.arange(SHAPE[2])))


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"ImageType": ["DERIVED", "PRIMARY", "MPR"]}, r"DERIVED\PRIMARY\MPR"),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, "secondary capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture"),
        ({"LossyImageCompression": "01"}, "LossyImageCompression 01"),
        ({"SpacingBetweenSlices": 5.0}, "SpacingBetweenSlices 5, positions 3 mm apart"),
        ({"RescaleSlope": None, "RescaleIntercept": None}, "no RescaleSlope"),
    ],
)
def test_what_is_used_all_the_same_is_said(tmp_path, make, config, tags, said):
    make.dicom(tmp_path / "ct" / "s", np.round(10 * make.head((20, 24, 12))) - 1000, tags=tags)
    found = scan(config({"ct": {"kind": "ct"}}))
    stored = "RescaleSlope" in tags  # with its offset: that is no CT in HU
    assert len(found.domains["ct"].items) == 1 - stored
    problems = [(p.value, p.severity) for p in found.problems]
    assert (said, "warning") in problems
    assert [severity for _, severity in problems if severity != "warning"] == ["quarantined"] * stored
    assert len(problems) == 1 + stored


@pytest.mark.parametrize(
    "tags",
    [{"SpacingBetweenSlices": 3.0}, {"SpacingBetweenSlices": -3.001}, {"GantryDetectorTilt": 0}, {"RescaleType": "HU"}],
)
def test_a_healthy_series_has_no_notes(tmp_path, make, tags):
    header, voxels = read(make.dicom(tmp_path / "s", image(make), tags=tags))
    assert (header.notes, header.reading) == ((), "")
    np.testing.assert_array_equal(voxels, image(make))


@pytest.mark.parametrize(
    ("modality", "kind", "refused"),
    [
        ("CT", "mr", True), ("MR", "ct", True), ("CT", "pet", True), ("US", "mr", True), ("PT", "ct", True),
        ("OT", "ct", True), ("CT", "ct", False), ("MR", "mr", False), ("PT", "pet", False), ("NM", "pet", False),
        ("US", "other", False), ("CT", "other", False),
    ],
)  # fmt: skip
def test_modality_is_held_against_the_kind(tmp_path, make, config, modality, kind, refused):
    head = make.head((20, 24, 12))
    make.dicom(tmp_path / "a" / "s", np.round(10 * head - 1000 if kind == "ct" else head), tags={"Modality": modality})
    found = scan(config({"a": {"kind": kind}}))
    assert bool(found.problems) == refused
    if refused:
        assert found.problems[0].value == f"Modality {modality}, kind {kind}"


def truncate(raw):
    return raw[:-40]


def without_meta(raw):
    return raw[132:]


BROKEN = {
    "cut short": (truncate, "bytes of pixels", "cut short"),
    "cut in the header": (lambda raw: raw[:400], "", "header"),
    "no preamble": (without_meta, "", "no DICOM file"),
    "empty": (lambda raw: b"", "", "no DICOM file"),
    "text": (lambda raw: b"a letter" * 100, "", "no DICOM file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_slice_is_named(tmp_path, make, case):
    harm, value, cause = BROKEN[case]
    folder = make.dicom(tmp_path / "s", image(make))
    file = folder / "x003.dcm"
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(Refused) as refused:
        read(folder)
    assert "x003.dcm" in refused.value.value
    assert value in refused.value.value
    assert cause in refused.value.cause


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGBaseline8Bit, "1.2.3.4.5"])
def test_pixels_that_are_packed_otherwise_than_said_are_refused(tmp_path, make, syntax):
    folder = make.dicom(tmp_path / "s", image(make))
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        data.file_meta.TransferSyntaxUID = syntax
        raw = file.read_bytes().replace(b"1.2.840.10008.1.2.1\0", str(syntax).encode().ljust(20, b"\0")[:20])
        file.write_bytes(raw)
    with pytest.raises(Refused, match="cannot be unpacked") as refused:
        read(folder)
    assert "x000.dcm" in refused.value.value or ".dcm" in refused.value.value


def test_pixels_longer_than_the_header_says(tmp_path, make):
    def longer(k):
        return (image(make)[..., k].T + 1024).astype("<i2").tobytes() + b"\1\2\3\4"

    with pytest.raises(Refused, match="does not fit its pixels"):
        read(make.dicom(tmp_path / "s", image(make), tags={"PixelData": longer}))


def test_the_same_image_twice_is_named(tmp_path, make):
    folder = make.dicom(tmp_path / "s", image(make))
    (folder / "y.dcm").write_bytes((folder / "x002.dcm").read_bytes())
    with pytest.raises(Refused, match=r"x002\.dcm and|and x002\.dcm"):
        read(folder)


def test_a_slice_named_after_the_patient_is_not_shown(tmp_path, make, config):
    tags = {"PixelSpacing": only(2, [2.0, 2.6], [2.0, 2.5])}
    make.dicom(tmp_path / "ct" / "DOE-4711", image(make), name="DOE-4711_jane_", tags=tags)
    (problem,) = scan(config({"ct": {"kind": "ct"}})).problems
    assert "PixelSpacing" in problem.value
    assert not any(secret in problem.line().lower() for secret in ("doe-", "4711", "jane"))
