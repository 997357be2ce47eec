"""Prepared data: whole, fixed, apart, and cheap the second time."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from trainers.volumes import (
    BadData,
    NoRoom,
    PreparedData,
    VolumeUnreadable,
    prepare,
    preprocess,
    read_crop,
    read_held_out,
    scan,
    volumes_used,
)

SIZE = (16, 16, 16)


@pytest.fixture
def ready(config, patients):
    patients("mr", count=4)
    patients("one", count=1, first=9)
    return config({"mr": {}, "one": {"kind": "ct"}}, dtype="float32", held_out=0.25)


def test_crops_are_cut_from_what_preprocess_gives(ready, tmp_path):
    data = prepare(ready, seed=0, eval_crops=6)
    whole = {f"s{i}": preprocess(tmp_path / "mr" / f"s{i}.nii.gz", ready.domains["mr"]) for i in range(4)}
    for volume in data.domains["mr"].train:
        source = whole[volume.name.split("/")[-1].removesuffix(".nii.gz")]
        np.testing.assert_allclose(np.load(volume.file, mmap_mode="r"), source[0], atol=1e-6)
        for index, centre in enumerate(np.load(volume.places)):
            crop = read_crop(volume, index, SIZE)
            assert crop.dtype == np.float32
            x, y, z = (int(c) - 8 for c in centre)
            np.testing.assert_allclose(crop, source[:, x : x + 16, y : y + 16, z : z + 16], atol=1e-6)


def test_counts_and_sides(ready):
    data = prepare(ready, seed=0, eval_crops=6)
    mr, one = data.domains["mr"], data.domains["one"]
    assert (len(mr.train), len({c.volume.key for c in mr.held_out}), len(mr.held_out)) == (3, 1, 6)
    assert mr.pool == sum(v.crops for v in mr.train) > 20
    assert not {v.key for v in mr.train} & {c.volume.key for c in mr.held_out}
    assert one.slab
    assert not mr.slab
    assert any("one subject only" in p.cause for p in one.problems)
    assert [step["step"] for step in one.transforms] == ["orient", "resample", "window", "store"]
    assert {row["side"] for row in volumes_used(data)} == {"train", "held out", "both, apart by a slab"}
    assert all(len(row["sha256"]) == 64 for row in volumes_used(data))


def test_the_slab_is_never_read_in_training(ready):
    """Poison the training part of the cached volume: held-out crops must not see it, and the other way."""
    one = prepare(ready, seed=0, eval_crops=6).domains["one"]
    volume = one.train[0]
    voxels = np.load(volume.file)
    inside = np.zeros(voxels.shape, dtype=bool)
    inside[tuple(slice(low, high) for low, high in volume.box)] = True
    np.save(volume.file, np.where(inside, np.float32(-7), np.float32(7)))
    for size in (SIZE, (12, 20, 16), (40, 40, 40)):
        assert all(7 not in read_crop(volume, n, size) for n in range(volume.crops))
        assert all(-7 not in read_held_out(crop, size) for crop in one.held_out)


def test_the_same_data_for_every_seed_and_every_time(ready):
    first, second = prepare(ready, seed=0, eval_crops=6), prepare(ready, seed=1, eval_crops=6)
    assert first == second
    assert first.digest == second.digest


def test_the_second_time_reads_and_writes_nothing(ready, monkeypatch):
    first = prepare(ready, seed=0, eval_crops=6)
    for name in ("preparation.read_voxels", "frame.read_voxels", "inspection.sha256_of", "cache.write_atomic"):
        monkeypatch.setattr(f"trainers.volumes.{name}", None)
    assert prepare(ready, seed=0, eval_crops=6) == first


def test_the_key_covers_data_and_steps(ready, make, tmp_path):
    def keys(config):
        return {v.key for v in prepare(config, seed=0, eval_crops=2).domains["mr"].train}

    plain = keys(ready)
    domains = {"mr": ready.domains["mr"].model_copy(update={"percentiles": (1.0, 99.0)})}
    assert not plain & keys(ready.model_copy(update={"domains": domains}))
    assert not plain & keys(ready.model_copy(update={"dtype": "float16"}))
    make.nifti(tmp_path / "mr" / "s1.nii.gz", make.head(seed=77))
    assert len(plain - keys(ready)) <= 1


def test_manifest_round_trip_and_what_it_keeps_to_itself(ready, tmp_path):
    data = prepare(ready, seed=0, eval_crops=6)
    text = json.dumps(data.to_dict(), allow_nan=False)
    assert str(tmp_path) not in text
    assert PreparedData.from_dict(json.loads(text), data.cache) == data
    assert len(pickle.dumps(data)) < 20_000
    again = pickle.loads(pickle.dumps(data))
    assert again.digest == data.digest


def test_half_precision_is_close(ready):
    half = prepare(ready.model_copy(update={"dtype": "float16"}), seed=0, eval_crops=2).domains["mr"].train[0]
    full = next(v for v in prepare(ready, seed=0, eval_crops=2).domains["mr"].train if v.name == half.name)
    assert np.load(half.file).dtype == "<f2"
    np.testing.assert_allclose(read_crop(half, 0, SIZE), read_crop(full, 0, SIZE), atol=2e-3)


def test_without_drops_items_and_keeps_the_order(ready):
    domain = prepare(ready, seed=0, eval_crops=6).domains["mr"]
    less = domain.without([domain.train[1].key])
    assert less.train == (domain.train[0], domain.train[2])
    assert less.digest != domain.digest
    assert less.without([]) == less
    assert domain.without({c.volume.key for c in domain.held_out}).held_out == ()


def test_volumes_smaller_than_a_crop_are_padded_with_background(config, make, tmp_path):
    for seed in range(2):
        make.nifti(tmp_path / "mr" / f"s{seed}.nii", make.head((12, 40, 40), seed=seed))
    volume = prepare(config({"mr": {}}), seed=0, eval_crops=2).domains["mr"].train[0]
    crop = read_crop(volume, 0, SIZE)
    assert crop.shape == (1, *SIZE)
    assert (crop[0, :2] == volume.fill).all()
    assert (crop[0, 14:] == volume.fill).all()
    assert crop.std() > 0.1


def cut(file):
    os.truncate(file, os.path.getsize(file) // 3)


def scribble(file):
    with open(file, "r+b") as stream:
        stream.write(b"not an array")


def poison(file):
    np.save(file, np.full_like(np.load(file), np.nan))


@pytest.mark.parametrize("harm", [cut, scribble, poison, os.unlink])
def test_a_broken_cache_file_is_a_named_error_that_can_be_pickled(ready, harm):
    volume = prepare(ready, seed=0, eval_crops=6).domains["mr"].train[0]
    harm(volume.file)
    with pytest.raises(VolumeUnreadable) as caught:
        [read_crop(volume, index, SIZE) for index in range(volume.crops)]
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.key, error.name) == (volume.key, volume.name)
    assert str(error) == str(caught.value)
    assert volume.file not in str(error)


def test_a_broken_list_of_places_is_one_too(ready):
    volume = prepare(ready, seed=0, eval_crops=6).domains["mr"].train[0]
    os.unlink(volume.places)
    with pytest.raises(VolumeUnreadable, match="places"):
        read_crop(volume, 0, SIZE)
    with pytest.raises(IndexError, match="it has crops 0 to"):
        read_crop(volume, volume.crops, SIZE)


def test_a_cut_cache_file_is_made_anew(ready):
    first = prepare(ready, seed=0, eval_crops=6)
    cut(first.domains["mr"].train[0].file)
    assert prepare(ready, seed=0, eval_crops=6) == first
    read_crop(first.domains["mr"].train[0], 0, SIZE)


def test_too_much_lost_stops_with_the_list(config, patients, make, tmp_path):
    patients("mr", count=3)
    make.rgb(tmp_path / "mr" / "rgb.nii.gz")
    with pytest.raises(BadData, match=r"25% of its volumes.*max_missing 20%.*rgb\.nii\.gz quarantined: colour"):
        prepare(config({"mr": {}}), seed=0, eval_crops=2)
    data = prepare(config({"mr": {}}, max_missing=0.3), seed=0, eval_crops=2)
    assert [p.file.split("/")[-1] for p in data.problems] == ["rgb.nii.gz"]


def test_a_file_that_breaks_between_scan_and_preparation(ready, monkeypatch):
    monkeypatch.setattr("trainers.volumes.preparation.scan", scan_then_break)
    data = prepare(ready.model_copy(update={"max_missing": 0.5}), seed=0, eval_crops=2)
    assert [p.cause for p in data.domains["mr"].problems if p.severity == "quarantined"] != []
    assert len({v["name"] for v in volumes_used(data) if v["domain"] == "mr"}) == 3


def scan_then_break(config, progress):
    found = scan(config, progress)
    path = found.domains["mr"].items[0].source.path
    path.write_bytes(path.read_bytes()[:2000])
    return found


def test_no_room_is_said_before_anything_is_written(ready, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 0, 1000))
    with pytest.raises(NoRoom, match=r"the cache needs 1\.3 MB in .* where 1\.0 kB are free"):
        prepare(ready, seed=0, eval_crops=6)
    assert not list(ready.cache_path.glob("*.npy"))


def test_a_disk_that_fills_up_leaves_nothing_half_written(ready, monkeypatch):
    def full(source, target):
        if str(target).endswith(".npy"):
            raise OSError(errno.ENOSPC, "No space left on device")
        os.rename(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(NoRoom, match="disk is full"):
        prepare(ready, seed=0, eval_crops=6)
    assert not [f for f in ready.cache_path.rglob("*") if f.name.endswith((".npy", ".tmp"))]


def test_too_short_to_hold_out_a_slab(config, make, tmp_path):
    make.nifti(tmp_path / "mr" / "s.nii", make.head((9, 9, 9)) + 1)
    with pytest.raises(BadData, match=r"one subject is all there is, but domain 'mr': .* too short to hold out a slab"):
        prepare(config({"mr": {}}), seed=0, eval_crops=2)


def test_a_volume_too_short_for_its_slab_is_named(config, make, tmp_path):
    make.nifti(tmp_path / "mr" / "sub-1_a.nii", make.head())
    make.nifti(tmp_path / "mr" / "sub-1_b.nii", make.head((9, 9, 9)) + 1)
    domain = prepare(config({"mr": {}}), seed=0, eval_crops=2).domains["mr"]
    assert len(domain.train) == 1
    assert "_b.nii quarantined: too short" in domain.problems[0].line()


def test_few_held_out_places_are_said(ready):
    data = prepare(ready, seed=0, eval_crops=500)
    held = data.domains["mr"].held_out
    assert len({(c.volume.key, c.centre) for c in held}) == len(held) < 500
    assert any("fewer distinct held-out crops than the 500" in p.cause for p in data.domains["mr"].problems)


def test_progress_counts_to_the_end(ready):
    seen = []
    prepare(ready, seed=0, eval_crops=2, progress=lambda done, total, text: seen.append((done, total, text)))
    assert seen[-1] == (5, 5, "preparing one")
    assert (5, 5, "looking at one") in seen


def test_loader_workers_load_neither_torch_nor_monai():
    code = "import sys, trainers.volumes; sys.exit(any(m in sys.modules for m in ('torch', 'monai', 'pydicom')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
