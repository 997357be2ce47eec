"""Synthetic prepared data: lists without files, and small volumes on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from trainers.volumes.records import PreparedData, PreparedDomain, PreparedVolume

CROP = (8, 8, 8)
EDGE = 12


def volume(domain: str, number: int, crops: int, folder: Path | None = None) -> PreparedVolume:
    name = f"{domain}-{number}"
    file, places = (str(folder / f"{name}.npy"), str(folder / f"{name}.places.npy")) if folder else ("", "")
    shape = (EDGE, EDGE, EDGE)
    box = ((0, EDGE),) * 3
    return PreparedVolume(name, name, "", file, places, crops, shape, (box[0], box[1], box[2]), 0.0)


def listing(crops: Mapping[str, Sequence[int]], folder: Path | None = None) -> PreparedData:
    domains = {
        name: PreparedDomain(name, "mr", tuple(volume(name, i, n, folder) for i, n in enumerate(counts)), ())
        for name, counts in crops.items()
    }
    return PreparedData(domains, CROP)


@pytest.fixture(scope="session")
def make_data() -> Callable[[Mapping[str, Sequence[int]]], PreparedData]:
    """From crops by volume by domain to prepared data without files."""
    return listing


@pytest.fixture
def cached_data(tmp_path: Path) -> PreparedData:
    """Three small domains on disk; every voxel of a volume differs from every other."""
    data = listing({"ct": [3, 2], "mr": [4], "pet": [2, 2, 2]}, tmp_path)
    for domain in data.domains.values():
        for item in domain.train:
            rng = np.random.default_rng([len(item.key), sum(map(ord, item.key))])
            np.save(item.file, rng.normal(size=item.shape).astype(np.float32))
            np.save(item.places, np.stack([rng.permutation(5)[: item.crops] + 4] * 3, axis=1).astype(np.int32))
    return data
