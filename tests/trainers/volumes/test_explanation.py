"""What goes wrong while a file is read is said with the cure, and what may pass is not remembered."""

import errno
import os

import numpy as np
import pytest

from trainers.config.text import NoText, read_text
from trainers.volumes import BadData, scan
from trainers.volumes.explanation import DAMAGED, explain
from trainers.volumes.readers import read_header


@pytest.mark.parametrize(
    ("error", "value", "cause", "passing"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a/b.nii"), "Permission denied", "permissions", True),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/a/b.nii"), "Is a directory", "folder", False),
        (FileNotFoundError(errno.ENOENT, "No such file", "/a/b.nii"), "No such file", "gone now", True),
        (OSError(errno.ESTALE, "Stale file handle"), "Stale file handle", "network file system", True),
        (OSError(errno.EIO, "Input/output error"), "Input/output error", "disk", True),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files", "ulimit", True),
        (OSError(errno.ELOOP, "Too many levels of symbolic links"), "links", "link", False),
        (MemoryError("Unable to allocate 8 GiB"), "not enough memory", "too large for this machine", True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory", "too large", True),
        (ValueError("bad /a/b.nii\nmore"), "ValueError: bad b.nii", DAMAGED, False),
    ],
)
def test_errors_in_words(error, value, cause, passing):
    refused = explain(error, ["/a"])
    assert value in refused.value
    assert cause in refused.cause
    assert refused.passing == passing
    assert "/a" not in refused.value


def test_what_a_library_says_of_a_patient_is_left_out():
    assert explain(ValueError("PatientName DOE"), [], secret=True).value == "ValueError"


def broken_once(monkeypatch, error):
    """`read_header` fails as a network file system does, once."""
    left = [error]

    def read(format, files):
        if left:
            raise left.pop()
        return read_header(format, files)

    monkeypatch.setattr("trainers.volumes.inspection.read_header", read)


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "Permission denied"), MemoryError()])
def test_what_may_pass_is_looked_at_again(make, config, tmp_path, monkeypatch, error):
    """Mending permissions changes neither size nor time of a file, so the index must not keep the refusal."""
    make.nifti(tmp_path / "mr" / "a.nii", make.head())
    broken_once(monkeypatch, error)
    (problem,) = scan(config({"mr": {}})).problems
    assert problem.severity == "quarantined"
    assert scan(config({"mr": {}})).problems == ()


def test_a_file_that_vanishes_after_it_was_listed_is_named(make, config, tmp_path, patients, monkeypatch):
    patients("mr")
    from trainers.volumes import scanning

    find = scanning.look_for

    def find_then_lose(*arguments):
        found = find(*arguments)
        (tmp_path / "mr" / "s1.nii.gz").unlink()
        return found

    monkeypatch.setattr(scanning, "look_for", find_then_lose)
    (problem,) = scan(config({"mr": {}})).problems
    assert problem.file.endswith("s1.nii.gz")


@pytest.mark.parametrize("harm", ["", "{", "[]", "null", "3", '{"subject": 1}', "\x00"])
def test_a_damaged_index_is_looked_past(config, tmp_path, patients, harm):
    patients("mr", count=2)
    first = scan(config({"mr": {}}))
    index = list((tmp_path / "isthmus-cache" / "index").iterdir())
    assert len(index) == 2
    for file in index:
        file.write_text(harm)
    again = scan(config({"mr": {}}))
    assert [i.finding for i in again.domains["mr"].items] == [i.finding for i in first.domains["mr"].items]
    os.unlink(index[0])
    index[0].mkdir()
    with pytest.raises(BadData, match="cannot be written"):
        scan(config({"mr": {}}))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("path,subject\nMüller.nii,1".encode("latin-1"), r"is not UTF-8 \(byte 0xfc in line 2"),
        ("path,subject".encode("utf-16-le"), r"is no text \(byte 0x00 in line 1"),
        ("path,subject\né.nii,1".encode("utf-16-le"), r"is not UTF-8 \(byte 0xe9 in line 2.*: UTF-16 without its mark"),
        ("path,subject".encode("utf-32"), "is UTF-32; save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00", "is not UTF-8"),
    ],
)
def test_text_that_is_not_utf8_is_said_with_line_and_cure(config, tmp_path, raw, said):
    (tmp_path / "list.csv").write_bytes(raw)
    with pytest.raises(NoText, match=said):
        read_text(tmp_path / "list.csv")
    with pytest.raises(BadData, match=rf"domain 'a': .*list\.csv {said}"):
        scan(config({"a": {"path": "list.csv"}}))


def test_utf8_with_its_mark_is_text(tmp_path):
    (tmp_path / "a").write_bytes("\ufeffä\n".encode())
    assert read_text(tmp_path / "a") == "ä\n"


def test_a_wholly_constant_frame_says_so(make, config, tmp_path):
    frames = np.stack([make.head(), np.zeros_like(make.head())], axis=-1)
    make.nifti(tmp_path / "mr" / "a.nii", frames)
    (problem,) = scan(config({"mr": {"frames": "all"}})).problems
    assert problem.file.endswith("a.nii#1")
