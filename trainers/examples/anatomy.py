"""The bodies that phantoms are rendered from: regions of tissue, and what each scanner shows of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

Modality = Literal["ct", "t1", "t2", "pet"]
Image = npt.NDArray[np.float32]

TISSUES = ("fat", "muscle", "fluid", "organ", "bone")
REGION_EDGE = 20  # voxels: larger than a crop of 16, so that a crop holds few regions
NOISE = 0.3  # standard deviations of the texture
UNITS = 400.0  # of the file, in one standard deviation of a texture at full strength
WINDOW = 1000.0


@dataclass(frozen=True)
class Scanner:
    """`tissues` in standard deviations of the texture; nothing plus nothing is `offset` in the file's units."""

    tissues: tuple[float, ...]
    offset: float
    sign: float = 1.0  # of the texture: what is dark in T1 is bright in T2

    @property
    def window(self) -> tuple[float, float]:
        """The range to clip and scale, wide enough for 2.4 standard deviations of texture and noise."""
        return self.offset - WINDOW, self.offset + WINDOW


SCANNERS: dict[Modality, Scanner] = {
    "ct": Scanner((-0.7, 0.1, -0.2, 0.2, 1.5), offset=0),
    "t1": Scanner((1.5, 0.2, -1.2, 0.6, -0.8), offset=2000),
    "t2": Scanner((0.8, -0.4, 1.6, 0.0, -1.0), offset=2000, sign=-1.0),
    "pet": Scanner((-0.9, -0.2, -0.5, 1.5, -0.4), offset=2000),
}


@dataclass(frozen=True)
class Anatomy:
    """Regions (X, Y, Z) numbered from 0, and the tissue (an index into TISSUES) of each region."""

    regions: npt.NDArray[np.int64]
    tissue: npt.NDArray[np.int64]


def anatomy(size: int, random: np.random.Generator) -> Anatomy:
    """A cube of `size` voxels cut into irregular regions about REGION_EDGE across."""
    count = max(2, round((size / REGION_EDGE) ** 3))
    seeds = random.uniform(0, size, (count, 3))
    voxels = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    nearest = np.asarray(cKDTree(seeds).query(voxels)[1], dtype=np.int64)
    return Anatomy(nearest.reshape((size,) * 3), random.integers(len(TISSUES), size=count))


def render(
    body: Anatomy,
    pattern: Image,
    modality: Modality,
    random: np.random.Generator,
    *,
    contrast: float,
    strength: float,
) -> Image:
    """What a scanner shows: tissues times `contrast`, the texture, and noise, all times `strength`, in file units.

    PET blurs the tissues and its noise grows with the signal (as counts do); the others have plain noise.
    """
    scanner = SCANNERS[modality]
    base = contrast * np.asarray(scanner.tissues, dtype=np.float32)[body.tissue[body.regions]]
    value = gaussian_filter(base, 1.5 if modality == "pet" else 0.5) + scanner.sign * pattern
    noise = NOISE * random.normal(size=value.shape)
    if modality == "pet":
        noise *= np.sqrt(np.maximum(0.1, 1 + 0.2 * value))
    image: Image = (scanner.offset + UNITS * strength * (value + noise)).astype(np.float32)
    return image
