"""A scan names every sick file, every duplicate and every leak, and is stopped by none."""

import json

import numpy as np
import pytest
from rich.console import Console

from trainers.volumes import BadData, renderables, scan, summary


def spoil(folder, make):
    """One file of each kind of sickness; returns what its problem must say."""
    good = make.head()
    make.rgb(folder / "rgb.nii.gz")
    huge = make.nifti(folder / "huge.nii", good)
    huge.write_bytes(huge.read_bytes()[:42] + b"\x30\x75" * 3 + huge.read_bytes()[48:])
    make.nifti(folder / "slice.nii.gz", good[:, :, :1])
    make.nifti(folder / "constant.nii.gz", np.full((20, 20, 20), 7.0))
    holes = good.copy()
    holes[3:5, 3, 3] = np.nan
    make.nifti(folder / "nan.nii.gz", holes)
    whole = make.nifti(folder / "short.nii.gz", good).read_bytes()
    (folder / "short.nii.gz").write_bytes(whole[: len(whole) // 2])
    whole = make.nifti(folder / "cut.nii", good).read_bytes()
    (folder / "cut.nii").write_bytes(whole[: len(whole) // 2])
    (folder / "text.nii").write_text("this is no volume")
    (folder / "empty.nrrd").write_bytes(b"")
    make.nifti(folder / "far.nii.gz", good, spacing=(2.0, 2.0, 53.0))
    make.nifti(folder / "tiny.nii.gz", good[:6, :3, :6] + 1)
    make.nifti(folder / "flat.nii.gz", good, affine=np.diag([2.0, 2.0, 0.0, 1.0]) + 1e-9)
    speck = np.zeros((40, 40, 40))
    speck[20, 20, 20] = 1
    make.nifti(folder / "speck.nii.gz", speck)
    make.dicom(folder / "mixed", np.round(good[:20, :24, :5]), number=3, name="a")
    make.dicom(folder / "mixed", np.round(good[:20, :24, :4]), number=7, name="b")
    return {
        "rgb.nii.gz": ("RGB", "colour"),
        "huge.nii": ("30000x30000x30000", "too large"),
        "slice.nii.gz": ("40x44x1", "one slice"),
        "constant.nii.gz": ("every voxel is 7", "constant"),
        "nan.nii.gz": ("2 of 63360 voxels", "mend"),
        "short.nii.gz": ("end of its gzip stream", "cut short"),
        "cut.nii": ("", "cut short"),
        "text.nii": ("", "cannot be read"),
        "empty.nrrd": ("", "cannot be read"),
        "far.nii.gz": ("2 x 2 x 53 mm", "outside 0.05 to 20.0 mm"),
        "tiny.nii.gz": ("6x3x6", "smaller than 4x4x4"),
        "flat.nii.gz": ("spacing", "mend"),
        "speck.nii.gz": ("both 0", "almost every voxel"),
        "mixed": ("series 3 (5 files), series 7 (4 files)", "more than one series"),
    }


def test_every_sick_file_is_named_with_value_and_cause(tmp_path, make, config, patients):
    patients("mr")
    expected = spoil(tmp_path / "mr", make)
    found = scan(config({"mr": {}}))
    problems = {p.file.split("/")[-1]: p for p in found.problems}
    assert set(problems) == set(expected)
    for file, (value, cause) in expected.items():
        assert value in problems[file].value, problems[file]
        assert cause in problems[file].cause, problems[file]
        assert problems[file].severity == "quarantined"
    assert len(found.domains["mr"].items) == 3
    assert found.domains["mr"].missing == pytest.approx(14 / 17)


def test_values_outside_the_window_point_to_the_units(tmp_path, make, config):
    make.nifti(tmp_path / "ct" / "a.nii", make.head() - 5000)
    (problem,) = scan(config({"ct": {"kind": "ct"}})).problems
    assert "below the window -1000 to 1000" in problem.value


def test_what_leaves_tells_no_path_subject_or_patient(tmp_path, make, config):
    make.nifti(tmp_path / "mr" / "sub-MILLER" / "sub-MILLER_T1w.nii.gz", make.head())
    make.dicom(
        tmp_path / "mr" / "DOE_JANE_4711" / "DOE-4711 ct",
        np.round(make.head((20, 24, 12))),
        patient="DOE-4711",
        tags={"Modality": "MR"},
    )
    (tmp_path / "mr" / "sub-MILLER" / "sub-MILLER_T2w.nii.gz").write_bytes(b"broken")
    found = scan(config({"mr": {}}))
    leaving = json.dumps(summary(found)) + repr([i.name for i in found.domains["mr"].items])
    leaving += "".join(problem.line() for problem in found.problems)
    for secret in ("MILLER", "DOE", "Jane", "4711", str(tmp_path)):
        assert secret not in leaving
    assert "T2w.nii.gz" in leaving


def test_duplicates_are_found_by_voxels_across_formats_and_domains(tmp_path, make, config, patients):
    patients("a")
    patients("b", first=5)
    make.mgz(tmp_path / "a" / "copy.mgz", make.head(seed=1))
    make.nifti(tmp_path / "b" / "again.nii", make.head(seed=1), big=True)
    found = scan(config({"a": {}, "b": {}}))
    pairs = {tuple(sorted(side[1].split("/")[-1] for side in (d.first, d.second))) for d in found.duplicates}
    assert pairs == {("copy.mgz", "s1.nii.gz"), ("again.nii", "copy.mgz")}
    assert [p.severity for p in found.problems] == ["warning"]
    assert len(found.domains["a"].items) == 3
    shared = {i.subject for i in found.domains["a"].items} & {i.subject for i in found.domains["b"].items}
    assert len(shared) == 1
    assert shared <= found.split.held_out["a"] & found.split.held_out["b"] or not shared & (
        found.split.held_out["a"] | found.split.held_out["b"]
    )


def test_a_subject_that_one_domain_holds_out_is_held_out_in_both(tmp_path, make, config, patients):
    patients("a")
    patients("b")
    found = scan(config({"a": {"held_out": ["s0"]}, "b": {"held_out": ["s1"]}}))
    assert not found.both
    for name, other in (("a", "b"), ("b", "a")):
        domain = found.domains[name]
        held = {i.source.path.name for i in domain.items if i.subject in found.split.held_out[name]}
        assert held == {"s0.nii.gz", "s1.nii.gz"}
        assert [p.cause for p in domain.problems] == [
            f"held out here, too, since '{other}' holds them out: a subject is on one side in all domains"
        ]


def test_a_csv_gives_paths_subjects_and_sides(tmp_path, make, config, patients):
    patients("files", count=4)
    rows = ["path,subject,held_out"] + [f"files/s{i}.nii.gz,p{i // 2},{i == 1}" for i in range(4)]
    (tmp_path / "list.csv").write_text("\n".join([*rows, "files/gone.nii.gz,p9,false"]))
    found = scan(config({"a": {"path": "list.csv"}}))
    (problem,) = found.problems
    assert problem.cause == "there is no such file"
    assert found.domains["a"].subjects == 2
    body = summary(found)
    assert body["domains"]["a"]["held_out_volumes"] == 2
    assert [row["file"].split("/")[-1] for row in body["both_sides"]] == ["s0.nii.gz"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,subject\nx,y", "needs path and subject"),
        ("path,subject\nx,", "line 2 of .* lacks"),
        ("path,subject,held_out\nx,y,maybe", "write true or false"),
    ],
)
def test_a_csv_that_will_not_do(tmp_path, config, table, message):
    (tmp_path / "list.csv").write_text(table)
    with pytest.raises(BadData, match=message):
        scan(config({"a": {"path": "list.csv"}}))


def test_subjects_follow_the_documented_rules(tmp_path, make, config):
    make.nifti(tmp_path / "mr" / "flat.nii.gz", make.head())
    for session in ("one", "two"):
        make.nifti(tmp_path / "mr" / "caseA" / f"{session}.nii.gz", make.head(seed=ord(session[0])))
        make.nifti(tmp_path / "mr" / session / f"sub-07_{session}.nii.gz", make.head(seed=ord(session[1])))
    assert scan(config({"mr": {}})).domains["mr"].subjects == 3
    by_pattern = scan(config({"mr": {"subject": "(one|two|flat)", "path": ["mr/**/*.nii.gz"]}}))
    assert by_pattern.domains["mr"].subjects == 3
    by_folder = scan(config({"mr": {"path": "mr/*/*.nii.gz", "exclude": "sub-*"}}))
    assert by_folder.domains["mr"].subjects == 1
    (problem, *_) = scan(config({"mr": {"subject": "case."}})).problems
    assert "does not match" in problem.cause


def test_dicom_patients_are_subjects(tmp_path, make, config):
    for k, patient in enumerate(["A1", "A1", "B2"]):
        make.dicom(tmp_path / "ct" / f"scan{k}", np.round(make.head((20, 24, 12), seed=k)), patient=patient)
    found = scan(config({"ct": {"kind": "ct"}}))
    assert len(found.domains["ct"].items) == 3
    assert found.domains["ct"].subjects == 2


def test_frames_and_excluded_files(tmp_path, make, config):
    make.nifti(tmp_path / "mr" / "bold.nii.gz", np.stack([make.head(seed=s) for s in range(3)], axis=-1))
    make.nifti(tmp_path / "mr" / "bold_seg.nii.gz", make.head() > 0)
    found = scan(config({"first": {"path": "mr", "exclude": "*_seg*"}, "all": {"path": "mr/bold.n*", "frames": "all"}}))
    assert len(found.domains["first"].items) == 1
    assert [i.name[-2:] for i in found.domains["all"].items] == ["#0", "#1", "#2"]
    assert found.domains["all"].subjects == 1


@pytest.mark.parametrize("path", ["nowhere", "nowhere/*.nii", "$UNSET_FOLDER/x"])
def test_paths_that_lead_nowhere_are_one_sentence(config, path):
    with pytest.raises(BadData, match=r"domain 'a': (there is no|no volume in)"):
        scan(config({"a": {"path": path}}))


def test_the_table_shows_all_a_person_can_act_on(tmp_path, make, config, patients):
    patients("mr")
    make.rgb(tmp_path / "mr" / "rgb.nii.gz")
    patients("pet", count=1)
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(*renderables(scan(config({"mr": {}, "pet": {"kind": "pet"}}))))
    console.file.close()
    text = console.export_text()
    for part in ("slab", "2 x 2 x 2", "Problems: 1", str(tmp_path / "mr" / "rgb.nii.gz"), "Duplicates", "still needs"):
        assert part in text


def test_a_second_look_reads_no_volume(tmp_path, config, patients, monkeypatch):
    patients("mr")
    again = config({"mr": {}})
    first = summary(scan(again))
    monkeypatch.setattr("trainers.volumes.inspection.read_header", None)
    assert summary(scan(again)) == first
    patients("mr", count=1)  # written anew, so its time has changed
    assert len(scan(again).problems) == 1
