"""Frames are measured as training sees them, judged one by one, and the scan knows all that preparing would find."""

import dataclasses
import json

import numpy as np
import pytest

from tests.trainers.volumes.broken import counts, good, half, head, hounsfield, labels, nifti
from trainers.config.data import DomainConfig
from trainers.volumes import BadData, decide, prepare, scan
from trainers.volumes.appearance import MOST_DISTINCT, appearance_of, distinct_values, neighbours
from trainers.volumes.quality import judge
from trainers.volumes.recipe import preprocess

MR = {"step": "percentiles", "low": 0.5, "high": 99.5, "foreground": 0.1}
CT = {"step": "window", "low": -1000.0, "high": 1000.0, "to": [-1.0, 1.0], "foreground": 0.05}


def test_the_numbers_of_an_image():
    image = np.zeros((4, 5, 10), dtype=np.float32)
    image[:, :, 2:4] = 1 + np.arange(40).reshape(4, 5, 2)
    image[:, :, 6] = -100
    seen = appearance_of(image, {**MR, "low": 0.0, "high": 100.0})
    assert (seen.least, seen.most, seen.low, seen.high) == (-100, 40, -100, 40)
    assert (seen.filled, seen.slices, seen.inner_gaps) == ((4, 5, 2), (4, 5, 10), 0)
    assert (seen.at_least, seen.at_most) == (0.1, 0.005)
    assert (seen.gap_below, seen.gap_above) == (100 / 40, 1 / 139)
    assert seen.distinct == 42
    assert seen.at_low == 0.1
    assert seen.at_high == pytest.approx(3 / 200)  # 38, 39 and 40 lie within 2 % of 140 of the top


def test_a_value_that_is_clipped_leaves_no_gap():
    image = head()
    image[0, 0, :3] = -32768
    assert appearance_of(image, MR).gap_below == 0
    image[:2] = -32768
    assert appearance_of(image, MR).gap_below > 4


def test_constant_slices_between_others_are_counted():
    image = head()
    image[..., 9], image[..., 12:14], image[..., -2:] = 0, 5, 0
    seen = appearance_of(image, MR)
    assert (seen.filled[2], seen.inner_gaps) == (23, 3)


@pytest.mark.parametrize("count", [1, 2, 300, MOST_DISTINCT - 1])
def test_all_distinct_values_are_found_though_a_sample_decides(count):
    image = np.zeros((90, 80, 70), dtype=np.float32)
    image[41, 3, :count] = np.arange(min(count, 70))
    image.flat[: 3 * count : 3] = np.arange(count)
    assert len(distinct_values(image)) == len(np.unique(image))


def test_many_values_are_not_counted():
    assert distinct_values(np.arange(4096, dtype=np.float32).reshape(16, 16, 16)) is None


def test_labels_differ_from_images_in_how_neighbours_differ():
    def told(image):
        image = image.astype(np.float32)
        return neighbours(image, distinct_values(image))

    repeated, jumps = told(labels(30))
    assert repeated > 0.6
    assert jumps > 0.9
    repeated, jumps = told(counts(3.0))
    assert repeated < 0.3
    smooth = np.round(20 * np.linspace(0, 1, 60)[:, None, None] + np.zeros((60, 8, 8)))
    repeated, jumps = told(smooth)
    assert repeated > 0.8
    assert jumps == 0


@pytest.mark.parametrize(
    ("distinct", "repeated", "jumps", "severity"),
    [
        (300, 0.85, 0.9, "quarantined"),  # an atlas of the whole brain
        (207, 0.70, 0.82, None),  # an 8-bit image with repeated voxels
        (64, 0.62, 0.99, "quarantined"),  # thin regions
        (16, 0.80, 0.03, "warning"),  # a smooth image of 16 levels
        (9, 0.15, 0.4, None),  # counts
        (2, 0.1, 0.0, "quarantined"),  # two values, scattered
    ],
)
def test_what_is_taken_for_a_label_map(distinct, repeated, jumps, severity):
    seen = dataclasses.replace(appearance_of(head(), MR), distinct=distinct, repeated=repeated, jumps=jumps)
    assert [remark.severity for remark in judge(seen, DomainConfig(path="x", kind="mr"))] == [severity] * bool(severity)


def test_an_offset_is_looked_for_in_ct_only_and_only_where_the_window_reaches_air():
    raised = appearance_of(hounsfield() + 1100, CT)
    assert [r.severity for r in judge(raised, DomainConfig(path="x", kind="ct"))] == ["quarantined"]
    assert judge(raised, DomainConfig(path="x", kind="other", window=(-1000, 1000))) == ()
    window = appearance_of(hounsfield() + 1100, {**CT, "low": 0.0, "high": 2000.0})
    assert judge(window, DomainConfig(path="x", kind="ct", window=(0, 2000))) == ()


def test_what_is_meant_is_used_all_the_same_but_not_a_constant():
    meant = DomainConfig(path="x", kind="ct", suspicious="warn")
    assert {r.severity for r in judge(appearance_of((head() > 60) * 2e3 - 1e3, CT), meant)} == {"warning"}
    (final, *_) = judge(appearance_of(hounsfield() + 5000, CT), meant)
    assert final.severity == "quarantined"
    with pytest.raises(ValueError, match="quarantine"):
        DomainConfig(path="x", suspicious="ignore")


def test_a_quarantined_volume_would_have_spoilt_training(tmp_path):
    """What the padding does to the voxels that training sees, and that it does not with a volume that passes."""
    domain = DomainConfig(path="x", kind="mr")
    edge = np.pad(head()[3:-3, 3:-3, 3:-3], 3, constant_values=-32768)
    assert np.abs(preprocess(nifti(tmp_path / "padded.nii", edge), domain)).max() > 100
    assert np.abs(preprocess(nifti(tmp_path / "good.nii", head()), domain)).max() < 10


def test_frames_are_judged_one_by_one(tmp_path, config):
    good(tmp_path / "mr")
    frames = [head(11), half(head(12), -32768), head(13) > 60, head(14), half(head(15), -1024)]
    nifti(tmp_path / "mr" / "sub-9.nii.gz", np.stack(frames, axis=-1))
    found = scan(config({"mr": {"frames": "all"}}))
    lines = [problem.line(local=True).split("sub-9.nii.gz")[1] for problem in found.problems]
    assert [line.split(":")[0] for line in lines] == ["#1 quarantined", "#2 quarantined", "#4 warning"]
    assert [item.name[-2:] for item in found.domains["mr"].items if item.source.path.name == "sub-9.nii.gz"] == [
        "#0",
        "#3",
        "#4",
    ]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_scan_counts_what_preparing_finds(tmp_path, config, dtype):
    good(tmp_path / "mr", count=4)
    good(tmp_path / "ct", "ct", count=1)
    nifti(tmp_path / "mr" / "other.nii.gz", head(8), spacing=(3.0, 1.5, 2.5))
    data = config({"mr": {}, "ct": {"kind": "ct"}}, dtype=dtype)
    found = scan(data)
    verdict = decide(data, found, 6)
    prepared = prepare(data, seed=0, eval_crops=6, found=found)
    assert verdict.pools == {name: domain.pool for name, domain in prepared.domains.items()}
    for name, domain in prepared.domains.items():
        assert [(p.item.key, p.box, p.crops, p.item.frame.shape) for p in verdict.sides[name].train] == [
            (v.key, v.box, v.crops, v.shape) for v in domain.train
        ]
        assert domain.problems == verdict.problems[name]
    assert prepared == prepare(data, seed=0, eval_crops=6)
    assert scan(data).bytes_needed == 0


def test_too_few_held_out_crops_are_known_before_anything_is_written(tmp_path, config):
    good(tmp_path / "mr")
    data = config({"mr": {}})
    (problem,) = decide(data, scan(data), 500).problems["mr"]
    assert problem.cause.startswith("fewer distinct held-out crops than the 500")
    assert not list(data.cache_path.glob("*.npy"))


def test_what_was_found_by_older_rules_is_looked_at_anew(tmp_path, config, monkeypatch):
    nifti(tmp_path / "mr" / "s.nii.gz", head() > 60)
    data = config({"mr": {}})
    monkeypatch.setattr("trainers.volumes.inspection.FRAME_VERSION", 1)
    scan(data)
    (entry,) = (data.cache_path / "index").glob("*.json")
    body = json.loads(entry.read_text())
    entry.write_text(json.dumps({**body, "frames": [{**body["frames"][0], "value": "", "cause": "old"}]}))
    assert scan(data).problems[0].cause == "old"
    monkeypatch.undo()
    assert scan(data).problems[0].cause.startswith("a mask or label map")


def test_a_kind_or_a_crop_that_changes_asks_anew(tmp_path, config):
    good(tmp_path / "x")
    assert scan(config({"x": {"kind": "mr"}})).problems == ()
    assert len(scan(config({"x": {"kind": "ct"}})).problems) == 3
    small, large = (scan(config({"x": {}}, crop=crop)).domains["x"] for crop in (8, 16))
    assert sum(item.crops for item in small.items) > 2 * sum(item.crops for item in large.items)


def test_all_domains_that_stop_a_run_are_named_and_few_of_their_problems(tmp_path, config):
    good(tmp_path / "a")
    good(tmp_path / "b")
    for number in range(8):
        nifti(tmp_path / "b" / f"odd{number}.nii", np.roll(head() > 60, number))
    nifti(tmp_path / "a" / "odd.nii", head() > 60)
    data = config({"a": {}, "b": {}})
    verdict = decide(data, scan(data), 2)
    with pytest.raises(BadData) as caught:
        verdict.check()
    text = str(caught.value)
    assert "domain 'a': 25% of its volumes" in text
    assert "domain 'b': 73% of its volumes" in text
    assert text.count("mask or label map") == 1 + 5
    assert "and 3 more" in text
    assert len(verdict.lines) == 9
