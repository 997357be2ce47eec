"""What is fetched or rendered can be configured and found by the reader of volumes as it is."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from trainers.config.data import DataConfig
from trainers.examples import data_section, fetch, hub_island, write_phantoms
from trainers.volumes.sources import find_sources

from .conftest import Registry


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_phantoms_can_be_read_as_configured(tmp_path: Path) -> None:
    manifest = write_phantoms(tmp_path, domains=hub_island(leaves=1), volumes=4, size=20)
    config = DataConfig(**data_section(manifest), root=str(tmp_path), crop=16)
    assert {n: d.kind for n, d in config.domains.items()} == {"hub": "mr", "island": "mr", "leaf_1": "ct"}
    assert config.domains["leaf_1"].clip_window == (-1000.0, 1000.0)
    for name, domain in config.domains.items():
        sources = find_sources(name, domain, tmp_path)
        assert [s.path for s in sources] == [tmp_path / e.file for e in manifest.of(name)]
        assert [s.held_out for s in sources] == [True, False, False, False]
        assert [s.subject for s in sources] == [e.subject for e in manifest.of(name)]


def test_held_out_is_named_only_where_both_sides_are_there(registry: Registry, tmp_path: Path) -> None:
    train = registry.package("aa", {"ct": 1, "t1": 2})
    test = registry.package("bb", {"ct": 3})
    test = replace(test, volumes=tuple(replace(v, held_out=True) for v in test.volumes))
    got = fetch(tmp_path, catalogue=[train, test], min_domains=2)
    assert [(r["path"], r["held_out"]) for r in rows(tmp_path / "ct.csv")] == [
        ("ct/aa.nii.gz", "false"),
        ("ct/bb.nii.gz", "true"),
    ]
    assert set(rows(tmp_path / "t1.csv")[0]) == {"path", "subject"}
    assert data_section(got) == {
        "domains": {"ct": {"path": "ct.csv", "kind": "ct"}, "t1": {"path": "t1.csv", "kind": "mr"}}
    }
