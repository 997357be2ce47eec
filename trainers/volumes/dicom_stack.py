"""From slices to a stack: one series, one plane, even steps. Every slice is looked at, not the first and last."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trainers.volumes.dicom_slice import Slice
from trainers.volumes.refused import Refused
from trainers.volumes.tolerance import POSITION_TOLERANCE_MM, same_direction, same_spacing

Vector = npt.NDArray[np.float64]

UNEVEN = 0.1  # of a step (or of a pixel, sideways): what positions may deviate by before slices are missing or moved
LARGEST_TILT = 0.5  # degrees between the steps and the normal of the slices; more is a gantry that was tilted


@dataclasses.dataclass(frozen=True)
class Stack:
    """Slices in order of place, those at one place in order of time, and the affine to LPS millimetres."""

    places: tuple[tuple[Slice, ...], ...]
    affine: Vector
    step: float


def stack(slices: Sequence[Slice]) -> Stack:
    """Put the slices of one series in order.

    Raises `Refused` on several series or patients, copies, mixed sizes, planes or pixel spacings, gaps, repeats,
    slices that are shifted sideways, and a tilted gantry.
    """
    _one_series(slices)
    first = slices[0]
    across, down = first.cosines[:3], first.cosines[3:]
    normal = np.cross(across, down)
    places = _by_place(slices, normal)
    if len(places) < 2:
        raise Refused(f"{len(slices)} slice", "one slice is no volume; leave it out or join the slices")
    leaders = [group[0] for group in places]
    along = np.array([s.position @ normal for s in leaders])
    _check_frames(places)
    _check_gaps(leaders, along)
    _check_sideways(places, along, across, down)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = across * first.spacing[1], down * first.spacing[0]
    affine[:3, 2] = (leaders[-1].position - leaders[0].position) / (len(leaders) - 1)
    affine[:3, 3] = leaders[0].position
    return Stack(places, affine, float(np.median(np.diff(along))))


def _one_series(slices: Sequence[Slice]) -> None:
    found = Counter((str(s.header.get("SeriesInstanceUID", "")), s.header.get("SeriesNumber", None)) for s in slices)
    if len({uid for uid, _ in found}) > 1:
        counts = sorted((int(number or 0), count) for (_, number), count in found.items())
        named = ", ".join(f"series {number} ({count} files)" for number, count in counts)
        raise Refused(named, "the folder holds more than one series; put each into a folder of its own")
    if len({str(s.header.get("PatientID", "")) for s in slices}) > 1:
        raise Refused("more than one PatientID", "slices of several patients; put each into a folder of its own")
    _no_copies(slices)
    _alike(
        slices, lambda s: s.extents, _equal, "Rows and Columns", "slices differ in size; keep one kind in the folder"
    )
    _alike(
        slices, lambda s: s.cosines, same_direction, "ImageOrientationPatient",
        "slices lie in different planes; keep one plane in the folder",
    )  # fmt: skip
    _alike(
        slices, lambda s: s.spacing, same_spacing, "PixelSpacing",
        "slices differ in the size of their pixels; keep one kind in the folder",
    )  # fmt: skip
    _alike(
        slices, lambda s: str(s.header.get("FrameOfReferenceUID", "") or ""), _equal_if_given, "FrameOfReferenceUID",
        "the places of slices do not compare, as after the patient was moved; keep one frame of reference",
    )  # fmt: skip
    if slices[0].inverted:
        _alike(
            slices, lambda s: str(s.value_range), _equal, "range of stored values",
            "slices of MONOCHROME1 would be inverted differently; convert the series to MONOCHROME2",
        )  # fmt: skip
    for tag in ("Modality", "PhotometricInterpretation", "RescaleType", "Units"):
        _alike(
            slices, lambda s, tag=tag: str(s.header.get(tag, "") or ""), _equal, tag,  # type: ignore[misc]
            "slices of different kinds; keep one kind in the folder",
        )  # fmt: skip
    _alike(
        slices, lambda s: s.image_type[:2], _equal, "ImageType",
        "slices of different kinds; keep one kind in the folder",
    )  # fmt: skip
    _alike(slices, lambda s: s.part, _equal, "part of complex voxels", "keep only the magnitude in the folder")
    _alike(
        slices, lambda s: "none" if s.rescale is None else "given", _equal, "RescaleSlope",
        "some slices have a scaling and some none, so their values do not compare; mend the series",
    )  # fmt: skip


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other)


def _equal_if_given(one: str, other: str) -> bool:
    return not one or not other or one == other


def _alike(
    slices: Sequence[Slice],
    value: Callable[[Slice], Any],
    same: Callable[[Any, Any], bool],
    tag: str,
    cause: str,
) -> None:
    """Raise `Refused` with the name of a slice whose value is not that of most."""
    others = [s for s in slices if not same(value(slices[0]), value(s))]
    if not others:
        return
    odd, rest = (slices[0], others[0]) if len(others) > len(slices) // 2 else (others[0], slices[0])
    shown, usual = (_shown(value(s)) for s in (odd, rest))
    raise Refused(f"{odd.name}: {tag} {shown}, others {usual}", cause)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value or "none"
    return "\\".join(v if isinstance(v, str) else f"{v:.7g}" for v in value) or "none"


def _no_copies(slices: Sequence[Slice]) -> None:
    seen: dict[str, Slice] = {}
    for item in slices:
        uid = str(item.header.get("SOPInstanceUID", "") or "")
        if uid and uid in seen:
            raise Refused(f"{item.name} and {seen[uid].name}", "the same image twice (SOPInstanceUID); remove the copy")
        seen[uid] = item


def _by_place(slices: Sequence[Slice], normal: Vector) -> tuple[tuple[Slice, ...], ...]:
    """Slices grouped by place along the normal, in order of place, each group in order of time."""
    groups: list[list[Slice]] = []
    begun = -math.inf
    for item in sorted(slices, key=lambda s: float(s.position @ normal)):
        place = float(item.position @ normal)
        if place - begun > POSITION_TOLERANCE_MM:
            groups.append([])
            begun = place
        groups[-1].append(item)
    counts = Counter(len(group) for group in groups)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        odd = next(group for group in groups if len(group) != usual)[0]
        raise Refused(
            f"{min(counts)} to {max(counts)} slices a place, {odd.name} is at an odd one",
            "slices are missing or repeated; mend the series",
        )
    return tuple(tuple(sorted(group, key=lambda s: s.order)) for group in groups)


def _check_gaps(leaders: Sequence[Slice], along: Vector) -> None:
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    if gaps.max() - gaps.min() > UNEVEN * usual:
        worst = int(np.abs(gaps - usual).argmax())
        raise Refused(
            f"gaps of {gaps.min():.2f} to {gaps.max():.2f} mm, the odd one behind {leaders[worst].name}",
            "slices are missing; complete the series",
        )
    off = np.abs(along - np.linspace(along[0], along[-1], len(along)))
    if off.max() > UNEVEN * usual:
        raise Refused(
            f"{leaders[int(off.argmax())].name}: {off.max():.2f} mm from where even steps would put it",
            f"the steps of the series change slowly, from {gaps[0]:.3g} to {gaps[-1]:.3g} mm; resample it to even ones",
        )


def _check_frames(places: Sequence[Sequence[Slice]]) -> None:
    """Where several images lie at each place, their order must be known, and be the same one at all places."""
    if len(places[0]) == 1:
        return
    for group in places:
        known = {(s.order[:3], s.kind) for s in group}
        if len(known) < len(group):
            raise Refused(
                f"{group[0].name} and {group[1].name} at one place",
                "their order is not known (InstanceNumber is missing or the same); keep one image a place",
            )
    for frame in zip(*places, strict=True):
        _alike(
            frame, lambda s: s.kind, _equal, "EchoTime and ImageType",
            "echoes or kinds of images change from slice to slice; put each into a folder of its own",
        )  # fmt: skip


def _check_sideways(places: Sequence[Sequence[Slice]], along: Vector, across: Vector, down: Vector) -> None:
    """Positions must lie on one line, and that line along the normal."""
    first = places[0][0]
    axes = np.stack([across, down])
    offsets = np.array([axes @ (group[0].position - first.position) for group in places])
    slopes = np.median(np.diff(offsets, axis=0) / np.diff(along)[:, None], axis=0)
    rest = offsets - slopes * (along - along[0])[:, None]
    rest -= np.median(rest, axis=0)
    limit = max(POSITION_TOLERANCE_MM, UNEVEN * min(first.spacing))
    worst = int(np.abs(rest).max(axis=1).argmax())
    if np.abs(rest[worst]).max() > limit:
        raise Refused(
            f"{places[worst][0].name}: ImagePositionPatient {np.linalg.norm(rest[worst]):.2f} mm beside the others",
            "a slice is shifted sideways; mend the series",
        )
    for group in places:
        for item in group[1:]:
            if np.abs(axes @ (item.position - group[0].position)).max() > limit:
                raise Refused(f"{item.name}: ImagePositionPatient", "a slice is shifted sideways; mend the series")
    tilt = math.degrees(math.atan(float(np.linalg.norm((offsets[-1] - offsets[0]) / (along[-1] - along[0])))))
    if tilt > LARGEST_TILT:
        said = first.header.get("GantryDetectorTilt")
        tag = "" if said in (None, "") else f", GantryDetectorTilt {float(said):g}"
        raise Refused(
            f"steps lean by {tilt:.1f} degrees{tag}",
            "its gantry was tilted, so the volume would be sheared; correct the tilt (dcm2niix does) or leave it out",
        )
