"""A file is read to its end: what is damaged behind the voxels, or does not fit the header, is refused."""

import bz2
import gzip
import zlib

import nibabel as nib
import nrrd
import numpy as np
import pytest

from trainers.config.data import DomainConfig
from trainers.volumes import BadData, preprocess, scan
from trainers.volumes.packed import read_span
from trainers.volumes.readers import read_voxels
from trainers.volumes.refused import Refused

KEEP = DomainConfig(path="x", kind="mr", spacing=None)
SHAPE = (20, 22, 24)
NRRD_HEAD = (
    "NRRD0004\ntype: float\ndimension: 3\nspace: right-anterior-superior\nsizes: 20 22 24\n"
    "space directions: (2,0,0) (0,2,0) (0,0,2)\nendian: little\nencoding: {}\n{}\n"
)


def stored(make, seed=0):
    return np.asarray(make.head(SHAPE, seed=seed), "<f4").tobytes(order="F")


def content(tmp_path, make, ending):
    """The bytes of a healthy file, before they are packed."""
    if ending.startswith(".nii"):
        return make.nifti(tmp_path / "plain.nii", make.head(SHAPE)).read_bytes()
    return make.mgz(tmp_path / "plain.mgh", make.head(SHAPE)).read_bytes()


def spoil_stream(raw, harm):
    """Gzip that has been harmed."""
    packed = gzip.compress(raw, mtime=0)
    half = gzip.compress(raw[: len(raw) // 2], mtime=0) + gzip.compress(raw[len(raw) // 2 :], mtime=0)
    return {
        "checksum": packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        "length": packed[:-4] + bytes([packed[-4] ^ 1]) + packed[-3:],
        "no checksum": packed[:-8],
        "half a checksum": packed[:-3],
        "garbage behind": packed + b"abc",
        "much garbage behind": packed + b"\0" * 5 + b"abc" * 400_000,
        "second stream damaged": half[:-8] + bytes([half[-8] ^ 1]) + half[-7:],
        "second stream cut": half[:-30],
        "flipped bit": packed[: len(packed) // 2]
        + bytes([packed[len(packed) // 2] ^ 16])
        + packed[len(packed) // 2 + 1 :],
        "empty": b"",
    }[harm]


HARMS = (
    "checksum", "length", "no checksum", "half a checksum", "garbage behind", "much garbage behind",
    "second stream damaged", "second stream cut", "flipped bit", "empty",
)  # fmt: skip


@pytest.mark.parametrize("ending", [".nii.gz", ".mgz"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_gzip_stream_is_refused(tmp_path, make, ending, harm):
    (tmp_path / f"a{ending}").write_bytes(spoil_stream(content(tmp_path, make, ending), harm))
    with pytest.raises(BadData, match=r"fetch (or convert )?it again|is the ending right"):
        preprocess(tmp_path / f"a{ending}", KEEP)


@pytest.mark.parametrize("ending", [".nii.gz", ".mgz"])
def test_what_gzip_allows_is_read(tmp_path, make, ending):
    raw = content(tmp_path, make, ending)
    kind = "nifti" if ending == ".nii.gz" else "mgz"
    parts = b"".join(gzip.compress(raw[n : n + 30_000]) for n in range(0, len(raw), 30_000))
    for packed in (gzip.compress(raw), parts, gzip.compress(raw) + b"\0" * 700, raw):
        (tmp_path / f"a{ending}").write_bytes(packed)
        np.testing.assert_array_equal(read_voxels(kind, (tmp_path / f"a{ending}",))[0], make.head(SHAPE))


@pytest.mark.parametrize("harm", ["checksum", "no checksum", "garbage behind"])
def test_damage_behind_the_frame_that_is_used_counts_too(tmp_path, make, config, harm):
    frames = np.stack([make.head(SHAPE, seed=s) for s in range(3)], axis=-1)
    raw = make.nifti(tmp_path / "plain.nii", frames).read_bytes()
    (tmp_path / "mr").mkdir()
    (tmp_path / "mr" / "a.nii.gz").write_bytes(spoil_stream(raw, harm))
    for asked in ("first", "all"):
        found = scan(config({"mr": {"frames": asked}}))
        assert not found.domains["mr"].items
        assert found.problems[0].severity == "quarantined"


@pytest.mark.parametrize("packing", ["", ".gz"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw[:-1], "cut short"),
        (lambda raw: raw[: len(raw) // 2], "cut short"),
        (lambda raw: raw + b"\1", "does not fit its data"),
        (lambda raw: raw + b"\0" * 5000, "does not fit its data"),
        (lambda raw: raw + raw[400:], "does not fit its data"),
    ],
)
def test_content_must_be_as_long_as_the_header_says(tmp_path, make, packing, change, said):
    raw = change(content(tmp_path, make, ".nii"))
    (tmp_path / f"a.nii{packing}").write_bytes(gzip.compress(raw) if packing else raw)
    with pytest.raises(BadData, match=said):
        preprocess(tmp_path / f"a.nii{packing}", KEEP)


@pytest.mark.parametrize("packing", ["", ".gz"])
def test_a_block_filled_up_with_zeros_is_no_damage(tmp_path, make, packing):
    raw = content(tmp_path, make, ".nii") + b"\0" * 512
    (tmp_path / f"a.nii{packing}").write_bytes(gzip.compress(raw) if packing else raw)
    np.testing.assert_array_equal(read_voxels("nifti", (tmp_path / f"a.nii{packing}",))[0], make.head(SHAPE))


def nrrd_file(tmp_path, encoding, data, fields=""):
    (tmp_path / "a.nrrd").write_bytes(NRRD_HEAD.format(encoding, fields).encode() + data)
    return tmp_path / "a.nrrd"


@pytest.mark.parametrize(
    ("encoding", "pack", "fields"),
    [
        ("raw", bytes, ""),
        ("gzip", gzip.compress, ""),
        ("bzip2", bz2.compress, ""),
        ("bz2", lambda raw: bz2.compress(raw[:9000]) + bz2.compress(raw[9000:]), ""),
        ("raw", lambda raw: b"12345" + raw, "byte skip: 5\n"),
        ("raw", lambda raw: b"12345" + raw, "byte skip: -1\n"),
        ("gzip", lambda raw: gzip.compress(b"12345" + raw), "byte skip: -1\n"),
        ("raw", lambda raw: b"one\ntwo\n" + raw, "line skip: 2\n"),
        ("ascii", lambda raw: " ".join(map(repr, np.frombuffer(raw, "<f4").tolist())).encode(), ""),
    ],
)
def test_encodings_of_nrrd(tmp_path, make, encoding, pack, fields):
    file = nrrd_file(tmp_path, encoding, pack(stored(make)), fields)
    np.testing.assert_array_equal(read_voxels("nrrd", (file,))[0], make.head(SHAPE))


@pytest.mark.parametrize(
    ("encoding", "data", "said"),
    [
        ("gzip", lambda raw: spoil_stream(raw, "checksum"), "damaged"),
        ("gzip", lambda raw: spoil_stream(raw, "no checksum"), "cut short"),
        ("gzip", lambda raw: spoil_stream(raw, "garbage behind"), "appended"),
        ("gzip", lambda raw: gzip.compress(raw[:-4]), "cut short"),
        ("gzip", lambda raw: gzip.compress(raw + b"1234"), "does not fit"),
        ("gzip", zlib.compress, "damaged"),
        ("bzip2", lambda raw: bz2.compress(raw)[:-4], "cut short"),
        ("bzip2", lambda raw: bz2.compress(raw)[:-4] + b"1234", "damaged"),
        ("bzip2", lambda raw: bz2.compress(raw) + b"1234", "appended"),
        ("raw", lambda raw: raw[:-1], "cut short"),
        ("raw", lambda raw: raw + b"1", "does not fit"),
        ("ascii", lambda raw: b"1 2 3", "cut short"),
        ("ascii", lambda raw: b"1 2 x " + b"1 " * (20 * 22 * 24 - 3), "damaged"),
        ("hex", lambda raw: raw.hex().encode(), "packed in a way that is not read"),
        ("zrl", bytes, "packed in a way that is not read"),
    ],
)
def test_damaged_nrrd_is_refused(tmp_path, make, encoding, data, said):
    file = nrrd_file(tmp_path, encoding, data(stored(make)))
    with pytest.raises(Refused) as refused:
        read_voxels("nrrd", (file,))
    assert said in refused.value.cause


def test_values_are_those_that_the_libraries_read(tmp_path, make):
    """Bit for bit, scaled integers of either byte order included, so that caches stay good."""
    for big in (False, True):
        image = nib.Nifti1Image(make.head(SHAPE), np.eye(4), nib.Nifti1Header(endianness=">" if big else "<"))
        image.header.set_data_dtype(np.int16)
        nib.save(image, tmp_path / "a.nii.gz")
        plain = np.asarray(nib.load(tmp_path / "a.nii.gz").dataobj, dtype=np.float32)
        np.testing.assert_array_equal(read_voxels("nifti", (tmp_path / "a.nii.gz",))[0], plain)
    nib.save(nib.Nifti2Image(make.head(SHAPE), np.eye(4)), tmp_path / "b.nii")
    np.testing.assert_array_equal(read_voxels("nifti", (tmp_path / "b.nii",))[0], make.head(SHAPE))
    nrrd.write(str(tmp_path / "c.nrrd"), make.head(SHAPE))
    np.testing.assert_array_equal(nrrd.read(str(tmp_path / "c.nrrd"))[0], make.head(SHAPE))


def test_a_span_of_a_stream_of_many_parts(tmp_path):
    raw = np.random.default_rng(0).integers(0, 255, 3_000_000, dtype=np.uint8).tobytes()
    for packed in (raw, gzip.compress(raw, 1), bz2.compress(raw, 1)):
        (tmp_path / "x").write_bytes(packed)
        for start, length in ((0, 10), (1_048_570, 20), (2_999_990, 10), (5, 2_500_000)):
            for whole in (True, False):
                assert read_span(tmp_path / "x", start, length, len(raw), whole=whole) == raw[start : start + length]
