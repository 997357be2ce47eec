"""Seeded phantoms: volumes of several domains whose worth to each other is planted, so that it can be looked for."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from . import manifest as manifests
from .anatomy import SCANNERS, Modality, anatomy, render
from .manifest import Entry, Manifest, sha256
from .patterns import Shared, dictionaries, shared_parts, texture
from .section import write_tables

SPACING_MM = 2.0
CONTRAST = 0.15
LEAF_STRENGTH, ISLAND_STRENGTH = 0.4, 0.8
HOLD_OUT_EVERY = 4  # one subject of four, two of six


@dataclass(frozen=True)
class PhantomDomain:
    """A domain to render: how it looks (modality) and which patterns its tissue is made of (indices into WAVES).

    `contrast` is that between tissues, `strength` that of everything. A draw of a strong domain moves the model
    further, as long as intensities are scaled by the fixed window that the manifest names, not volume by volume.
    """

    name: str
    modality: Modality
    patterns: tuple[int, ...]
    contrast: float = CONTRAST
    strength: float = 1.0


def shared_domains(
    names: Sequence[str], modalities: Sequence[Modality], counts: Sequence[int], shared: Shared
) -> tuple[PhantomDomain, ...]:
    """Domains with a set part of their patterns in common; see `dictionaries` for `counts` and `shared`."""
    sets = dictionaries(names, counts, shared)
    return tuple(PhantomDomain(n, m, p) for n, m, p in zip(names, modalities, sets, strict=True))


def hub_island(leaves: int = 4, patterns: int = 1) -> tuple[PhantomDomain, ...]:
    """One hub, `leaves` leaves and one island, with `patterns` patterns to a leaf.

    The hub's tissue is made of the patterns of all leaves, so each of its draws teaches all of them. Leaves share
    nothing with each other. The island shares nothing with anyone. Leaves are faint, so that in a mixture the draws
    of the hub move the model most: with half of 9,600 draws from the hub a nano model ended with a mean log loss 0.08
    below that of the uniform mixture (crops of 16, patches of 4, the windows of the manifest).
    """
    looks: tuple[Modality, ...] = ("ct", "t2", "pet", "t1")
    names = ["hub", *(f"leaf_{i + 1}" for i in range(leaves)), "island"]
    domains = _star(names, ["t1", *(looks[i % len(looks)] for i in range(leaves)), "t2"], patterns)
    strengths = [1.0, *[LEAF_STRENGTH] * leaves, ISLAND_STRENGTH]
    return tuple(replace(d, strength=s) for d, s in zip(domains, strengths, strict=True))


def stand_ins() -> tuple[PhantomDomain, ...]:
    """Phantoms under the names of the real example domains, where those cannot be had: T1 is the hub, CT the island."""
    return _star(["t1", "t1gd", "t2pd", "epi", "nuclear", "ct"], ["t1", "t1", "t2", "t2", "pet", "ct"], 1)


def _star(names: Sequence[str], modalities: Sequence[Modality], patterns: int) -> tuple[PhantomDomain, ...]:
    """The first domain has the patterns of all but the last; the last has its own."""
    leaves = len(names) - 2
    shared = np.zeros((len(names), len(names)))
    shared[0, 1:-1], shared[1:-1, 0] = 1 / leaves, 1.0
    return shared_domains(names, modalities, [leaves * patterns, *[patterns] * (leaves + 1)], shared.tolist())


def write_phantoms(
    folder: Path | str,
    *,
    seed: int = 0,
    domains: Sequence[PhantomDomain] | None = None,
    volumes: int = 6,
    size: int = 64,
) -> Manifest:
    """Write `volumes` volumes of `size`^3 voxels for each domain as NIfTI, one folder per domain, with a manifest.

    By default the domains of `hub_island`. Every volume is a subject of its own. The same arguments give the same
    bytes. `Manifest.planted` tells the parts in common and the patterns.
    """
    if volumes < 2 or size < 16:
        raise ValueError(f"{volumes} volumes of {size} voxels: phantoms need at least 2 volumes of at least 16 voxels")
    root, chosen = Path(folder), tuple(domains or hub_island())
    entries = [
        _write(root, domain, number, np.random.default_rng([seed, place, number]), size)
        for place, domain in enumerate(chosen)
        for number in range(volumes)
    ]
    dictionary = {d.name: d.patterns for d in chosen}
    planted = {
        "seed": seed,
        "shared": shared_parts(dictionary),
        "patterns": {n: list(p) for n, p in dictionary.items()},
    }
    result = Manifest("phantoms", tuple(entries), planted=planted)
    manifests.save(root, result)
    write_tables(root, result)
    return result


def _write(root: Path, domain: PhantomDomain, number: int, random: np.random.Generator, size: int) -> Entry:
    body = anatomy(size, random)
    pattern = texture(body.regions, domain.patterns, random)
    voxels = render(body, pattern, domain.modality, random, contrast=domain.contrast, strength=domain.strength)
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    image = nibabel.Nifti1Image(np.round(voxels).astype(np.int16), affine)
    image.header.set_xyzt_units("mm")
    content = gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)
    subject = f"{domain.name}-{number:02d}"
    file = f"{domain.name}/volume_{number:02d}.nii.gz"
    manifests.write(root / file, content)
    source: dict[str, Any] = {"package": "isthmus", "licence": "Apache-2.0", "modality": domain.modality}
    source["window"] = list(SCANNERS[domain.modality].window)
    held_out = number % HOLD_OUT_EVERY == 0
    return Entry(domain.name, subject, file, (size,) * 3, (SPACING_MM,) * 3, sha256(content), source, held_out)
