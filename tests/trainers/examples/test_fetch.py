"""Fetching: pinned hashes, whole files or none, nothing done twice, and honest failure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import pytest

from trainers.examples import Manifest, NoRegistry, TooFewDomains, fetch, manifest
from trainers.examples.catalogue import CATALOGUE, Package
from trainers.examples.clients import _reason

from .conftest import Registry


def files_below(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_volumes_and_manifest_are_written(registry: Registry, tmp_path: Path) -> None:
    catalogue = [registry.package("aa", {"ct": 1, "pet": 2}), registry.package("bb", {"t1": 3}, packed=True)]
    out = tmp_path / "out"
    got = fetch(out, catalogue=catalogue, min_domains=3)
    assert got.domains == ("ct", "pet", "t1")
    assert got.missing == {}
    tables = {"ct.csv", "pet.csv", "t1.csv"}
    assert files_below(out) == tables | {"manifest.json", "ct/aa.nii.gz", "pet/aa.nii.gz", "t1/bb.nii.gz"}
    body = json.loads((out / "manifest.json").read_text())
    assert {v["source"]["package"] for v in body["volumes"]} == {"aa", "bb"}
    for entry in got.entries:
        content = (out / entry.file).read_bytes()
        assert manifest.sha256(content) == entry.sha256
        assert entry.shape == (6, 5, 4)
        assert entry.spacing == (1.0, 2.0, 3.0)
        assert nibabel.load(out / entry.file).shape == (6, 5, 4)
    assert manifest.load(out) == got


def test_second_call_asks_no_client(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = [registry.package("aa", {"ct": 1})]
    first = fetch(tmp_path / "out", catalogue=catalogue, min_domains=1)
    stamp = (tmp_path / "out/manifest.json").stat().st_mtime_ns

    def no_client(package: Package, folder: Path) -> Path:
        raise AssertionError("nothing is to be downloaded")

    monkeypatch.setattr("trainers.examples.fetching.download", no_client)
    assert fetch(tmp_path / "out", catalogue=catalogue, min_domains=1) == first
    assert (tmp_path / "out/manifest.json").stat().st_mtime_ns == stamp


def test_a_damaged_file_is_fetched_again(registry: Registry, tmp_path: Path) -> None:
    catalogue = [registry.package("aa", {"ct": 1}), registry.package("bb", {"t1": 3})]
    first = fetch(tmp_path / "out", catalogue=catalogue, min_domains=2)
    good = (tmp_path / "out/ct/aa.nii.gz").read_bytes()
    (tmp_path / "out/ct/aa.nii.gz").write_bytes(good[:100])
    said: list[str] = []
    assert fetch(tmp_path / "out", catalogue=catalogue, min_domains=2, progress=said.append) == first
    assert (tmp_path / "out/ct/aa.nii.gz").read_bytes() == good
    assert not any("bb" in line for line in said)


def test_what_cannot_be_fetched_is_left_out_and_tried_again(registry: Registry, tmp_path: Path) -> None:
    here, absent = registry.package("aa", {"ct": 1}), registry.package("bb", {"t1": 3})
    away = registry.folder / "bb-1.0-py3-none-any.whl"
    content = away.read_bytes()
    away.unlink()
    got = fetch(tmp_path / "out", catalogue=[here, absent], min_domains=1)
    assert got.domains == ("ct",)
    assert "bb 1.0" in got.missing["bb"]
    away.write_bytes(content)
    got = fetch(tmp_path / "out", catalogue=[here, absent], min_domains=2)
    assert got.missing == {}
    assert got.domains == ("ct", "t1")


def test_wrong_member_hash_is_refused_and_leaves_no_file(registry: Registry, tmp_path: Path) -> None:
    good = registry.package("aa", {"ct": 1})
    bad = registry.misdescribed(registry.package("bb", {"t1": 3, "t2": 4}))
    got = fetch(tmp_path / "out", catalogue=[good, bad], min_domains=1)
    assert "SHA-256 of bb/t1.nii" in got.missing["bb"]
    assert files_below(tmp_path / "out") == {"manifest.json", "ct.csv", "ct/aa.nii.gz"}


def test_wrong_archive_hash_is_refused_by_the_client(registry: Registry, tmp_path: Path) -> None:
    good = registry.package("aa", {"ct": 1})
    bad = replace(registry.package("bb", {"t1": 3}), sha256="0" * 64)
    got = fetch(tmp_path / "out", catalogue=[good, bad], min_domains=1)
    assert set(got.missing) == {"bb"}
    assert not (tmp_path / "out/t1").exists()


def test_no_registry_at_all(registry: Registry, tmp_path: Path) -> None:
    package = registry.package("aa", {"ct": 1})
    for path in registry.folder.iterdir():
        path.unlink()
    with pytest.raises(NoRegistry, match="no registry answers: 0 of 1 domains"):
        fetch(tmp_path / "out", catalogue=[package], min_domains=1)
    assert not (tmp_path / "out").exists()


def test_a_silent_registry_is_asked_twice_only(registry: Registry, tmp_path: Path) -> None:
    packages = [registry.package(name, {name: 1}) for name in ("aa", "bb", "cc")]
    for path in registry.folder.iterdir():
        path.unlink()
    said: list[str] = []
    with pytest.raises(NoRegistry, match="cc: pip gave no answer before"):
        fetch(tmp_path / "out", catalogue=packages, min_domains=1, progress=said.append)
    assert len([line for line in said if line.startswith("left out")]) == 2


def test_reasons_carry_no_address() -> None:
    said = "E: Failed to fetch http://user:secret@mirror/pool/a.deb  Could not connect"
    assert _reason(said, "apt-get") == "E: Failed to fetch ...  Could not connect"


def test_too_few_domains_is_not_taken_for_no_registry(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(TooFewDomains, match="1 of 2 domains could be had"):
        fetch(tmp_path / "out", catalogue=[registry.package("aa", {"ct": 1})], min_domains=2)


def test_write_is_whole_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "ct" / "a.nii.gz"
    manifest.write(target, b"old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainers.examples.manifest.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        manifest.write(target, b"new and longer")
    assert target.read_bytes() == b"old"
    assert files_below(tmp_path) == {"ct/a.nii.gz"}


def test_an_unreadable_manifest_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{half")
    assert manifest.load(tmp_path) is None
    empty = Manifest("examples", ())
    manifest.save(tmp_path, empty)
    assert manifest.load(tmp_path) == empty


def test_catalogue_is_consistent() -> None:
    volumes = [v for p in CATALOGUE for v in p.volumes]
    assert len({v.file for v in volumes}) == len(volumes)
    assert len({v.domain for v in volumes}) >= 5
    assert all(len(v.sha256) == 64 for v in volumes)
    assert not any(v.subject in v.name for v in volumes)
    assert all(p.sha256 or p.client == "apt" for p in CATALOGUE)
    for domain in {v.domain for v in volumes}:
        assert len({v.subject for v in volumes if v.domain == domain}) >= 2


@pytest.mark.slow
def test_real_volumes_from_real_registries(tmp_path: Path) -> None:
    got = fetch(tmp_path, progress=print)
    assert len(got.domains) >= 5
