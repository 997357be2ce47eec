"""Every file is found once, whatever links, signs and systems make of its name; what is passed over is counted."""

import glob
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trainers.config.data import DomainConfig
from trainers.volumes import BadData
from trainers.volumes.sources import look_for

DICOM = b"\0" * 128 + b"DICM"


@pytest.fixture
def touch(tmp_path):
    def write(*names, content=b"x"):
        for name in names:
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    return write


@pytest.fixture
def look(tmp_path):
    return lambda path="d", **rest: look_for("d", DomainConfig(path=path, **rest), tmp_path)


@pytest.fixture
def names(tmp_path, look):
    """Paths of the sources, relative to the root."""
    return lambda *a, **k: [s.path.relative_to(tmp_path).as_posix() for s in look(*a, **k).sources]


def warning(found, kind):
    (problem,) = [p for p in found.warnings if p.file == f"({kind})"]
    return problem


def test_linked_folders_and_files_are_followed(tmp_path, touch, look, names):
    touch("store/p1/a.nii", "store/p2/a.nii", "d/p0/a.nii", "store/file.nii")
    for n in (1, 2):
        (tmp_path / f"d/p{n}").symlink_to(tmp_path / f"store/p{n}")
    (tmp_path / "d/p3.nii").symlink_to("../store/file.nii")
    assert names() == ["d/p0/a.nii", "d/p1/a.nii", "d/p2/a.nii", "d/p3.nii"]
    assert {s.person for s in look().sources} == {"p0", "p1", "p2", "p3"}


def test_loops_end_and_the_name_that_is_no_link_wins(tmp_path, touch, look):
    touch("d/p1/a.nii", "d/p2/b.nii")
    (tmp_path / "d/p1/up").symlink_to(tmp_path / "d")
    (tmp_path / "d/p1/self").symlink_to("self")
    (tmp_path / "d/a_link").symlink_to("p2")
    (tmp_path / "d/p2/over").symlink_to("../p1")
    found = look()
    assert [(s.path.name, s.person) for s in found.sources if not s.fault] == [("a.nii", "p1"), ("b.nii", "p2")]
    assert [s.path.name for s in found.sources if s.fault] == ["self"]
    assert "links to folders that were seen already: 3" in found.notes


@pytest.mark.parametrize("path", ["d", "d/**", "d/**/*.nii", "d/**/deep/*.nii", "**/*.nii"])
def test_links_in_circles_end_for_patterns_too(tmp_path, touch, names, path):
    touch("d/p1/deep/a.nii", "d/p2/deep/b.nii")
    for one in ("p1", "p2"):
        for two in ("p1", "p2", "."):
            (tmp_path / "d" / one / f"to_{two.strip('.') or 'all'}").symlink_to(tmp_path / "d" / two)
            (tmp_path / "d" / one / "deep" / f"up_{two.strip('.') or 'all'}").symlink_to(tmp_path / "d" / two)
    assert names(path) == ["d/p1/deep/a.nii", "d/p2/deep/b.nii"]


PATTERNS = ["d/**/*.nii", "d/**/a.nii", "**/b*/*.nii", "d/**/c/**/*.nii", "d/*/**/*.nii", "d/**/c", "d/**"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_for_any_depth_mean_what_they_mean_elsewhere(tmp_path, touch, names, pattern):
    touch("d/a.nii", "d/b/a.nii", "d/b/c/a.nii", "d/b/c/e/f.nii", "d/.h/a.nii")
    expected = {tmp_path / found for found in glob.glob(pattern, root_dir=tmp_path, recursive=True)}
    files = {f for f in tmp_path.rglob("*.nii") if ".h" not in f.parts and ({f, *f.parents} & expected)}
    assert names(pattern) == sorted(f.relative_to(tmp_path).as_posix() for f in files)


def test_one_file_by_two_names_is_used_once(tmp_path, touch, look):
    touch("d/p2/a.nii")
    (tmp_path / "d/p1").mkdir()
    (tmp_path / "d/p1/a.nii").symlink_to("../p2/a.nii")
    (tmp_path / "d/p3").mkdir()
    os.link(tmp_path / "d/p2/a.nii", tmp_path / "d/p3/a.nii")
    found = look()
    assert [s.person for s in found.sources] == ["p2"]
    assert "2 files" in warning(found, "links").value
    assert str(tmp_path) not in warning(found, "links").line()


def test_where_every_name_is_a_link_all_persons_are_one(tmp_path, touch, look):
    touch("d/.git/annex/K.nii")
    for n in (1, 2):
        (tmp_path / f"d/sub-{n}").mkdir()
        (tmp_path / f"d/sub-{n}/T1w.nii").symlink_to("../.git/annex/K.nii")
    (source,) = look().sources
    assert (source.person, source.also) == ("sub-1", ("sub-2",))


def test_overlapping_paths_give_each_file_once(touch, names):
    touch("d/p1/a.nii", "d/p1/b.nii")
    assert names(["d", "d/p1", "d/*/a.nii", "d/p1/b.nii"]) == ["d/p1/a.nii", "d/p1/b.nii"]


HIDDEN = [
    ".git",
    ".svn",
    ".ipynb_checkpoints",
    "__MACOSX",
    "@eaDir",
    ".snapshot",
    "lost+found",
    ".Trash-0",
    "$RECYCLE.BIN",
]


@pytest.mark.parametrize("folder", HIDDEN)
@pytest.mark.parametrize("path", ["d", "d/*", "d/**/*.nii"])
def test_hidden_folders_are_left_out_and_counted(touch, look, names, folder, path):
    touch("d/a.nii", f"d/{folder}/deep/b.nii", f"d/{folder}/c.nii", "d/._a.nii")
    assert names(path) == ["d/a.nii"]
    if path == "d":
        assert look().notes == ("volumes in hidden or system folders left out: 3",)


def test_a_hidden_folder_that_is_named_is_read(touch, names):
    touch(".store/a.nii")
    assert names(".store") == names(".store/*") == [".store/a.nii"]


@pytest.mark.parametrize("root", ["data[1]", "a*b", "why?", "[x]*"])
def test_signs_in_the_root_are_no_patterns(tmp_path, touch, root):
    touch(f"{root}/mr/a.nii", "data1/mr/wrong.nii", "aXb/mr/wrong.nii", "whyX/mr/wrong.nii", "x1/mr/wrong.nii")
    for path in ("mr", "mr/*.nii", "**/a.nii", str(tmp_path / root / "mr")):
        found = look_for("d", DomainConfig(path=path), tmp_path / root)
        assert [s.path for s in found.sources] == [tmp_path / root / "mr" / "a.nii"]


NFC, NFD = "m\u00fcller", "mu\u0308ller"


@pytest.mark.parametrize(("stored", "written"), [(NFC, NFD), (NFD, NFC)])
def test_a_name_in_another_unicode_form_is_that_name(tmp_path, touch, names, stored, written):
    touch(f"d {stored}/{stored}.nii", f"d {stored}/x.nii")
    (tmp_path / "list.csv").write_text(f"path,subject\nd {written}/{written}.nii,1\n")
    everything = [f"d {stored}/{stored}.nii", f"d {stored}/x.nii"]
    assert sorted(names(f"d {written}")) == sorted(names(f"d {written}/*.nii")) == sorted(everything)
    assert names(f"d {written}/{written}.nii") == names("list.csv") == everything[:1]
    assert names(f"d {written}", exclude=f"{written}*") == everything[1:]


def test_of_two_names_that_differ_in_unicode_form_alone_the_written_one_is_meant(touch, names):
    touch(f"d/{NFC}.nii", f"d/{NFD}.nii")
    assert names(f"d/{NFC}.nii") == [f"d/{NFC}.nii"]
    assert names(f"d/{NFD}.nii") == [f"d/{NFD}.nii"]


@pytest.mark.parametrize("path", ["d", "d/*", "d/**/*.nii"])
def test_names_that_are_no_text_are_named(tmp_path, touch, look, path):
    touch("d/a.nii", "d/note.txt")
    folder = os.fsencode(tmp_path / "d")
    os.mkdir(folder + b"/p\xe9")
    for name in (b"bad\xff.nii", b"bad\xff.txt", b"p\xe9/b.nii"):
        with open(folder + b"/" + name, "wb") as file:
            file.write(b"x")
    found = look(path)
    faults = [s for s in found.sources if s.fault]
    assert [s.path.name for s in found.sources if not s.fault] == ["a.nii"]
    assert {s.fault for s in faults} == {"its name is not UTF-8; rename it"}
    assert [s.path.as_posix().partition("/d/")[2][:7] for s in faults] in (
        ["bad\\xff", "p\\xe9"],
        ["bad\\xff", "p\\xe9/b"],
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("$NOT_SET_HERE/d", "the environment variable NOT_SET_HERE is not set"),
        ("${NOT_SET_HERE}/d/*.nii", "the environment variable NOT_SET_HERE is not set"),
        ("~nobody-of-that-name/d", "the home folder ~nobody-of-that-name is not known here"),
        ("~nobody-of-that-name/d/*.nii", "the home folder ~nobody-of-that-name is not known here"),
        ("s3://bucket/d", "s3:// begins an address, not a path"),
        ("https://host/d/*.nii", "https:// begins an address, not a path"),
        ("e/d", "mend `path`"),
    ],
)
def test_what_a_path_cannot_be_filled_in_with_is_said(touch, look, path, words):
    touch("d/a.nii")
    with pytest.raises(BadData, match=re.escape(words)):
        look(path)


def test_a_dollar_in_a_folder_that_is_there_is_a_sign(touch, names):
    touch("$NOT_SET_HERE/a.nii", "~b/a.nii")
    assert names("$NOT_SET_HERE") == ["$NOT_SET_HERE/a.nii"]
    assert names("~b") == ["~b/a.nii"]


def test_what_exists_as_written_is_no_pattern(tmp_path, touch, names, monkeypatch):
    touch("s[12]/a.nii", "s1/b.nii", "s2/c.nii", "x[1].nii", "x1.nii", "$odd/a.nii")
    assert names("s[12]") == names("s[12]/*.nii") == ["s[12]/a.nii"]
    assert names("x[1].nii") == ["x[1].nii"]
    assert names("[st][12]/*.nii") == ["s1/b.nii", "s2/c.nii"]
    monkeypatch.setenv("DISK", str(tmp_path / "s[12]"))
    assert names("$DISK/*.nii") == names("${DISK}/*") == ["s[12]/a.nii"]
    monkeypatch.setenv("HOME", str(tmp_path / "s[12]"))
    assert names("~/*.nii") == ["s[12]/a.nii"]


def test_what_is_passed_over_is_counted_by_ending(touch, look):
    touch(*(f"d/{n}.txt" for n in range(12)), *(f"d/{n}.npy" for n in range(3)), "d/x.JSON", "d/README", "d/a.nii")
    touch(*(f"d/deep/{n}.mha" for n in range(40)), "d/scan.DOE_JANE", "d/b.nii.gz.tmp")
    found = look()
    assert found.notes == (
        "files of other kinds passed over: .txt: 12, .json: 1, .tmp: 1, no ending: 1, other endings: 1",
    )
    problem = warning(found, "passed over")
    assert problem.value == ".mha: 40, .npy: 3"
    assert "convert them to NIfTI" in problem.cause


@pytest.mark.parametrize("ending", [".mha", ".mhd", ".img", ".hdr", ".nhdr", ".b2nd", ".npz", ".mnc", ".tif", ".gipl"])
def test_nothing_but_formats_that_are_not_read(touch, look, ending):
    touch(f"d/a{ending}", f"d/b{ending.upper()}")
    for path in ("d", "d/*", f"d/*{ending}"):
        with pytest.raises(BadData, match=rf"no volume in .*passed over \{ending}: [12]"):
            look(path)


def test_the_cache_is_no_data(tmp_path, touch):
    touch("a.nii", "isthmus-cache/b.nii", "isthmus-cache/x.npy")
    found = look_for("d", DomainConfig(path="."), tmp_path, tmp_path / "isthmus-cache")
    assert [s.path.name for s in found.sources] == ["a.nii"]
    assert not found.notes + found.warnings


def test_links_that_lead_nowhere_are_named(tmp_path, touch, look):
    touch("d/a.nii")
    for name in ("b.nii.gz", "p3", "notes.txt", "scan.dcm"):
        (tmp_path / "d" / name).symlink_to("gone")
    faults = {s.path.name: s.fault for s in look().sources if s.fault}
    assert set(faults) == {"b.nii.gz", "p3", "scan.dcm"}
    assert all("leads nowhere" in fault for fault in faults.values())
    assert [s.path.name for s in look("d/*").sources if s.fault] == ["b.nii.gz", "p3", "scan.dcm"]


@contextmanager
def as_somebody_else(folder: Path) -> Iterator[None]:
    """Without root's rights, which no mode stops; what lies above `folder` may be walked through meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    above = [one for one in (folder, *folder.parents) if one.stat().st_uid == 0 and not one.stat().st_mode & 0o001]
    modes = {one: stat.S_IMODE(one.stat().st_mode) for one in above}
    for one, mode in modes.items():
        one.chmod(mode | 0o055)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for one, mode in modes.items():
            one.chmod(mode)


def test_folders_that_cannot_be_read_are_named(touch, look, tmp_path):
    touch("d/a.nii", "d/secret/b.nii")
    (tmp_path / "d/secret").chmod(0)
    with as_somebody_else(tmp_path):
        found = look()
    (tmp_path / "d/secret").chmod(0o755)
    (fault,) = [s.fault for s in found.sources if s.fault]
    assert "cannot be read (Permission denied)" in fault


def test_what_is_no_file_never_blocks(tmp_path, touch, look):
    touch("d/a.nii", "d/c.nii.gz/c.nii")
    os.mkfifo(tmp_path / "d/pipe.nii")
    os.mkfifo(tmp_path / "d/bare")
    (tmp_path / "d/empty.nii.gz").mkdir()
    with socket.socket(socket.AF_UNIX) as door:
        os.chdir(tmp_path)
        door.bind("d/door.dcm")
    for path in ("d", "d/*", ["d/pipe.nii", "d/door.dcm", "d/bare", "d"]):
        faults = {s.path.name: s.fault for s in look(path).sources}
        assert faults.pop("a.nii") == faults.pop("c.nii") == ""
        assert "a named pipe" in faults["pipe.nii"]
        assert "a socket" in faults["door.dcm"]
        assert "name of a volume and no volume in it" in faults["empty.nii.gz"]


def test_endings_in_upper_case(touch, look):
    touch("d/A.NII.GZ", "d/B.Nii", "d/C.NRRD", "d/D.MGZ", "d/s/E.DCM", "d/s/F.IMA")
    found = look().sources
    assert [(s.path.name, s.format, len(s.files)) for s in found] == [
        ("A.NII.GZ", "nifti", 1),
        ("B.Nii", "nifti", 1),
        ("C.NRRD", "nrrd", 1),
        ("D.MGZ", "mgz", 1),
        ("s", "dicom", 2),
    ]


def test_slices_that_a_pattern_matches_are_one_series(touch, look):
    touch("d/p1/1.dcm", "d/p1/2.dcm", "d/p2/1", "d/p2/2", content=DICOM)
    found = look(["d/p1/*.dcm", "d/p2/*"]).sources
    assert [(s.path.name, len(s.files), s.person) for s in found] == [("p1", 2, "p1"), ("p2", 2, "p2")]


def test_folders_of_series_are_told_apart_by_their_whole_name(touch, look):
    touch("d/1.2.840.1/a.dcm", "d/1.2.840.2/a.dcm", content=DICOM)
    assert {s.person for s in look().sources} == {"1.2.840.1", "1.2.840.2"}


LAYOUTS = [
    ("Task09_Spleen/imagesTr", "Task09_Spleen/labelsTr"),
    ("Dataset001_X/imagesTs", "Dataset001_X/labelsTs"),
    ("deep/down/imagesVal", "deep/down/labelsVal"),
    ("a/imagesTr", "a/labelsTr_old"),
    ("images", "labels"),
    ("Images", "Masks"),
    ("s0001", "s0001/segmentations"),
    ("scans", "ground_truth"),
    ("ct", "labels"),
    ("CT_venous", "Segmentations"),
    ("TrainImage", "TrainMask"),
    ("train_images", "train_labels"),
    ("images_test", "gt-test"),
    ("validation images", "validation segmentations"),
]


@pytest.mark.parametrize(("images", "labels"), LAYOUTS)
@pytest.mark.parametrize("path", ["d", "d/**/*.nii", "d/*"])
def test_label_folders_beside_images_are_left_out_and_said(touch, look, images, labels, path):
    touch(f"d/{images}/one.nii", f"d/{labels}/one.nii", f"d/{labels}/deeper/two.nii")
    found = look(path)
    assert [s.path.as_posix().partition("/d/")[2] for s in found.sources] == [f"{images}/one.nii"]
    problem = warning(found, "label folders")
    assert problem.value == "2 files"
    assert labels.rpartition("/")[2] in problem.cause
    assert f"d/{labels}" in problem.line(local=True)


def test_the_whole_decathlon_folder(touch, look):
    touch(*(f"d/imagesTr/case_{n}.nii.gz" for n in range(3)), *(f"d/labelsTr/case_{n}.nii.gz" for n in range(3)))
    touch(*(f"d/imagesTs/case_{n}.nii.gz" for n in range(3, 5)), "d/dataset.json")
    found = look()
    assert [s.person for s in found.sources] == [f"case_{n}" for n in range(5)]
    assert {s.rule for s in found.sources} == {"nnunet"}
    assert warning(found, "label folders").value == "3 files"


def test_a_label_folder_that_is_named_is_read_with_a_warning(touch, look):
    touch("d/imagesTr/a.nii", "d/labelsTr/a.nii")
    touch("alone/labelsTs/a.nii")
    for path in ("d/labelsTr", "d/labelsTr/*.nii", "alone/labelsTs"):
        found = look(path)
        assert [s.like_label for s in found.sources] == [True]
        assert "add them to exclude" in warning(found, "label names").cause


LIKE = [
    "p1_seg.nii.gz",
    "p1_mask.nii",
    "p1-label.nrrd",
    "p1_dseg.nii",
    "aseg.mgz",
    "aparc+aseg.mgz",
    "p1/mask.nii",
    "segmentation-0.nii",
]
UNLIKE = ["p1.nii", "masked.nii", "p1_masked.nii", "segment7.nii", "labelle.nii", "brainmask_t1.nii"]


def test_names_of_label_maps_are_warned_of(touch, look):
    touch(*(f"d/{name}" for name in LIKE + UNLIKE), "d/derivatives/x/p1.nii", "d/old_labels/x.nii")
    found = look()
    assert warning(found, "label names").value == f"{len(LIKE) + 2} files"
    assert not any(
        s.like_label
        for s in look(
            exclude=[
                "*_seg*",
                "segmentation-*",
                "*mask.*",
                "*label.*",
                "*dseg*",
                "*aseg*",
                "derivatives/*",
                "old_labels",
            ]
        ).sources
    )


def test_a_folder_called_after_a_task_is_no_label_folder(touch, look):
    touch("brain_segmentation/imagesTr/a.nii", "brain_segmentation/imagesTr/b.nii", "masks/a.nii", "masks/p1/b.nii")
    for path in ("brain_segmentation", ".", "masks"):
        assert sum(s.like_label for s in look(path).sources) == {".": 2}.get(path, 0)


@pytest.mark.parametrize(
    "pattern", ["*_seg*", "labels/*", "d/labels/*", "labels", "labels/", "./d/labels/*", "*/labels/*"]
)
def test_exclude_patterns(touch, look, pattern):
    touch("d/a.nii", "d/labels/a_seg.nii")
    found = look(exclude=[pattern, "*.no"])
    assert [s.path.name for s in found.sources] == ["a.nii"]
    problem = warning(found, "exclude")
    assert "matches nothing" in problem.cause
    assert "'*.no'" in problem.line(local=True)
    assert "*.no" not in problem.line()


def test_exclude_says_nothing_of_the_folder_that_was_given(touch, names):
    touch("my_seg_project/mr/a.nii", "my_seg_project/mr/b_seg.nii", "my_seg_project/mr/c_seg/c.nii")
    for path in ("my_seg_project", "my_seg_project/mr/**/*.nii"):
        assert names(path, exclude="*_seg*") == ["my_seg_project/mr/a.nii"]


def test_all_excluded_says_how_many(touch, look):
    touch("d/a.nii", "d/b.nii")
    with pytest.raises(BadData, match=r"no volume in 'd' .*left out by exclude: 2"):
        look(exclude="*.nii")


def write_table(folder, text, encoding="utf-8", name="t.csv"):
    (folder / name).write_bytes(text.encode(encoding))


TABLES = [
    ("path,subject\na.nii,p1\nsub dir/b.nii,p2\n", "utf-8"),
    ("path,subject\r\na.nii,p1\r\nsub dir/b.nii,p2\r\n", "utf-8-sig"),
    ("path;subject\na.nii;p1\nsub dir\\b.nii;p2\n", "utf-8"),
    ("Path\tSUBJECT \na.nii\tp1\nsub dir/b.nii\tp2\n", "utf-16"),
    ("sep=;\npath;subject\na.nii;p1\n;;\n\nsub dir/b.nii;p2\n", "utf-8"),
    ('subject,path,site\np1," a.nii ","x, y"\np2,"sub dir/b.nii",\n', "utf-8"),
    ("path,subject\na.nii,p1\na.nii,p1\n$HOME/sub dir/b.nii,p2\n", "utf-8"),
    ("path,subject\n./a.nii,p1\n~/sub dir/b.nii,p2,,\n", "utf-8"),
]


@pytest.mark.parametrize(("text", "encoding"), TABLES)
def test_tables_as_spreadsheets_write_them(tmp_path, touch, look, monkeypatch, text, encoding):
    touch("a.nii", "sub dir/b.nii")
    monkeypatch.setenv("HOME", str(tmp_path))
    write_table(tmp_path, text, encoding)
    found = [(s.path.relative_to(tmp_path).as_posix(), s.person, s.fault, s.held_out) for s in look("t.csv").sources]
    assert found == [("a.nii", "p1", "", None), ("sub dir/b.nii", "p2", "", None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,subject\nMüller.nii,p1\n".encode("latin-1"), "is not UTF-8 .byte 0xfc in line 2, column 2"),
        (b"path,subject\nDoe, Jane.nii,p1\n", "line 2 has 3 cells for 2 columns; quote"),
        (b"path,subject,held_out\na.nii,p1,true\na.nii,p1,false\n", "lines 2 and 3 .* same file with another held_out"),
        (b"path,subject\na.nii,p1\n./a.nii,p2\n", "lines 2 and 3 .* same file with another subject"),
        (b"path,subject,subject\na.nii,p1,p2\n", "the column subject 2 times"),
        (b"path,subject\na.nii,ANONYMOUS\nb.nii,p1\nc.nii,0\n", "line 2, 4 of .* stands for nobody"),
        (b"path,subject\na.nii,\n", "line 2 of .* lacks"),
        (b"", "has the columns none"),
        (b"path,subject\n", "no volume in"),
    ],
)
def test_tables_that_are_refused(tmp_path, touch, look, text, message):
    touch("a.nii")
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(BadData, match=message):
        look("t.csv")


def test_rows_that_say_the_same_again_are_counted(touch, look, tmp_path):
    touch("a.nii", "b.nii")
    write_table(tmp_path, "path,subject\na.nii,p1\nb.nii,p2\n./a.nii,p1\n")
    assert look("t.csv").notes == ("rows of tables that say the same again: 1",)


def test_a_row_may_name_a_folder_with_one_series(touch, look, tmp_path):
    touch("s/1.dcm", "s/2.dcm", "two/a.nii", "two/b.nii", content=DICOM)
    write_table(tmp_path, "path,subject,held_out\ns,p1,\ntwo,p2,yes\ngone,p3,no\n")
    found = {s.path.name: (s.format, s.fault, s.held_out) for s in look("t.csv").sources}
    assert found == {
        "s": ("dicom", "", None),
        "two": ("", "the folder holds 2 volumes; name one in each line", True),
        "gone": ("", "there is no such file", False),
    }
