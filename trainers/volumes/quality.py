"""Is a frame, as training will see it, an image of the kind that its domain holds?

Each rule names one fault, gives the value it saw and says what to do. A `quarantined` frame is left out, one with a
`warning` is used. Where a domain says `suspicious: warn`, only what cannot be trained on is quarantined.

The limits were set on the eighteen real volumes of `isthmus data fetch-examples` (CT, T1, T2, PD, EPI, diffusion, PET,
SPECT, transmission), on those quantised to 256 to 4 levels, thresholded, skull-stripped, counted as Poisson noise of
0.05 to 10 a voxel, and on the same spoilt in each way below; what the good ones reached stands behind each limit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

from trainers.config.data import DomainConfig
from trainers.volumes.appearance import Appearance

Severity = Literal["quarantined", "warning"]

# Preprocessed units. In the window of CT 3 HU, less than the noise of any scanner; CT of good volumes: 0.18 to 0.56.
LEAST_SPREAD = 0.003
# Share of voxels at or above the window's upper end. Good CT: 0.001 to 0.03, with windows as narrow as 0 to 80 HU 0.09.
# With a window that reaches bone a fifth is too much: CT whose sign or scale is wrong has 0.25 there.
ABOVE_WINDOW_WARNED, ABOVE_WINDOW_MOST = 0.5, 0.9
BONE_HU, ABOVE_BONE_WARNED = 500.0, 0.2
# HU; fat begins at about -100, lung and air are far below. Where CT has nothing under it, a tenth of the voxels
# beyond 1000 HU means values that were stored with an offset.
LOWEST_OF_TISSUE_HU = -100.0
OFFSET_ABOVE_WINDOW = 0.1
# Standard deviations of the foreground. Good volumes: 1.7 to 5.1; by clipping at percentile 99.9 a hot spot in PET can
# reach 31 at most.
FARTHEST_WARNED, FARTHEST_MOST = 15.0, 32.0
# Distance of a padding value to all others, in their range. Good: 0.14, skull-stripped CT 0.9, PET cut off at half 1.1.
GAP_WARNED, GAP_MOST = 1.0, 4.0
# Width of the clip range after resampling, as a multiple of that before. Smoothing narrows it: good 0.89 to 1.00.
WIDENED_WARNED, WIDENED_MOST = 1.2, 2.0
# Of the voxels above the low end, the share at the high end. Good: 0.002 to 0.064; water 0.44, masks 0.7 to 1.
TOP_WARNED, TOP_MOST = 0.3, 0.6
# Of the voxels that are not about the commonest value, the share about the next, where neither is an end of the range.
# Masks after cubic resampling: 0.21 to 0.25; simulated images of 30 kinds: 0.12 at most.
HEAPED_WARNED = 0.2
# Distinct values: a mask with one to three regions; a handful; a label map, beyond which 8-bit images begin.
MASK_VALUES, FEW_VALUES, LABEL_VALUES = 4, 16, 128
# Shares of neighbours that are equal, and of differing ones that skip a value (see `Appearance`). Images of 4 to 256
# levels: equal up to 0.93, but where above 0.6 at most 0.2 skip. Label maps: 0.62 to 0.94 and 0.69 to 0.99. An 8-bit
# image with each voxel repeated three times along each axis: 0.70 and 0.82.
MASK_REPEATED, LABEL_REPEATED, MANY_LABELS_REPEATED = 0.5, 0.6, 0.8
FEW_JUMPS, LABEL_JUMPS = 0.3, 0.5
# Share of voxels. Good: 0.2 to 0.7; counts of 0.05 a voxel 0.04.
FOREGROUND_WARNED, FOREGROUND_LEAST = 0.01, 0.001
# Slices that are not constant, along any axis: at least three, and a quarter of all. Good: 0.54 of all.
FILLED_LEAST, FILLED_WARNED = 3, 0.25
# Constant slices between filled ones. Good: 1 of 181, where air is exactly 0.
INNER_GAPS_WARNED, INNER_GAPS_SHARE = 3, 0.05
# Share of voxels within 100 of -1000 in a domain that is no CT. CT: 0.32 to 0.6.
LEAST_OF_CT_HU, AIR_WARNED = -900.0, 0.1


@dataclasses.dataclass(frozen=True)
class Remark:
    """What a rule found. `final` remarks cannot be overruled by the configuration."""

    severity: Severity
    value: str
    cause: str
    final: bool = False


def judge(seen: Appearance, domain: DomainConfig) -> tuple[Remark, ...]:
    """All remarks on a frame; the first that quarantines stands alone, since the others mostly follow from it."""
    remarks = [_overruled(remark, domain) for remark in _remarks(seen, domain)]
    bad = [remark for remark in remarks if remark.severity == "quarantined"]
    return tuple(bad[:1] or remarks)


def _overruled(remark: Remark, domain: DomainConfig) -> Remark:
    if remark.final or domain.suspicious == "quarantine":
        return remark
    return dataclasses.replace(remark, severity="warning")


def _remarks(seen: Appearance, domain: DomainConfig) -> Iterator[Remark]:
    yield from _distinct_values(seen)
    yield from _filled(seen)
    if domain.clip_window is not None:
        yield from _window(seen, domain)
    else:
        yield from _heaps(seen)
        yield from _padding(seen)
        yield from _outliers(seen, domain)
    yield from _two_values(seen)
    yield from _foreground(seen)


def _distinct_values(seen: Appearance) -> Iterator[Remark]:
    count, repeated, jumps = seen.distinct, seen.repeated, seen.jumps
    value = f"{count} distinct values from {_span(seen)}, {repeated:.0%} of neighbours are equal"
    mask = count <= 2 or (count <= MASK_VALUES and repeated >= MASK_REPEATED)
    flat = repeated >= (LABEL_REPEATED if count <= LABEL_VALUES else MANY_LABELS_REPEATED)
    if mask or (flat and jumps >= (FEW_JUMPS if count <= FEW_VALUES else LABEL_JUMPS)):
        yield Remark("quarantined", value, "a mask or label map, no image; leave it out, with `exclude` for example")
    elif count <= FEW_VALUES and repeated >= MASK_REPEATED:
        yield Remark("warning", value, "so few values as a label map or a coarsely stored image; look at it")


def _window(seen: Appearance, domain: DomainConfig) -> Iterator[Remark]:
    low, high = seen.low, seen.high
    window, cure = f"the window {low:g} to {high:g}", "check its units, the window and the kind of the domain"
    if seen.above_window >= ABOVE_WINDOW_MOST:
        value = f"values {_span(seen)}, {seen.above_window:.1%} of the voxels at or above {high:g}"
        yield Remark("quarantined", value, f"it lies above {window}, so training would see a constant; {cure}", True)
    if seen.spread < LEAST_SPREAD:
        value = f"values {_span(seen)}, standard deviation {seen.spread:.2g} on a scale from -1 to 1"
        yield Remark("quarantined", value, f"{window} leaves almost a constant of it; {cure}", True)
    if domain.kind == "ct" and low < LOWEST_OF_TISSUE_HU <= seen.least:
        value = f"values {_span(seen)}, {seen.above_window:.1%} of the voxels at or above {high:g}"
        if seen.above_window >= OFFSET_ABOVE_WINDOW:
            cause = "no voxel is as low as fat or air in HU and many are beyond the window, as where HU are stored with"
            yield Remark("quarantined", value, f"{cause} an offset (1024, say); mend the header's intercept")
        else:
            cause = "no voxel is as low as fat or air in HU; is it CT, in HU and without an offset? if so, all is well"
            yield Remark("warning", value, cause)
    elif seen.above_window >= (ABOVE_BONE_WARNED if domain.kind == "ct" and high >= BONE_HU else ABOVE_WINDOW_WARNED):
        value = f"values {_span(seen)}, {seen.above_window:.1%} of the voxels at or above {high:g}"
        yield Remark("warning", value, f"much of it lies above {window}; is its sign right? {cure}")


def _padding(seen: Appearance) -> Iterator[Remark]:
    sides = ((seen.gap_below, seen.least, seen.at_least), (seen.gap_above, seen.most, seen.at_most))
    for gap, value, share in sides:
        if gap >= GAP_WARNED and seen.distinct > FEW_VALUES:
            found = f"{share:.2%} of the voxels are exactly {value:g}, {gap:.1f} times the others' range away from them"
            cause = "a padding value spoils the range of intensities; set it to the value of the background"
            yield _graded(gap >= GAP_MOST, found, cause)
    if seen.widened >= WIDENED_WARNED:
        found = f"values {_span(seen)}, resampling widens their range {seen.widened:.1f}-fold"
        cause = "single voxels with far values spoil their surroundings in resampling; set them to background"
        yield _graded(seen.widened >= WIDENED_MOST, found, cause)


def _outliers(seen: Appearance, domain: DomainConfig) -> Iterator[Remark]:
    far = abs(seen.farthest)
    if far >= FARTHEST_WARNED:
        found = f"values {_span(seen)}, at worst {seen.farthest:.0f} standard deviations after preprocessing"
        cause = "outliers that far dominate the loss; mend padding and outliers, or set `percentiles`"
        yield _graded(far >= FARTHEST_MOST, found, cause)
    like_ct = seen.least <= LEAST_OF_CT_HU and seen.air >= AIR_WARNED and seen.gap_below < GAP_WARNED
    if domain.kind in ("mr", "pet") and like_ct:
        found = f"values {_span(seen)}, {seen.air:.0%} of the voxels within 100 of -1000"
        cause = (
            f"it looks like CT in HU, or padded, in a domain of kind {domain.kind}; set the kind or mend the padding"
        )
        yield Remark("warning", found, cause)


def _heaps(seen: Appearance) -> Iterator[Remark]:
    if seen.distinct > LABEL_VALUES and seen.heaped >= HEAPED_WARNED:
        found = f"values {_span(seen)}, {seen.heaped:.0%} of the voxels beside the commonest value have one other"
        cause = "it may be a mask that was resampled, since two values make up most of it; leave it out if so"
        yield Remark("warning", found, cause)


def _two_values(seen: Appearance) -> Iterator[Remark]:
    top = seen.at_high / max(1 - seen.at_low, 1e-9)
    if top >= TOP_WARNED:
        found = f"{top:.0%} of the voxels above the low end of the values lie at the high end"
        cause = (
            "two values make up most of it, as in a mask, a probability map or a padded image; leave it out or mend it"
        )
        yield _graded(top >= TOP_MOST, found, cause)


def _filled(seen: Appearance) -> Iterator[Remark]:
    for filled, slices in zip(seen.filled, seen.slices, strict=True):
        found = f"{filled} of {slices} slices along an axis hold more than one value"
        if filled < FILLED_LEAST < slices or filled < FILLED_WARNED * slices:
            yield _graded(filled < FILLED_LEAST, found, "most of the volume is empty; is it cut short, or one slice?")
    if seen.inner_gaps >= max(INNER_GAPS_WARNED, INNER_GAPS_SHARE * seen.slices[2]):
        yield Remark("warning", f"{seen.inner_gaps} of {seen.slices[2]} slices", "slices between others are constant")


def _foreground(seen: Appearance) -> Iterator[Remark]:
    if seen.foreground < FOREGROUND_WARNED:
        found = f"{seen.foreground:.3%} of the voxels are foreground"
        cause = "almost all is background; check its units, the intensities of the domain and outliers"
        yield _graded(seen.foreground < FOREGROUND_LEAST, found, cause)


def _graded(bad: bool, value: str, cause: str) -> Remark:
    return Remark("quarantined" if bad else "warning", value, cause)


def _span(seen: Appearance) -> str:
    return f"{seen.least:.6g} to {seen.most:.6g}"
