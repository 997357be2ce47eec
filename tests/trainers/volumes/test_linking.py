"""One person is on one side in all domains, however the person is written, and what was found is said."""

import json

import numpy as np
import pytest
from rich.console import Console

from trainers.volumes import BadData, prepare, renderables, scan, summary


@pytest.fixture
def small(tmp_path, make):
    """`small(file, ...)`: a volume of its own, 2 mm, for each name."""
    seeds = iter(range(1000))

    def write(*names):
        return [make.nifti(tmp_path / name, make.head((14, 14, 14), seed=next(seeds))) for name in names]

    return write


@pytest.fixture
def series(tmp_path, make):
    def write(folder, patient, seed=0):
        return make.dicom(tmp_path / folder, np.round(make.head((14, 14, 8), seed=seed)), patient=patient)

    return write


def held(found):
    """By domain the persons held out, by what their files are called."""
    return {
        name: sorted({i.source.person for i in domain.items if i.subject in found.split.held_out[name]})
        for name, domain in found.domains.items()
    }


def said(found, domain, kind):
    (problem,) = [p for p in found.domains[domain].problems if p.file == f"({kind})"]
    return problem


def shown(found):
    console = Console(width=300, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(*renderables(found))
    console.file.close()
    return console.export_text()


SPELLINGS = [
    ("sub-01", "01", "same"),
    ("sub-01", "SUB-01", "same"),
    ("Müller", "Mu\u0308ller", "same"),
    ("doe 1", "DOE  1", "same"),
    ("sub-01", "sub-1", "near"),
    ("01", "1", "near"),
    ("p_1", "p-001", "near"),
    ("sub-01", "sub01", "near"),
]


@pytest.mark.parametrize(("one", "two", "kind"), SPELLINGS)
def test_one_person_written_two_ways_in_two_domains(small, config, one, two, kind):
    small(*(f"a/{p}/x.nii" for p in (one, "q2", "q3")), *(f"b/{p}/x.nii" for p in (two, "q2", "q3")))
    for name in (one, two):
        where = "a" if name == one else "b"
        found = scan(config({"a": {}, "b": {}} | {where: {"held_out": [name]}}))
        assert held(found) == {"a": [one], "b": [two]}
        assert not found.both
        problem = said(found, "b", f"ids: {kind}")
        assert f"'{one}' of 'a' = '{two}' of 'b'" in problem.line(local=True) or kind == "near"
        assert one not in json.dumps(summary(found)["domains"]["b"]["problems"], ensure_ascii=False)
        assert problem.severity == "warning"


def test_people_of_other_names_stay_apart_and_nothing_is_said(small, config):
    small(*(f"{d}/s{n}.nii" for d in "ab" for n in (1, 10, 11, 2)))
    found = scan(config({"a": {}, "b": {}}))
    assert not found.problems
    assert [d.subjects for d in found.domains.values()] == [4, 4]
    assert len({i.subject for d in found.domains.values() for i in d.items}) == 4


def test_a_table_with_one_person_in_two_rows(small, config, tmp_path):
    small(*(f"files/{n}.nii" for n in range(6)))
    ids = ["sub-01", "01", "p2", "P2 ", "p3.nii.gz", "p3"]
    rows = [f"files/{n}.nii,{name},{n in (0, 3)}" for n, name in enumerate(ids)]
    (tmp_path / "t.csv").write_text("\n".join(["path,subject,held_out", *rows]))
    found = scan(config({"a": {"path": "t.csv"}}))
    assert found.domains["a"].subjects == 3
    assert held(found)["a"] == ["01", "P2", "p2", "sub-01"]
    assert sorted(file.split("/")[-1] for file, *_ in found.both) == ["1.nii", "2.nii"]
    assert "subject" in said(found, "a", "ids: same").line()


def test_a_table_that_holds_out_and_a_table_that_does_not(small, config, tmp_path):
    small(*(f"files/{d}{n}.nii" for d in "ab" for n in range(4)))
    for domain in "ab":
        marks = {"a": (0,), "b": (1,)}[domain]
        rows = [f"files/{domain}{n}.nii,p{n},{n in marks}" for n in range(4)]
        (tmp_path / f"{domain}.csv").write_text("\n".join(["path,subject,held_out", *rows]))
    found = scan(config({"a": {"path": "a.csv"}, "b": {"path": "b.csv"}}))
    assert held(found) == {"a": ["p0", "p1"], "b": ["p0", "p1"]}
    assert "since 'b' holds them out" in said(found, "a", "held out elsewhere").cause
    assert "'p1'" in said(found, "a", "held out elsewhere").line(local=True)
    assert "p1" not in said(found, "a", "held out elsewhere").line()


def test_a_list_joins_what_a_table_marks(small, config, tmp_path):
    small(*(f"files/{n}.nii" for n in range(4)))
    rows = [f"files/{n}.nii,p{n},{n == 0}" for n in range(4)]
    (tmp_path / "t.csv").write_text("\n".join(["path,subject,held_out", *rows]))
    assert held(scan(config({"a": {"path": "t.csv", "held_out": ["p2"]}})))["a"] == ["p0", "p2"]


def test_sequences_of_one_person_are_one_subject(small, config):
    small(*(f"mr/{n:05}_{s}.nii" for n in range(1, 4) for s in ("t1n", "t1c", "t2f", "t2w")))
    domains = {s: {"path": f"mr/*_{s}.nii"} for s in ("t1n", "t2w")}
    found = scan(config({"mr": {"held_out": ["00002"]}, **domains}))
    assert found.domains["mr"].subjects == 3
    assert set(map(tuple, held(found).values())) == {("00002",)}
    assert not found.both
    assert not found.problems or {p.file for p in found.problems} == {"(held out elsewhere)"}
    by_file = scan(config({"mr": {"held_out": ["00002_t1c"]}}))
    assert held(by_file)["mr"] == ["00002"]


def test_a_single_contrast_keeps_the_hash_of_its_name(small, config):
    """Runs begun before people were told from sequences go on with the same split."""
    from trainers.volumes.privacy import subject_hash

    small(*(f"mr/{n:05}_t1n.nii" for n in range(1, 4)), "ct/sub-71/x.nii", "ct/p2/x.nii")
    found = scan(config({"mr": {}, "ct": {}}))
    assert {i.subject for i in found.domains["mr"].items} == {subject_hash(f"{n:05}_t1n") for n in range(1, 4)}
    assert {i.subject for i in found.domains["ct"].items} == {subject_hash("sub-71"), subject_hash("p2")}


def test_decathlon_folder_holds_people_and_no_labels(small, config):
    small(
        *(f"t/imagesTr/c_{n}.nii" for n in range(4)), *(f"t/labelsTr/c_{n}.nii" for n in range(4)), "t/imagesTs/c_9.nii"
    )
    found = scan(config({"t": {}}))
    assert (found.domains["t"].found, found.domains["t"].subjects) == (5, 5)
    assert "4 files" in said(found, "t", "label folders").value
    text = shown(found)
    assert "5 subjects in 5 volumes by the case of an nnU-Net folder, less its channel (c_0, c_1, c_2, ...)" in text


def test_datasets_tell_equal_ids_apart(small, config):
    small(*(f"{d}/sub-0{n}/x.nii" for d in "abc" for n in range(3)))
    one = config({"a": {"held_out": ["sub-00"]}, "b": {"held_out": ["sub-01"]}})
    assert set(map(tuple, held(scan(one)).values())) == {("sub-00", "sub-01")}
    domains = {"a": {"held_out": ["sub-00"], "dataset": "x"}, "b": {"held_out": ["sub-01"], "dataset": "y"}}
    apart = scan(config({**domains, "c": {"held_out": ["sub-02"], "dataset": " X"}}))
    assert held(apart) == {"a": ["sub-00", "sub-02"], "b": ["sub-01"], "c": ["sub-00", "sub-02"]}


UNKNOWN = [
    (["sub-00", "sub-1"], r"held_out names 'sub-1', who is none of its 3 subjects; did you mean 'sub-01'\?"),
    ([1], r"names '1', .* did you mean 'sub-01'\? \(write numbers in quotes: YAML reads 01 as 1"),
    ([8], r"names '8', .* did you mean 'sub-010'\?"),
    (["sub-0l"], r"names 'sub-0l', .* did you mean 'sub-0[01]'\?"),
    (["zebra"], r"names 'zebra', .* the nearest is 'sub-0[01]"),
    (["q7"], r"names 'q7', who is none of its 3 subjects; it is in 'b'; the nearest is"),
    (["sub-00", "anonymous"], r"names 'anonymous', who is none"),
]


@pytest.mark.parametrize(("names", "message"), UNKNOWN)
def test_a_name_that_matches_nobody_is_refused_with_the_nearest(small, config, names, message):
    small(*(f"a/{p}/x.nii" for p in ("sub-00", "sub-01", "sub-010")), "b/q7.nii", "b/q8.nii")
    with pytest.raises(BadData, match=f"domain 'a': held_out {message}|domain 'a': {message}"):
        scan(config({"a": {"held_out": names}, "b": {}}))


@pytest.mark.parametrize("name", ["sub-01", "01", "SUB-01", " sub-01 ", "Sub_01", "01.0", "sub-01.nii.gz"])
def test_names_are_held_against_subjects_as_subjects_against_each_other(small, config, name):
    small(*(f"a/sub-0{n}/x.nii" for n in range(3)))
    assert held(scan(config({"a": {"held_out": [name]}})))["a"] == ["sub-01"]


def test_a_named_subject_without_a_usable_volume_is_a_warning(small, config, tmp_path):
    small("a/p1.nii", "a/p2.nii")
    (tmp_path / "a/p3.nii").write_text("broken")
    found = scan(config({"a": {"held_out": ["p1", "p3"]}}))
    assert held(found)["a"] == ["p1"]
    assert "'p3'" in said(found, "a", "held_out").line(local=True)
    with pytest.raises(BadData, match="nobody of its 2 subjects is held out"):
        scan(config({"a": {"held_out": ["p3"]}}))


@pytest.mark.parametrize("patient", ["ANONYMOUS", "0", "", "Anon", "n/a"])
def test_a_patient_who_is_nobody_leaves_it_to_the_path(series, config, patient):
    for n in range(3):
        series(f"ct/scan_{n}", patient, seed=n)
    found = scan(config({"ct": {"kind": "ct"}}))
    assert found.domains["ct"].subjects == 3
    assert {i.finding.rule for i in found.domains["ct"].items} == {"name"}
    if patient:
        assert said(found, "ct", "subjects").value == "3 volumes"
        assert "3 by the file's name" in said(found, "ct", "subjects").cause


def test_dicom_patients_are_named_on_this_machine_only(series, config, small):
    for n, patient in enumerate(["DOE-1", "DOE-1", "ROE-2", "doe-01"]):
        series(f"ct/scan_{n}", patient, seed=n)
    found = scan(config({"ct": {"kind": "ct"}}))
    again = scan(config({"ct": {"kind": "ct"}}))
    for one in (found, again):
        assert one.domains["ct"].subjects == 2
        assert "2 subjects in 4 volumes by the DICOM patient (DOE-1, ROE-2)" in shown(one)
        assert "doe-01" in said(one, "ct", "ids: near").line(local=True)
        leaving = json.dumps(summary(one)) + repr(one.domains) + "".join(p.line() for p in one.problems)
        assert "DOE-1" not in leaving
        assert "doe-01" not in leaving
    with pytest.raises(BadData, match=r"held_out names 'ROE-3', .* did you mean 'ROE-2'"):
        scan(config({"ct": {"kind": "ct", "held_out": ["ROE-3"]}}))


def test_one_patient_in_many_folders_is_asked_about(series, config):
    for n in range(3):
        series(f"ct/scan_{n}", "RESEARCH", seed=n)
    found = scan(config({"ct": {"kind": "ct"}}))
    assert found.domains["ct"].subjects == 1
    assert "name them by a CSV" in said(found, "ct", "patient").cause
    assert "RESEARCH" not in said(found, "ct", "patient").line()


def test_every_rule_says_what_it_found(small, config, tmp_path):
    small("a/sub-01/x.nii", "a/sub-01/y.nii", "a/sub-02/x.nii", "a/p3/x.nii", "a/p4_t1.nii", "a/p5.nii")
    found = scan(config({"a": {}}))
    text = shown(found)
    for line in (
        "'a': 2 subjects in 3 volumes by a BIDS name in the path (sub-01, sub-02)",
        "'a': 1 subject in 1 volume by the folder (p3)",
        "'a': 1 subject in 1 volume by the file's name, less the words for a sequence (p4)",
        "'a': 1 subject in 1 volume by the file's name (p5)",
    ):
        assert line in text
    assert summary(found)["domains"]["a"]["subject_rules"] == {"bids": 2, "folder": 1, "sequence": 1, "name": 1}
    assert "sub-01" not in json.dumps(summary(found)) + repr(found.domains["a"].rules)


def test_what_is_said_reaches_the_prepared_data_once_and_names_nobody(small, config, tmp_path):
    small(*(f"a/{p}/x.nii" for p in ("sub-01", "q2", "q3")), *(f"b/{p}/x.nii" for p in ("sub-1", "q2", "q3")))
    data = prepare(config({"a": {"held_out": ["sub-01"]}, "b": {"held_out": ["q2"]}}), seed=0, eval_crops=2)
    lines = [p.line() for p in data.problems]
    assert len(lines) == len(set(lines))
    assert sum("since 'a' holds them out" in line for line in lines) == 1
    text = json.dumps(data.to_dict())
    assert "sub-1" not in text
    assert "q2" not in text
