"""One frame as training will see it: preprocessed as for the cache, judged, and its crops counted."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainers.config.data import DataConfig
from trainers.volumes.appearance import after, appearance_of, split_steps
from trainers.volumes.cache import PLACES_VERSION, fitted
from trainers.volumes.places import Mask, choose_places, foreground_box, whole_box
from trainers.volumes.quality import Remark, judge
from trainers.volumes.readers import Affine, Array, read_voxels
from trainers.volumes.recipe import VERSION, clip_range, execute, recipe_of
from trainers.volumes.records import Box, Size
from trainers.volumes.refused import Refused
from trainers.volumes.slab import cut_slab
from trainers.volumes.sources import Source

FRAME_VERSION = 3  # raise it with any change of what is measured or judged: every volume is then looked at anew


@dataclasses.dataclass(frozen=True)
class Frame:
    """What a frame holds, or with a `cause` why it is left out. A frame with `warnings` is used.

    Attributes
    ----------
    voxels:
        Hash of the voxels as read and of their shape.
    shape:
        After preprocessing, in voxels (R, A, S).
    foreground:
        The smallest box around the foreground of the preprocessed voxels.
    crops:
        Effective crops of the whole volume.
    slab_crops:
        Effective crops (to train on, to hold out) where a slab is held out; (0, 0) where it is too short for one.
    warnings:
        (value, cause) of each.
    """

    number: int
    voxels: str = ""
    shape: Size = (0, 0, 0)
    foreground: Box = ((0, 0), (0, 0), (0, 0))
    crops: int = 0
    slab_crops: tuple[int, int] = (0, 0)
    warnings: tuple[tuple[str, str], ...] = ()
    value: str = ""
    cause: str = ""

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Frame:
        x, y, z = (int(n) for n in body["shape"])
        bx, by, bz = ((int(low), int(high)) for low, high in body["foreground"])
        train, held = body["slab_crops"]
        warnings = tuple((value, cause) for value, cause in body["warnings"])
        tuples = {"shape": (x, y, z), "foreground": (bx, by, bz), "slab_crops": (train, held), "warnings": warnings}
        return cls(**{**body, **tuples})


def asked_of(config: DataConfig, name: str) -> list[Any]:
    """All that the answer depends on besides the file: preprocessing, rules, crop, slab."""
    domain = config.domains[name]
    steps = [dict(step) for step in recipe_of(domain)]
    rules = [domain.kind, domain.suspicious, domain.frames]
    return [steps, rules, config.dtype, config.crop, slab_fraction(config, name), VERSION, PLACES_VERSION]


def slab_fraction(config: DataConfig, name: str) -> float:
    """Of a volume, to hold out where the domain has one subject."""
    wanted = config.domains[name].held_out
    return wanted if isinstance(wanted, float) else config.held_out


def look_at(source: Source, config: DataConfig, number: int) -> Frame:
    """Read a frame, preprocess it as for the cache and judge what comes out."""
    voxels, affine = read_voxels(source.format, source.files, number, whole=number == 0)
    try:
        _check_voxels(voxels)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused with its values
            return _judged(source, config, number, voxels, affine)
    except Refused as refused:
        return Frame(number, value=refused.value, cause=refused.cause)


def _check_voxels(voxels: Array) -> None:
    bad = voxels.size - int(np.isfinite(voxels).sum())
    if bad:
        raise Refused(f"{bad} of {voxels.size} voxels are NaN or infinite", "mend or leave out the file")
    if voxels.min() == voxels.max():
        raise Refused(f"every voxel is {voxels.flat[0]:g}", "a constant volume teaches nothing; leave it out")


def _judged(source: Source, config: DataConfig, number: int, voxels: Array, affine: Affine) -> Frame:
    domain = config.domains[source.domain]
    first, rest = split_steps(recipe_of(domain))
    low, high = clip_range(voxels, rest[0])
    if voxels.max() <= low + rest[0]["foreground"] * (high - low):
        raise Refused(
            f"values {voxels.min():g} to {voxels.max():g}, all below the window {low:g} to {high:g}",
            "only background; check the units, the window and the kind of the domain",
        )
    raw = appearance_of(voxels, rest[0])
    _refuse(judge(raw, domain))
    moved = execute(first, voxels, affine)
    if not np.isfinite(moved.voxels).all():
        raise Refused(
            f"values {voxels.min():g} to {voxels.max():g}", "resampling it overflows; check its units and its header"
        )
    seen = execute(rest, moved.voxels, moved.affine)
    stored = fitted(seen.voxels, config.dtype)
    mask: Mask = stored > seen.threshold
    if not mask.any():
        raise Refused(f"values {voxels.min():g} to {voxels.max():g}", "only background is left after resampling")
    remarks = judge(after(raw, rest[0], moved.voxels, seen), domain)
    _refuse(remarks)
    x, y, z = stored.shape
    box = foreground_box(mask)
    return Frame(
        number=number,
        voxels=_digest(voxels),
        shape=(x, y, z),
        foreground=box,
        crops=len(choose_places(mask, whole_box(mask.shape), config.crop)),
        slab_crops=_slab_crops(mask, box, config, source.domain),
        warnings=tuple((remark.value, remark.cause) for remark in remarks),
    )


def _refuse(remarks: Sequence[Remark]) -> None:
    for remark in remarks:
        if remark.severity == "quarantined":
            raise Refused(remark.value, remark.cause)


def _digest(voxels: Array) -> str:
    """Equal for equal voxels, whatever the format and the geometry that a header tells."""
    digest = hashlib.sha256(np.ascontiguousarray(voxels, dtype="<f4").data)
    digest.update(repr(voxels.shape).encode())
    return digest.hexdigest()


def _slab_crops(mask: Mask, box: Box, config: DataConfig, name: str) -> tuple[int, int]:
    try:
        slab = cut_slab(box, config.crop, slab_fraction(config, name))
    except Refused:
        return 0, 0
    train, held = (len(choose_places(mask, side, config.crop)) for side in slab.boxes(mask.shape))
    return train, held
