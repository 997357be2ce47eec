"""What the user says about data: where each domain's volumes lie and how they are prepared."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from policies.records import Domain, RecordedName, check_apart, check_domains, check_name
from trainers.config.base import Strict, is_recorded

DEFAULT_SPACING = 2.0
DEFAULT_HELD_OUT = 0.2
CT_WINDOW = (-1000.0, 1000.0)
PERCENTILES = (0.5, 99.5)
PET_PERCENTILES = (0.0, 99.9)
SPACING_RANGE_MM = (0.05, 20.0)

Spacing = tuple[float, float, float]
Kind = Literal["ct", "mr", "pet", "other"]


def _three(value: Any) -> Any:
    """One number stands for three alike."""
    return (value,) * 3 if isinstance(value, int | float) and not isinstance(value, bool) else value


def _many(value: Any) -> Any:
    """One path stands for a list of one."""
    return (value,) if isinstance(value, str) else value


def _text(value: Any) -> Any:
    """A whole number stands for its digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class DomainConfig(Strict):
    """One domain: its volumes, how they are prepared, and what limits its share.

    Parameters
    ----------
    path:
        A folder (searched to any depth, DICOM series and links included), one file, a glob, or a CSV with
        the columns `path`, `subject` and, if wished, `held_out` (true or false); or a list of these.
        Environment variables and `~` are expanded; relative paths start at `data.root`, those inside
        a CSV at the folder of the CSV. A path that exists as it is written is no glob.
    exclude:
        Globs on the file name or the path (whole, or relative to `data.root` or to the folder given), or
        the name of a folder; what matches is not a volume (label maps, for example). The label folders of
        an image folder (`labelsTr` beside `imagesTr`) are left out in any case.
    kind:
        Sets the default intensities: `ct` clips to a window and scales it to [-1, 1]; `mr`, `pet` and
        `other` clip to percentiles and make the foreground zero mean, unit variance.
    window:
        (low, high) to clip and scale, in the file's units (HU for CT). Instead of `percentiles`.
        Default for `ct`: (-1000, 1000).
    percentiles:
        (low, high) to clip at before the z-score. Default (0.5, 99.5), for `pet` (0, 99.9).
    spacing:
        Millimetres, one number or three (R, A, S); null keeps that of each file. Default `data.spacing`.
    frames:
        Of 4D files: the `first` one, or `all` as volumes of the same subject.
    subject:
        Regular expression searched in the path (with `/`, relative to `data.root` where it lies there);
        its first group, or else the whole match, is the subject. A CSV's column comes before it. Without
        both: the patient of a DICOM series, unless the id stands for nobody (ANONYMOUS, 0); a BIDS
        `sub-...` in the path; the case of an nnU-Net image folder, less its channel; the first folder
        under a given folder that is named after someone (not `train` or `t1`); the file's name without
        its ending and the words for a sequence (`00001` of `00001_t1n.nii.gz`).
    held_out:
        Fraction of the subjects held out of training, or a list of subjects, each of which must be there.
        Default `data.held_out`. Whoever is held out in one domain is held out in all.
    dataset:
        Name space of the domain's subject ids. Domains without it share one: the same id is the same
        person. Ids that differ only in case, white space, Unicode form or the prefix `sub-` are the same.
    suspicious:
        What becomes of a volume that reads well and looks wrong after preprocessing (a mask, padded, saturated, with
        outliers, empty): `quarantine`, or `warn` and use it. What leaves nothing to learn from is quarantined anyway.
    min_share:
        Smallest share of the draws, 0 to 1.
    max_share:
        Largest share of the draws, 0 to 1.
    max_epochs:
        Most draws of the domain in the whole run, in epochs of its pool. Null: no limit.
    cost:
        What a draw costs relative to the other domains', in units of the budget.
    group:
        A name, of a modality or a site: domains of one group are expected to help each other more.
    """

    path: Annotated[tuple[str, ...], BeforeValidator(_many)] = Field(min_length=1)
    exclude: Annotated[tuple[str, ...], BeforeValidator(_many)] = ()
    kind: Kind = "other"
    window: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    spacing: Annotated[Spacing | None, BeforeValidator(_three)] = (DEFAULT_SPACING,) * 3
    frames: Literal["first", "all"] = "first"
    subject: str | None = None
    held_out: float | tuple[str, ...] = DEFAULT_HELD_OUT
    dataset: Annotated[str | None, BeforeValidator(_text)] = None
    suspicious: Literal["quarantine", "warn"] = "quarantine"
    min_share: float = 0.0
    max_share: float = 1.0
    max_epochs: float | None = None
    cost: float = 1.0
    group: str | None = None

    @field_validator("path")
    @classmethod
    def _check_path(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not path.strip() for path in value):
            raise ValueError("path holds an empty text; give a folder, a file, a glob or a CSV")
        return value

    @field_validator("subject")
    @classmethod
    def _check_subject(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"subject is {value!r}, not a regular expression ({error}); mend it") from None
        return value

    @field_validator("spacing")
    @classmethod
    def _check_spacing(cls, value: Spacing | None) -> Spacing | None:
        low, high = SPACING_RANGE_MM
        if value is not None and not all(low <= mm <= high for mm in value):
            raise ValueError(f"spacing is {value}; give {low} to {high} mm, or null to keep that of each file")
        return value

    @field_validator("held_out", mode="before")
    @classmethod
    def _check_held_out(cls, value: Any) -> Any:
        return check_held_out(value)

    @field_validator("dataset")
    @classmethod
    def _check_dataset(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("dataset is an empty text; give a name, or take the key out")
        return value

    @model_validator(mode="after")
    def _check_intensity(self) -> DomainConfig:
        if self.window is not None and self.percentiles is not None:
            raise ValueError(f"window {self.window} and percentiles {self.percentiles} are both set; keep one of them")
        if self.window is not None and self.window[0] >= self.window[1]:
            raise ValueError(f"window is {self.window}; its low end must lie below its high end")
        if self.percentiles is not None and not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise ValueError(f"percentiles are {self.percentiles}; give 0 <= low < high <= 100")
        return self

    @property
    def clip_window(self) -> tuple[float, float] | None:
        """The fixed window in force, or None where percentiles are used."""
        if self.window is None and self.percentiles is None and self.kind == "ct":
            return CT_WINDOW
        return self.window

    @property
    def clip_percentiles(self) -> tuple[float, float]:
        """The percentiles in force where no window is."""
        return self.percentiles or (PET_PERCENTILES if self.kind == "pet" else PERCENTILES)

    def policy_domain(self, name: str, pool: int | None = None) -> Domain:
        """The domain as the policy knows it; raises `BadSetup` with the value and the cure."""
        return Domain(
            name=RecordedName(name),  # checked where the configuration was read
            pool=pool,
            cost=self.cost,
            max_epochs=self.max_epochs,
            min_share=self.min_share,
            max_share=self.max_share,
            group=self.group,
        )


def check_held_out(value: Any) -> Any:
    """A fraction strictly between 0 and 1, or a list of subject ids, which become text."""
    if isinstance(value, list | tuple):
        if not value:
            raise ValueError("held_out is an empty list; name at least one subject, or give a fraction such as 0.2")
        return tuple(_subject_id(subject) for subject in value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"held_out is {value!r}; give a fraction between 0 and 1, or a list of subjects")
    return value


def _subject_id(value: Any) -> str:
    """An id as text. A whole number is its digits; anything else that YAML made of an unquoted id is refused."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"held_out lists {value!r}, which is no text; write each id in quotes, or a fraction bare")
    if not str(value).strip():
        raise ValueError("held_out lists an empty id; name a subject")
    return str(value)


class DataConfig(Strict):
    """All domains, and what holds for each of them.

    Parameters
    ----------
    domains:
        The domains by name: 1 to 64 letters, digits, '_', '-' and '.', beginning with a letter or a digit.
    root:
        Folder that relative paths start at; itself relative to the folder of the YAML.
    cache:
        Folder for preprocessed volumes, relative to `root`; all nodes must see it. Default: the
        environment's ISTHMUS_CACHE, or else `isthmus-cache` in `root`.
    crop:
        Voxels of a crop, one number or three.
    spacing:
        Default of the domains: millimetres, one number or three (R, A, S); null keeps that of each file.
    held_out:
        Default of the domains: fraction of the subjects held out of training.
    dtype:
        Type of the cached voxels; float16 halves disk and keeps 11 bits, float32 saves 0.1 ms a crop of 32 voxels.
    max_missing:
        Largest part of a domain's volumes that may be quarantined; beyond it nothing starts.
    """

    domains: dict[str, DomainConfig] = Field(min_length=1)
    root: str = "."
    cache: str | None = None
    crop: Annotated[tuple[int, int, int], BeforeValidator(_three)] = (32, 32, 32)
    spacing: Annotated[Spacing | None, BeforeValidator(_three)] = (DEFAULT_SPACING,) * 3
    held_out: float = DEFAULT_HELD_OUT
    dtype: Literal["float16", "float32"] = "float16"
    max_missing: float = 0.2

    @model_validator(mode="before")
    @classmethod
    def _hand_down(cls, body: Any) -> Any:
        """Write the defaults for all domains into each that says nothing, so that a dump is complete."""
        if not isinstance(body, dict) or not isinstance(body.get("domains"), dict):
            return body
        shared = {key: body[key] for key in ("spacing", "held_out") if key in body}
        domains = {n: {**shared, **d} if isinstance(d, dict) else d for n, d in body["domains"].items()}
        return {**body, "domains": domains}

    @field_validator("held_out", mode="before")
    @classmethod
    def _check_held_out(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            raise ValueError(f"held_out is {value!r}; subjects are listed per domain, here goes a fraction")
        return check_held_out(value)

    @field_validator("crop")
    @classmethod
    def _check_crop(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if any(extent < 4 for extent in value):
            raise ValueError(f"crop is {value}; each side must be at least 4 voxels")
        return value

    @field_validator("max_missing")
    @classmethod
    def _check_max_missing(cls, value: float) -> float:
        if not 0 <= value <= 1:
            raise ValueError(f"max_missing is {value}; give a part between 0 and 1")
        return value

    @model_validator(mode="after")
    def _check_domains(self, info: ValidationInfo) -> DataConfig:
        if not is_recorded(info):
            for name in self.domains:
                check_name(name)
            check_apart(self.domains)
        check_domains([domain.policy_domain(name) for name, domain in self.domains.items()])
        return self

    def anchored(self, folder: str | Path) -> DataConfig:
        """The same with an absolute root; `folder` is where the YAML lies."""
        return self.model_copy(update={"root": str(_absolute(self.root, Path(folder)))})

    @property
    def root_path(self) -> Path:
        return _absolute(self.root, Path.cwd())

    @property
    def cache_path(self) -> Path:
        return _absolute(self.cache or os.environ.get("ISTHMUS_CACHE") or "isthmus-cache", self.root_path)

    @property
    def crop_voxels(self) -> int:
        return math.prod(self.crop)


def _absolute(path: str, base: Path) -> Path:
    return Path(os.path.abspath(base / os.path.expanduser(os.path.expandvars(path))))
