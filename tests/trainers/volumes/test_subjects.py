"""Which ids are one person, which may be, and which are nobody; who is in a path."""

import unicodedata
from pathlib import Path

import pytest

from trainers.config.data import DomainConfig
from trainers.volumes.sources import look_for
from trainers.volumes.subjects import canonical, is_nobody, near, without_sequence

NOBODY = ["ANONYMOUS", "anon", "Anonymized", "ANON000", "", " ", "0", "000", "-", "--", "n/a", "N.A.", "nan", "NULL"]
NOBODY += ["None", "unknown", "x", "XXX", "?", "Anonymous^Anonymous", "NO NAME", "\u200b", "patient", "de-identified"]


@pytest.mark.parametrize("text", NOBODY)
def test_ids_that_stand_for_nobody(text):
    assert is_nobody(text)


@pytest.mark.parametrize("text", ["sub-00", "PAT-000", "ANON001", "unknown-1", "a", "10", "x1", "DOE", "patient0"])
def test_ids_that_stand_for_somebody(text):
    assert not is_nobody(text)


def test_a_zero_in_a_path_numbers_somebody():
    assert not is_nobody("000", zero=False)
    assert is_nobody("ANONYMOUS", zero=False)


@pytest.mark.parametrize(
    "text",
    [
        "sub-07",
        "SUB-07",
        "Sub_07 ",
        "07",
        " 07\t",
        "07.0",
        "07.nii.gz",
        "sub\u201107",
        "\ufeff07",
        "\uff10\uff17",
        "07.NII",
    ],
)
def test_spellings_of_one_id(text):
    assert canonical(text) == "07"


def test_unicode_forms_and_inner_spaces():
    assert canonical(unicodedata.normalize("NFD", "Müller")) == canonical("MÜLLER") == "müller"
    assert canonical("P  7") == canonical("p\u00a07")


@pytest.mark.parametrize("text", ["7", "007", "sub-7", "sub07", "subject_07", "07_t1n", "sub-0007"])
def test_spellings_that_may_be_one_id(text):
    assert near(text) == near("sub-07")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("P-1-11", "P-11-1"),
        ("70", "7"),
        ("7a", "7"),
        ("sub-7", "sub-77"),
        ("1-1", "11"),
        ("s0", "s1"),
        ("spm-pet", "spm-spect"),
    ],
)
def test_ids_of_two_people(one, two):
    assert near(one) != near(two)


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("00001_t1n", "00001"),
        ("00001_t2f", "00001"),
        ("BraTS-GLI-00001-000-t1n", "BraTS-GLI-00001"),
        ("BraTS-GLI-00001-001-t2w", "BraTS-GLI-00001"),
        ("BraTS2021_00000_flair", "BraTS2021_00000"),
        ("BraTS20_Training_001_t1ce", "BraTS20_Training_001"),
        ("IXI002-Guys-0828-PD", "IXI002-Guys-0828"),
        ("p1_ses-2_run-1_acq-fast_T1w", "p1"),
        ("p1_visit2_T1_ce", "p1"),
        ("p1.CT", "p1"),
        ("t1", "t1"),
        ("ct_1", "ct_1"),
        ("site_t1_01", "site_t1_01"),
        ("scan_2", "scan_2"),
        ("img_0001", "img_0001"),
    ],
)
def test_a_person_is_not_a_sequence(text, person):
    assert without_sequence(text) == person


def who(folder: Path, path="d", **rest):
    """(person, rule) by file."""
    found = look_for("d", DomainConfig(path=path, **rest), folder)
    return {source.path.relative_to(folder).as_posix(): (source.person, source.rule) for source in found.sources}


def touch(folder: Path, *names: str):
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


@pytest.mark.parametrize(
    ("file", "person", "rule"),
    [
        ("d/sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", "sub-01", "bids"),
        ("d/SUB-01/anat/x.nii", "SUB-01", "bids"),
        ("d/sub-A-01_T1w.nii", "sub-A-01", "bids"),
        ("d/sub-01-t1.nii", "sub-01", "bids"),
        ("d/sub-müller/x.nii", "sub-müller", "bids"),
        ("d/Task09_Spleen/imagesTr/spleen_2.nii.gz", "spleen_2", "nnunet"),
        ("d/Dataset001_X/imagesTs/la_7_0000.nii.gz", "la_7", "nnunet"),
        ("d/Dataset001_X/imagesVal/la_7_0000.nii.gz", "la_7", "nnunet"),
        ("d/p1/scan.nii", "p1", "folder"),
        ("d/p1_t1/scan.nii", "p1", "folder"),
        ("d/train/p1/scan.nii", "p1", "folder"),
        ("d/train/p1.nii", "p1", "name"),
        ("d/t1/p1.nii", "p1", "name"),
        ("d/images/p1_t1.nii", "p1", "sequence"),
        ("d/ses-1/p1.nii", "p1", "name"),
        ("d/t1.nii", "d", "folder"),
        ("d/00001_t1n.nii.gz", "00001", "sequence"),
        ("d/BraTS-GLI-00001-000/BraTS-GLI-00001-000-t1n.nii.gz", "BraTS-GLI-00001", "folder"),
        ("d/000.nii", "000", "name"),
    ],
)
def test_rules_for_paths(tmp_path, file, person, rule):
    touch(tmp_path, file)
    assert who(tmp_path) == {file: (person, rule)}


def test_the_subject_below_the_given_folder_comes_first(tmp_path):
    touch(tmp_path, "sub-study/sub-02/anat/x.nii", "sub-study/other/sub-03_x.nii")
    assert {p for p, _ in who(tmp_path, "sub-study").values()} == {"sub-02", "sub-03"}
    assert {p for p, _ in who(tmp_path, "sub-study/sub-02/anat").values()} == {"sub-02"}


def test_channels_of_one_case_are_one_subject(tmp_path):
    cases = [f"d/imagesTr/la_{case}_000{channel}.nii.gz" for case in (1, 2) for channel in range(3)]
    touch(tmp_path, *cases, "d/labelsTr/la_1.nii.gz", "d/labelsTr/la_2.nii.gz")
    assert {p for p, _ in who(tmp_path).values()} == {"la_1", "la_2"}
    second_channel = who(tmp_path, "d/imagesTr/*_0001.nii.gz")
    assert {p for p, _ in second_channel.values()} == {"la_1", "la_2"}


def test_four_digits_that_number_cases_are_no_channels(tmp_path):
    touch(tmp_path, *(f"a/imagesTr/liver_{n:04}.nii" for n in range(1, 4)))
    touch(tmp_path, *(f"b/{kind}Tr/liver_{n:04}.nii" for n in range(3) for kind in ("images", "labels")))
    touch(tmp_path, *(f"c/imagesTs/liver_{n:04}.nii" for n in range(20)))
    assert [len({p for p, _ in who(tmp_path, path).values()}) for path in "abc"] == [3, 3, 20]


def test_a_pattern_that_finds_nobody_gives_way_to_the_path(tmp_path):
    touch(tmp_path, "d/ANON_p1.nii", "d/77_p2.nii", "d/000_p3.nii")
    found = who(tmp_path, subject=r"(ANON|\d+)_")
    assert found == {
        "d/ANON_p1.nii": ("ANON_p1", "name"),
        "d/77_p2.nii": ("77", "pattern"),
        "d/000_p3.nii": ("000", "pattern"),
    }
