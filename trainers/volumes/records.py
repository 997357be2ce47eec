"""What preparation leaves behind: small, picklable records that name cached volumes and crop places.

Nothing in `to_dict` tells a path, a subject id or a patient field, so the manifest may be tracked.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

Size = tuple[int, int, int]
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def digest_of(body: object) -> str:
    """SHA-256 (hex) of the canonical JSON of `body`."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing wrong with one file: what was found, why it matters.

    `severity` is `quarantined` (the file is left out) or `warning` (it is used all the same).
    `path` is for this machine's console only: it is never written to a manifest.
    """

    domain: str
    file: str
    value: str
    cause: str
    severity: str = "quarantined"
    path: str = dataclasses.field(default="", compare=False, repr=False)

    def line(self, *, local: bool = False) -> str:
        """One sentence; with `local` it names the full path, which must not leave the machine."""
        shown = self.path if local and self.path else self.file
        found = f" (found: {self.value})" if self.value else ""
        return f"domain '{self.domain}': {shown} {self.severity}: {self.cause}{found}"

    def to_dict(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("domain", "file", "value", "cause", "severity")}

    @classmethod
    def from_dict(cls, body: Mapping[str, str]) -> Problem:
        return cls(**body)


@dataclasses.dataclass(frozen=True)
class PreparedVolume:
    """A preprocessed volume in the cache, or the part of it that one side of the split may read.

    Parameters
    ----------
    key:
        16 hex digits that stand for content, frame and preprocessing; safe to show.
    name:
        Hashed subject and file name; never a full path or a patient field.
    sha256:
        Of the source file (of a DICOM folder: of the sorted hashes of its files).
    file:
        The `.npy` in the cache, axes (R, A, S), little-endian float16 or float32.
    places:
        The `.npy` of crop centres in voxels, int32 (crops, 3).
    crops:
        Effective distinct crops; indices run over [0, crops).
    shape:
        Of the cached array, in voxels.
    box:
        (first, one past last) per axis: the region that crops are read from, the whole volume unless
        a slab is held out.
    fill:
        Value of the background, for padding volumes that are smaller than a crop.
    frame:
        Of a 4D source.
    """

    key: str
    name: str
    sha256: str
    file: str
    places: str
    crops: int
    shape: Size
    box: Box
    fill: float
    frame: int = 0

    def to_dict(self) -> dict[str, Any]:
        body = dataclasses.asdict(self)
        body["file"], body["places"] = Path(self.file).name, Path(self.places).name
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any], cache: str | Path = "") -> PreparedVolume:
        lo_hi = [(int(lo), int(hi)) for lo, hi in body["box"]]
        values = dict(body)
        values["file"], values["places"] = str(Path(cache) / body["file"]), str(Path(cache) / body["places"])
        values["shape"], values["box"] = tuple(int(n) for n in body["shape"]), (lo_hi[0], lo_hi[1], lo_hi[2])
        return cls(**values)


@dataclasses.dataclass(frozen=True)
class HeldOutCrop:
    """One fixed crop for evaluation: a volume and the centre of the crop in voxels."""

    volume: PreparedVolume
    centre: Size


@dataclasses.dataclass(frozen=True)
class PreparedDomain:
    """A domain ready to be drawn from, and what is held out of it.

    `transforms` lists the preprocessing that was executed, step by step; `slab` says that training
    and held-out crops come from two ends of the same volumes, for want of a second subject.
    """

    name: str
    kind: str
    train: tuple[PreparedVolume, ...]
    held_out: tuple[HeldOutCrop, ...]
    problems: tuple[Problem, ...] = ()
    transforms: tuple[Mapping[str, Any], ...] = ()
    slab: bool = False

    @property
    def pool(self) -> int:
        """Distinct draws before the domain repeats itself."""
        return sum(volume.crops for volume in self.train)

    @property
    def digest(self) -> str:
        """Of the list of training items, in order: what a stage of the stream depends on."""
        return digest_of([[v.key, v.crops, v.box] for v in self.train])

    def without(self, keys: Collection[str]) -> PreparedDomain:
        """The domain less the volumes in `keys`, on both sides; the order of the rest is kept."""
        gone = set(keys)
        return dataclasses.replace(
            self,
            train=tuple(v for v in self.train if v.key not in gone),
            held_out=tuple(c for c in self.held_out if c.volume.key not in gone),
        )

    def to_dict(self) -> dict[str, Any]:
        held = {_identity(c.volume): c.volume for c in self.held_out}
        return {
            "name": self.name,
            "kind": self.kind,
            "pool": self.pool,
            "digest": self.digest,
            "slab": self.slab,
            "train": [v.to_dict() for v in self.train],
            "held_out": [v.to_dict() for v in held.values()],
            "held_out_crops": [[list(held).index(_identity(c.volume)), *c.centre] for c in self.held_out],
            "problems": [p.to_dict() for p in self.problems],
            "transforms": [dict(t) for t in self.transforms],
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any], cache: str | Path = "") -> PreparedDomain:
        held = [PreparedVolume.from_dict(v, cache) for v in body["held_out"]]
        return cls(
            name=body["name"],
            kind=body["kind"],
            train=tuple(PreparedVolume.from_dict(v, cache) for v in body["train"]),
            held_out=tuple(HeldOutCrop(held[which], (x, y, z)) for which, x, y, z in body["held_out_crops"]),
            problems=tuple(Problem.from_dict(p) for p in body["problems"]),
            transforms=tuple(body["transforms"]),
            slab=body["slab"],
        )


def _identity(volume: PreparedVolume) -> tuple[str, Box]:
    return volume.key, volume.box


@dataclasses.dataclass(frozen=True)
class PreparedData:
    """Every domain of a run. `cache` is where the files lie; it is not part of the manifest."""

    domains: Mapping[str, PreparedDomain]
    crop: Size
    cache: str = ""

    @property
    def digest(self) -> str:
        """Of all that training and evaluation read: item lists, held-out crops, crop size."""
        held = {n: [[c.volume.key, c.centre] for c in d.held_out] for n, d in self.domains.items()}
        return digest_of([{n: d.digest for n, d in self.domains.items()}, held, self.crop])

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(problem for domain in self.domains.values() for problem in domain.problems)

    def to_dict(self) -> dict[str, Any]:
        """The JSON manifest, fit to be tracked."""
        domains = {name: domain.to_dict() for name, domain in self.domains.items()}
        return {"format": 1, "digest": self.digest, "crop": list(self.crop), "domains": domains}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any], cache: str | Path = "") -> PreparedData:
        """Read a manifest back; `cache` is the folder where the cached files lie now."""
        domains = {name: PreparedDomain.from_dict(d, cache) for name, d in body["domains"].items()}
        x, y, z = (int(n) for n in body["crop"])
        return cls(domains=domains, crop=(x, y, z), cache=str(cache))
