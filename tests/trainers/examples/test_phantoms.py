"""Phantoms: the same seed gives the same bytes, and what is planted is what is there."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from trainers.examples import Entry, data_section, hub_island, manifest, shared_domains, stand_ins, write_phantoms
from trainers.examples.anatomy import anatomy
from trainers.examples.catalogue import CATALOGUE
from trainers.examples.patterns import PERIOD, WAVES, dictionaries, shared_parts, texture
from trainers.examples.section import KINDS


def power(regions: np.ndarray, volume: np.ndarray, pattern: int) -> float:
    """Part of the volume's variance that lies in one pattern, region by region."""
    places = np.stack(np.meshgrid(*[np.arange(n) for n in volume.shape], indexing="ij"), axis=-1)
    wave = np.exp(-2j * np.pi / PERIOD * (places @ np.array(WAVES[pattern])))
    total = 0.0
    for region in np.unique(regions):
        inside = regions == region
        total += 2 * abs((volume[inside] * wave[inside]).mean()) ** 2 * inside.sum()
    return total / (volume.var() * volume.size)


def test_same_seed_same_bytes_and_other_seed_others(tmp_path: Path) -> None:
    domains = hub_island(leaves=2)
    one, again, other = (
        write_phantoms(tmp_path / name, seed=seed, domains=domains, volumes=2, size=24)
        for name, seed in (("a", 4), ("b", 4), ("c", 5))
    )
    assert one == again
    assert not {e.sha256 for e in one.entries} & {e.sha256 for e in other.entries}
    assert manifest.load(tmp_path / "a") == one


def test_files_are_what_the_manifest_says(tmp_path: Path) -> None:
    got = write_phantoms(tmp_path, domains=hub_island(leaves=2), volumes=3, size=20)
    assert got.kind == "phantoms"
    assert got.domains == ("hub", "island", "leaf_1", "leaf_2")
    assert len({e.subject for e in got.entries}) == len(got.entries) == 12
    for entry in got.entries:
        assert isinstance(entry, Entry)
        image = nibabel.load(tmp_path / entry.file)
        assert image.shape == entry.shape == (20, 20, 20)
        assert image.header.get_zooms() == pytest.approx((2.0, 2.0, 2.0))
        assert manifest.intact(tmp_path, entry)


def test_hub_and_island_are_planted() -> None:
    domains = {d.name: d.patterns for d in hub_island(leaves=3, patterns=2)}
    parts = shared_parts(domains)
    for leaf in ("leaf_1", "leaf_2", "leaf_3"):
        assert parts[leaf]["hub"] == 1.0
        assert parts["hub"][leaf] == pytest.approx(1 / 3)
        assert all(parts[leaf][other] == 0 for other in domains if other not in (leaf, "hub"))
    assert all(part == 0 for part in parts["island"].values())
    assert all(parts[other]["island"] == 0 for other in domains if other != "island")


def test_the_dial_is_met_exactly() -> None:
    shared = [[1, 0.5, 0.25], [0.5, 1, 0], [0.5, 0, 1]]
    domains = shared_domains(["a", "b", "c"], ["ct", "t1", "pet"], [4, 4, 2], shared)
    parts = shared_parts({d.name: d.patterns for d in domains})
    assert parts == {"a": {"b": 0.5, "c": 0.25}, "b": {"a": 0.5, "c": 0.0}, "c": {"a": 0.5, "b": 0.0}}
    assert [len(d.patterns) for d in domains] == [4, 4, 2]


def test_stand_ins_have_the_names_and_kinds_of_the_real_domains(tmp_path: Path) -> None:
    real = {v.domain for p in CATALOGUE for v in p.volumes}
    assert {d.name for d in stand_ins()} == real
    manifest = write_phantoms(tmp_path, domains=stand_ins(), volumes=2, size=16)
    assert {n: d["kind"] for n, d in data_section(manifest)["domains"].items()} == {n: KINDS.get(n, "mr") for n in real}


@pytest.mark.parametrize(
    ("counts", "shared", "message"),
    [
        ([4, 4], [[1, 0.3], [0.3, 1]], r"would share 1\.2 and 1\.2 patterns"),
        ([4, 2], [[1, 0.5], [0.5, 1]], "would share 2 and 1 patterns"),
        ([2, 2, 2], [[1, 1, 1], [1, 1, 0], [1, 0, 1]], "'a' would share 4 of its 2 patterns"),
        ([20, 20], [[1, 0], [0, 1]], "there are 28 patterns"),
    ],
)
def test_impossible_dials_are_refused(counts: list[int], shared: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dictionaries(["a", "b", "c"][: len(counts)], counts, shared)


def test_texture_holds_its_patterns_and_no_others() -> None:
    random = np.random.default_rng(0)
    body = anatomy(40, random)
    volume = texture(body.regions, (2, 5), random)
    assert volume.mean() == pytest.approx(0, abs=1e-4)
    assert volume.std() == pytest.approx(1, abs=1e-4)
    inside = sum(power(body.regions, volume, p) for p in (2, 5))
    outside = max(power(body.regions, volume, p) for p in range(len(WAVES)) if p not in (2, 5))
    assert inside > 0.95
    assert outside < 0.05


def test_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 2 volumes"):
        write_phantoms(tmp_path, volumes=1)
