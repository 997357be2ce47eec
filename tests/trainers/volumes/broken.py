"""Inputs that are wrong, suspicious, or only odd, each with what has to be said of it.

`VOLUMES` are single volumes: `make(folder)` writes one and returns its path; it stands in a domain of `kind` beside
three good volumes, so that a quarantined one is a quarter of its domain. `SETTINGS` are whole folders: `make(folder)`
writes what it likes and returns what the configuration says of `data` (merged into `BODY` by the test).

To add one: append it. `tests/service/pretrain/test_verdict.py` drives `data check`, `--dry-run` and `pretrain` over
all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter, zoom

SHAPE = (32, 34, 28)
MM = (2.0, 2.0, 2.0)


@dataclasses.dataclass(frozen=True)
class BrokenVolume:
    """`says` stands in the line of the problem; a `good` volume has no line."""

    name: str
    make: Callable[[Path], Path]
    kind: str
    verdict: Literal["quarantined", "warning", "good"]
    says: str = ""
    domain: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


@dataclasses.dataclass(frozen=True)
class BrokenSetting:
    """With `code` 2 `says` stands in the sentence on stderr, with 0 in a line of a problem."""

    name: str
    make: Callable[[Path], dict[str, Any]]
    code: Literal[0, 2]
    says: str

    def __str__(self) -> str:
        return self.name


def nifti(file: Path, voxels: Any, spacing: tuple[float, ...] = MM, dtype: Any = np.float32) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(voxels, dtype), np.diag([*spacing, 1.0])), file)
    return file


def head(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Any:
    """Magnitude image: a textured ellipsoid of about 100 to 500 in noisy air."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    inside = ((grid - np.array([0.1, -0.1, 0.05])[:, None, None, None]) ** 2).sum(axis=0) < 0.6
    texture = 1 + 0.3 * grid[0] + 0.4 * grid[2] + 0.15 * rng.normal(size=shape)
    return np.where(inside, 300 * np.maximum(texture, 0.3), 8 * np.abs(rng.normal(size=shape))).astype(np.float32)


def hounsfield(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Any:
    """CT: soft tissue, fat and some bone in air, with a scanner's noise."""
    image = head(seed, shape)
    noise = 10 * np.random.default_rng(seed + 1000).normal(size=shape)
    return np.round(np.where(image > 60, image - 320, -1000) + noise).astype(np.float32)


def labels(count: int, seed: int = 0) -> Any:
    """A map of `count` regions in a background of 0."""
    points = np.random.default_rng(seed).random((count, 3)) * np.array(SHAPE)
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    nearest = ((grid[..., None, :] - points) ** 2).sum(axis=-1).argmin(axis=-1) + 1
    return nearest * (head() > 60)


def counts(mean: float, seed: int = 0) -> Any:
    """Poisson counts, `mean` in the middle of the object."""
    return np.random.default_rng(seed).poisson(np.maximum(head(), 1) / 300 * mean).astype(np.float32)


def scattered(image: Any, value: float, share: float) -> Any:
    return np.where(np.random.default_rng(5).random(image.shape) < share, value, image)


def half(image: Any, value: float) -> Any:
    out = image.copy()
    out[: out.shape[0] // 2] = value
    return out


def one_slice(image: Any, fill: float) -> Any:
    out = np.full_like(image, fill)
    out[..., 12] = image[..., 12]
    return out


def running_down() -> Any:
    """Evenly spread from 300 to 500, and in a corner down to -4000, without a gap."""
    image = 300 + 200 * np.random.default_rng(0).random(SHAPE)
    image[0, 0, :20] = np.linspace(-4000, 300, 20)
    return image


def holed(image: Any) -> Any:
    out = image.copy()
    out[..., 10:15] = 0
    return out


def written(voxels: Callable[[], Any], **options: Any) -> Callable[[Path], Path]:
    return lambda folder: nifti(folder / "odd.nii.gz", voxels(), **options)


def stripped() -> Any:
    image = head()
    return np.where(gaussian_filter((image > 60).astype(float), 3) > 0.85, image, 0)


def hot_spots() -> Any:
    image = 0.05 * head() / 300
    for x, y, z in ((10, 12, 14), (20, 18, 12), (16, 24, 16)):
        image[x : x + 3, y : y + 3, z : z + 3] = np.linspace(4, 12, 27).reshape(3, 3, 3)
    return gaussian_filter(image, 1)


def truncated(folder: Path) -> Path:
    file = nifti(folder / "odd.nii.gz", head())
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return file


def text(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "odd.nii").write_text("this is no volume")
    return folder / "odd.nii"


def colour(folder: Path) -> Path:
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    voxels = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), dtype=np.uint8).view(kind).reshape(SHAPE)
    return nifti(folder / "odd.nii.gz", voxels, dtype=kind)


def with_nan() -> Any:
    image = head()
    image[3:5, 3, 3] = np.nan
    return image


PADDED, MASK, WINDOW = "a padding value spoils", "a mask or label map", "check its units, the window and the kind"

VOLUMES = [
    BrokenVolume("ct above its window", written(lambda: hounsfield() + 5000), "ct", "quarantined", "above the window"),
    BrokenVolume("ct below its window", written(lambda: hounsfield() - 5000), "ct", "quarantined", "below the window"),
    BrokenVolume(
        "ct stored with an offset",
        written(lambda: hounsfield() * 2 + 2100, dtype=np.uint16),
        "ct",
        "quarantined",
        "stored with an offset (1024, say)",
    ),
    BrokenVolume(
        "ct in g/cm3", written(lambda: hounsfield() / 1000 + 1), "ct", "quarantined", "leaves almost a constant"
    ),
    BrokenVolume(
        "ct scaled to one", written(lambda: (hounsfield() + 1100) / 2000), "ct", "quarantined", "standard deviation 0.0"
    ),
    BrokenVolume(
        "constant after a narrow window",
        written(lambda: hounsfield()),
        "ct",
        "quarantined",
        "above the window -3000 to -2000",
        {"window": (-3000, -2000)},
    ),
    BrokenVolume("mask in ct", written(lambda: head() > 60, dtype=np.uint8), "ct", "quarantined", MASK),
    BrokenVolume("mask of 255 in ct", written(lambda: (head() > 60) * 255.0), "ct", "quarantined", MASK),
    BrokenVolume("mask of -1000 and 1000 in ct", written(lambda: (head() > 60) * 2e3 - 1e3), "ct", "quarantined", MASK),
    BrokenVolume("mask in mr", written(lambda: head() > 60, dtype=np.int16), "mr", "quarantined", "2 distinct values"),
    BrokenVolume("mask in pet", written(lambda: head() > 60), "pet", "quarantined", MASK),
    BrokenVolume("mask in other", written(lambda: head() > 60), "other", "quarantined", MASK),
    BrokenVolume("nested labels", written(lambda: (head() > 60) * 1.0 + (head() > 280)), "mr", "quarantined", MASK),
    BrokenVolume("label map", written(lambda: labels(12)), "mr", "quarantined", "11 distinct values"),
    BrokenVolume("label map in ct", written(lambda: labels(40) * 20.0 - 400), "ct", "quarantined", MASK),
    BrokenVolume("label map in fractions", written(lambda: labels(30) / 7), "other", "quarantined", MASK),
    BrokenVolume(
        "mask with soft edges",
        written(lambda: gaussian_filter((head() > 60) * 200.0, 0.5)),
        "ct",
        "quarantined",
        "two values make up most of it",
    ),
    *[
        BrokenVolume(f"mr half {value:g}", written(lambda v=value: half(head(), v)), "mr", "quarantined", PADDED)
        for value in (-32768.0, -1e5, 1e6, 3e4)
    ],
    BrokenVolume("mr of low values half -1024", written(lambda: half(head() / 5, -1024)), "mr", "quarantined", PADDED),
    BrokenVolume(
        "mr with a far border",
        written(lambda: np.pad(head()[3:-3, 3:-3, 3:-3], 3, constant_values=-32768)),
        "mr",
        "quarantined",
        PADDED,
    ),
    BrokenVolume(
        "mr with two padding values",
        written(lambda: scattered(half(head(), -32768), -32767, 0.1)),
        "mr",
        "quarantined",
        "two values make up most of it",
    ),
    BrokenVolume(
        "mr with a hundredth far", written(lambda: scattered(head(), -32768, 0.01)), "mr", "quarantined", "-32768"
    ),
    BrokenVolume(
        "mr with far voxels that resampling spreads",
        written(lambda: scattered(head(shape=(64, 68, 56)), 1e6, 0.002), spacing=(1.0, 1.0, 1.0)),
        "mr",
        "quarantined",
        "single voxels with far values",
    ),
    BrokenVolume(
        "pet with one far voxel", written(lambda: scattered(head(), -32768, 2e-5)), "pet", "quarantined", PADDED
    ),
    BrokenVolume(
        "water without noise",
        written(lambda: np.where(head() > 60, 1000 + head(1) / 100, head(2) / 50)),
        "mr",
        "quarantined",
        "two values make up most of it",
    ),
    BrokenVolume(
        "pet that runs down to -4000", written(running_down), "pet", "quarantined", "standard deviations after preproc"
    ),
    BrokenVolume("one slice of ct in 0", written(lambda: one_slice(hounsfield(), 0)), "ct", "quarantined", "1 of 28"),
    BrokenVolume(
        "one slice of ct in -1024", written(lambda: one_slice(hounsfield(), -1024)), "ct", "quarantined", "1 of 28"
    ),
    BrokenVolume("one slice of mr", written(lambda: one_slice(head(), 0)), "mr", "quarantined", "1 of 28 slices"),
    BrokenVolume("constant", written(lambda: np.full(SHAPE, 7.0)), "mr", "quarantined", "every voxel is 7"),
    BrokenVolume("not a number", written(with_nan), "mr", "quarantined", "2 of 30464 voxels are NaN"),
    BrokenVolume("cut short", truncated, "mr", "quarantined", "cut short"),
    BrokenVolume("no volume at all", text, "mr", "quarantined", "cannot be read"),
    BrokenVolume("colour", colour, "mr", "quarantined", "RGB"),
    BrokenVolume("one thin slice", written(lambda: head()[..., :1]), "mr", "quarantined", "32x34x1"),
    BrokenVolume("tiny", written(lambda: head()[:3, :3, :3]), "mr", "quarantined", "a quarter of a crop"),
    BrokenVolume("absurd spacing", written(head, spacing=(2.0, 2.0, 53.0)), "mr", "quarantined", "outside 0.05 to 20"),
    BrokenVolume("mr in ct", written(head), "ct", "warning", "no voxel is as low as fat or air"),
    BrokenVolume("ct in mr", written(hounsfield), "mr", "warning", "it looks like CT in HU"),
    BrokenVolume("mr half -1024", written(lambda: half(head(), -1024)), "mr", "warning", "exactly -1024"),
    BrokenVolume(
        "probability map",
        written(lambda: gaussian_filter((head() > 60) * 1.0, 1.0)),
        "other",
        "warning",
        "two values make up most of it",
    ),
    *[
        BrokenVolume(
            f"mask of {high:g} in {kind} resampled with splines",
            written(lambda h=high: zoom((head() > 60) * h, 1.7, order=3)),
            kind,
            "warning",
            "a mask that was resampled",
        )
        for kind, high in (("mr", 1.0), ("other", 255.0), ("pet", 20.0))
    ],
    BrokenVolume("ct upside down", written(lambda: -hounsfield()), "ct", "warning", "is its sign right?"),
    BrokenVolume(
        "few levels", written(lambda: np.round(gaussian_filter(head(), 1) / 50)), "mr", "warning", "distinct values"
    ),
    BrokenVolume("slices lost inside", written(lambda: holed(head())), "mr", "warning", "5 of 28 slices"),
    BrokenVolume(
        "mask that is meant", written(lambda: (head() > 60) * 2e3 - 1e3), "ct", "warning", MASK, {"suspicious": "warn"}
    ),
    BrokenVolume("8-bit mr", written(lambda: head() / 2.5, dtype=np.uint8), "mr", "good"),
    BrokenVolume("skull-stripped mr", written(stripped), "mr", "good"),
    BrokenVolume("mr resampled with splines", written(lambda: zoom(stripped(), 1.7, order=3)), "mr", "good"),
    BrokenVolume("low counts", written(lambda: counts(1.5)), "pet", "good"),
    BrokenVolume("sparse pet", written(hot_spots), "pet", "good"),
    BrokenVolume("ct with corners of -3024", written(lambda: scattered(hounsfield(), -3024, 0.2)), "ct", "good"),
    BrokenVolume("ct in air", written(lambda: np.pad(hounsfield(), 8, constant_values=-1000)), "ct", "good"),
    BrokenVolume("ct in a narrow window", written(hounsfield), "ct", "good", "", {"window": (-160, 240)}),
    BrokenVolume("few far voxels that are clipped", written(lambda: scattered(head(), -32768, 3e-4)), "mr", "good"),
    BrokenVolume("values of 1e-6", written(lambda: head() * 1e-9), "mr", "good"),
    BrokenVolume("values of 1e30", written(lambda: head() * 1e30), "mr", "good"),
]


def good(folder: Path, kind: str = "mr", count: int = 3, first: int = 0) -> list[Path]:
    """Volumes s0, s1 ... of a kind, like none of those above."""
    draw = hounsfield if kind == "ct" else head
    return [nifti(folder / f"s{n}.nii.gz", draw(100 + n)) for n in range(first, first + count)]


def _domain(folder: Path, **domain: Any) -> dict[str, Any]:
    good(folder / "mr")
    return {"domains": {"mr": {"path": "mr", "kind": "mr", **domain}}}


def _table(folder: Path, *rows: str) -> dict[str, Any]:
    body = _domain(folder, path="list.csv")
    (folder / "list.csv").write_text("\n".join(rows))
    return body


def _lost(folder: Path) -> dict[str, Any]:
    body = _domain(folder)
    for name in ("a", "b"):
        text(folder / "mr" / name)
    return body


def _frames(folder: Path) -> dict[str, Any]:
    frames = [head(1), half(head(2), -32768), head(3) > 60, head(4)]
    nifti(folder / "mr" / "sub-9.nii.gz", np.stack(frames, axis=-1))
    return {"max_missing": 0.5, **_domain(folder, frames="all")}


def _short(folder: Path) -> dict[str, Any]:
    nifti(folder / "mr" / "s.nii.gz", head()[10:18, 10:18, 8:16])
    return {"domains": {"mr": {"path": "mr", "kind": "mr"}}}


def _slab(folder: Path) -> dict[str, Any]:
    good(folder / "mr", count=1)
    return {"domains": {"mr": {"path": "mr", "kind": "mr"}}}


def _both(folder: Path) -> dict[str, Any]:
    good(folder / "mr")
    good(folder / "pet", "pet")
    held = {"a": "s0", "b": "s1"}
    domains = {n: {"path": p, "kind": "mr", "held_out": [held[n]]} for n, p in (("a", "mr"), ("b", "pet"))}
    return {"domains": domains}


def _twice(folder: Path) -> dict[str, Any]:
    body = _domain(folder)
    nifti(folder / "mr" / "copy.nii.gz", head(101))
    return body


def _file_as_cache(folder: Path) -> dict[str, Any]:
    (folder / "cache-file").write_text("")
    return {"cache": "cache-file", **_domain(folder)}


HEADINGS = "path,subject,held_out"

SETTINGS = [
    BrokenSetting("two of five lost", _lost, 2, "40% of its volumes cannot be used, more than max_missing 20%"),
    BrokenSetting("two of five lost, and allowed", lambda f: {"max_missing": 0.4, **_lost(f)}, 0, "cannot be read"),
    BrokenSetting("one frame of four is padded, one a mask", _frames, 0, "#1 quarantined: a padding value"),
    BrokenSetting("no such folder", lambda f: _domain(f, path="nowhere"), 2, "there is no"),
    BrokenSetting("a glob that matches nothing", lambda f: _domain(f, path="mr/*.mgz"), 2, "no volume in"),
    BrokenSetting("all excluded", lambda f: _domain(f, exclude="*"), 2, "no volume in"),
    BrokenSetting("only subject too short", _short, 2, "too short to hold out a slab"),
    BrokenSetting("only subject", _slab, 0, "one subject only"),
    BrokenSetting("held-out subjects that nobody is", lambda f: _domain(f, held_out=["x"]), 2, "held_out"),
    BrokenSetting("all held out", lambda f: _domain(f, held_out=["s0", "s1", "s2"]), 2, "leave at least one"),
    BrokenSetting("held out here, trained on there", _both, 0, "held out here, too, since"),
    BrokenSetting("the same voxels twice", _twice, 0, "same voxels as"),
    BrokenSetting("table without columns", lambda f: _table(f, "file,subject", "x,y"), 2, "needs path and subject"),
    BrokenSetting("table without a subject", lambda f: _table(f, HEADINGS, "mr/s0.nii.gz,,no"), 2, "lacks a path"),
    BrokenSetting("table with a maybe", lambda f: _table(f, HEADINGS, "mr/s0.nii.gz,a,maybe"), 2, "write true or"),
    BrokenSetting(
        "table with a file that is gone",
        lambda f: _table(f, HEADINGS, "mr/s0.nii.gz,a,yes", "mr/s1.nii.gz,b,no", "mr/gone.nii.gz,c,no"),
        2,
        "there is no such file",
    ),
    BrokenSetting("window upside down", lambda f: _domain(f, window=[9, -9]), 2, "its low end must lie below"),
    BrokenSetting("misspelt key", lambda f: _domain(f, widow=[0, 9]), 2, "did you mean 'window'"),
    BrokenSetting("pattern that is none", lambda f: _domain(f, subject="("), 2, "not a regular expression"),
    BrokenSetting("crop that the patches do not fill", lambda f: {"crop": 18, **_domain(f)}, 2, "crop"),
    BrokenSetting("cache that is a file", _file_as_cache, 2, "cannot be made"),
]
