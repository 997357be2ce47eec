"""Preprocessing as a list of steps: what is executed, what is hashed into the cache key, what is stored.

To add a step: write its function, name it in `STEPS`, and put it into `recipe_of`. Whoever changes what a
step computes raises `VERSION`, which renews every cached volume.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainers.config.data import DomainConfig
from trainers.volumes.errors import BadData
from trainers.volumes.readers import Affine, Array, read_header, read_voxels
from trainers.volumes.refused import Refused

VERSION = 1
INTENSITY_STEPS = ("window", "percentiles")
Step = Mapping[str, Any]

# Foreground is what lies above this part of the clip range: air is far below it in CT, and noise in MR and PET.
WINDOW_FOREGROUND = 0.05
PERCENTILE_FOREGROUND = 0.1
SAME_SPACING = 0.01


@dataclasses.dataclass(frozen=True)
class Processed:
    """A volume in RAS; `threshold` divides background from foreground in its new units."""

    voxels: Array
    affine: Affine
    threshold: float = -np.inf

    @property
    def foreground(self) -> npt.NDArray[np.bool_]:
        return self.voxels > self.threshold


def recipe_of(domain: DomainConfig) -> tuple[Step, ...]:
    """The steps for a domain, with every parameter in them."""
    steps: list[Step] = [{"step": "orient", "axes": "RAS"}]
    if domain.spacing is not None:
        steps.append({"step": "resample", "mm": list(domain.spacing), "mode": "bilinear"})
    if domain.clip_window is not None:
        low, high = domain.clip_window
        steps.append({"step": "window", "low": low, "high": high, "to": [-1.0, 1.0], "foreground": WINDOW_FOREGROUND})
    else:
        low, high = domain.clip_percentiles
        steps.append({"step": "percentiles", "low": low, "high": high, "foreground": PERCENTILE_FOREGROUND})
        steps.append({"step": "z_score", "over": "foreground"})
    return tuple(steps)


def preprocess(path: str | Path, domain: DomainConfig | Sequence[Step], *, frame: int = 0) -> Array:
    """One volume as training sees it: float32 (1, R, A, S).

    `domain` is a domain's configuration or the list of steps stored in a manifest or checkpoint. `path` is
    a file, or a folder with one DICOM series. Raises `BadData` if the file is no usable volume.
    """
    from trainers.volumes.finding import list_files

    steps = recipe_of(domain) if isinstance(domain, DomainConfig) else domain
    kind, files = list_files(Path(path))
    try:
        return execute(steps, *_frame(kind, files, frame)).voxels[np.newaxis]
    except Refused as refused:
        raise BadData(f"{path}: {refused.cause} (found: {refused.value})") from None


def _frame(kind: str, files: tuple[Path, ...], frame: int) -> tuple[Array, Affine]:
    """A frame as it is read; whatever a reader raises is a refusal."""
    from trainers.volumes.explanation import explain

    try:
        frames = read_header(kind, files).frames
        if not 0 <= frame < frames:
            raise Refused(f"frame {frame}", f"it has frames 0 to {frames - 1}")
        return read_voxels(kind, files, frame)
    except Exception as error:
        raise explain(error, []) from None


def execute(steps: Sequence[Step], voxels: Array, affine: Affine) -> Processed:
    """Run the steps in order; raises `Refused` where the voxels leave nothing to work on."""
    volume = Processed(voxels, affine)
    for step in steps:
        volume = STEPS[step["step"]](volume, step)
    return volume


def clip_range(voxels: Array, step: Step) -> tuple[float, float]:
    """The values that a `window` or `percentiles` step clips at; `Refused` if they coincide."""
    if step["step"] == "window":
        return step["low"], step["high"]
    low, high = (float(v) for v in np.percentile(voxels, [step["low"], step["high"]]))
    if not low < high:
        raise Refused(
            f"percentiles {step['low']} and {step['high']} are both {low:g}", "almost every voxel is the same"
        )
    return low, high


def _orient(volume: Processed, step: Step) -> Processed:
    from monai.transforms import Orientation

    # MONAI's own default for the labels changes with the tensor's space; these are the plain ones.
    out = Orientation(axcodes=step["axes"], labels=(("L", "R"), ("P", "A"), ("I", "S")))(_meta(volume))
    return _plain(volume, out)


def _resample(volume: Processed, step: Step) -> Processed:
    """Bilinear, after a Gaussian where voxels grow, since picking voxels out of noise aliases."""
    from monai.transforms import Spacing
    from scipy.ndimage import gaussian_filter

    now = np.sqrt((volume.affine[:3, :3] ** 2).sum(axis=0))
    growth = np.array(step["mm"]) / now
    if np.allclose(growth, 1, atol=SAME_SPACING):
        return volume
    sigma = np.maximum(0, (growth - 1) / 2)
    smooth = gaussian_filter(volume.voxels, sigma, mode="nearest") if sigma.any() else volume.voxels
    spacing = Spacing(pixdim=step["mm"], mode=step["mode"], padding_mode="border", dtype=np.float32)
    return _plain(volume, spacing(_meta(dataclasses.replace(volume, voxels=smooth))))


def _window(volume: Processed, step: Step) -> Processed:
    from monai.transforms import ScaleIntensityRange

    low, high = clip_range(volume.voxels, step)
    to_low, to_high = step["to"]
    scaled = ScaleIntensityRange(low, high, to_low, to_high, clip=True)(volume.voxels)
    return Processed(_array(scaled), volume.affine, to_low + step["foreground"] * (to_high - to_low))


def _percentiles(volume: Processed, step: Step) -> Processed:
    low, high = clip_range(volume.voxels, step)
    return Processed(np.clip(volume.voxels, low, high), volume.affine, low + step["foreground"] * (high - low))


def _z_score(volume: Processed, step: Step) -> Processed:
    from monai.transforms import NormalizeIntensity

    inside = volume.voxels[volume.foreground]
    mean, deviation = float(inside.mean(dtype=np.float64)), float(inside.std(dtype=np.float64))
    if not deviation > 0:
        raise Refused(f"every foreground voxel is {mean:g}", "nothing to learn from; is it a mask?")
    scaled = NormalizeIntensity(subtrahend=mean, divisor=deviation)(volume.voxels)
    return Processed(_array(scaled), volume.affine, (volume.threshold - mean) / deviation)


STEPS: dict[str, Callable[[Processed, Step], Processed]] = {
    "orient": _orient,
    "resample": _resample,
    "window": _window,
    "percentiles": _percentiles,
    "z_score": _z_score,
}


def _meta(volume: Processed) -> Any:
    import torch
    from monai.data import MetaTensor

    # A copy: arrays read from files may be read-only, which torch warns about.
    return MetaTensor(torch.tensor(volume.voxels)[None], affine=torch.tensor(volume.affine))


def _plain(volume: Processed, out: Any) -> Processed:
    affine = np.asarray(out.affine, dtype=np.float64)
    return dataclasses.replace(volume, voxels=_array(out)[0], affine=affine)


def _array(values: Any) -> Array:
    return np.ascontiguousarray(np.asarray(values), dtype=np.float32)
