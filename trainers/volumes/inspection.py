"""Looking at one source: header first, then every voxel as training will see it. Nothing a file does can stop a scan.

What was found is kept in `<cache>/index`, under the hash of path, sizes, times of change and the
questions asked, so that a second look reads no volume.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from trainers.config.data import SPACING_RANGE_MM, DataConfig, DomainConfig
from trainers.volumes.files import make_folder, sha256_of, write_atomic
from trainers.volumes.frame import FRAME_VERSION, Frame, asked_of, look_at
from trainers.volumes.privacy import scrub, subject_hash
from trainers.volumes.readers import Header, read_header
from trainers.volumes.records import digest_of
from trainers.volumes.refused import Refused
from trainers.volumes.sources import Source, stem

T = TypeVar("T")

LONGEST_MM = 4000.0
MOST_VOXELS = 2**31
MOST_RESAMPLED_VOXELS = 2**30
MESSAGE_LENGTH = 160


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a source holds, axes in the order R, A, S. With a `cause` it is no usable volume and has no frames.

    `subject` is a hash, `label` the file's name with the subject blotted out where it came from
    elsewhere than that very name.
    """

    subject: str
    label: str
    sha256: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    dtype: str = ""
    frames: tuple[Frame, ...] = ()
    value: str = ""
    cause: str = ""

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Finding:
        values = {**body, "shape": tuple(body["shape"]), "spacing": tuple(body["spacing"])}
        return cls(**{**values, "frames": tuple(Frame.from_dict(frame) for frame in body["frames"])})


def inspect(source: Source, config: DataConfig) -> Finding:
    """The finding for a source, from the index if the files have not changed since."""
    try:
        file = make_folder(config.cache_path / "index") / f"{_index_key(source, config)}.json"
        if file.exists():
            return Finding.from_dict(json.loads(file.read_text()))
    except FileNotFoundError:
        return _refused(source, Refused("", source.fault or "there is no such file"))
    except (ValueError, KeyError, TypeError):
        pass  # an index entry of another version: look again
    finding = _look(source, config)
    write_atomic(file, json.dumps(dataclasses.asdict(finding)).encode())
    return finding


def explain(error: Exception, source: Source) -> Refused:
    """Any error of a reader as a refusal, without folders, and without what DICOM errors may quote."""
    if isinstance(error, Refused):
        return error
    text = f"{type(error).__name__}: {error}".split("\n")[0]
    if source.format == "dicom" and not isinstance(error, RuntimeError | OSError):
        text = type(error).__name__
    for folder in sorted({str(f.parent) for f in (source.path, *source.files)}, key=len, reverse=True):
        text = text.replace(folder + "/", "").replace(folder, "")
    return Refused(text[:MESSAGE_LENGTH], "it cannot be read; it is cut short, damaged or packed in an unknown way")


def _look(source: Source, config: DataConfig) -> Finding:
    header = None
    try:
        if source.fault:
            raise Refused("", source.fault)
        header = read_header(source.format, source.files)
        _check_geometry(header)
        domain = config.domains[source.domain]
        shape, spacing = _in_order(header.shape, header), _in_order(header.spacing, header)
        check_size(shape, spacing, domain, config.crop)
        count = header.frames if domain.frames == "all" else 1
        frames = tuple(look_at(source, config, number) for number in range(count))
        subject, label = _identity(source, header)
        sha256 = sha256_of(source.files)
        return Finding(subject, label, sha256, shape, spacing, header.dtype, frames)
    except Exception as error:
        return _refused(source, explain(error, source), header)


def _refused(source: Source, refused: Refused, header: Header | None = None) -> Finding:
    subject, label = _identity(source, header)
    # The library's own words may quote the file's name: blot it out as in the label.
    value = refused.value.replace(source.path.name, label)
    return Finding(subject, label, value=value, cause=refused.cause)


def _in_order(values: Sequence[T], header: Header) -> tuple[T, ...]:
    """Values by file axis, put in the order of the axes R, A, S that they lie closest to."""
    from nibabel.orientations import io_orientation

    axes = io_orientation(header.affine)[:, 0]
    return tuple(values[list(axes).index(world)] for world in range(3))


def _identity(source: Source, header: Header | None) -> tuple[str, str]:
    """Hash of the subject, and a name for the file that does not give the subject away."""
    subject, rule, words = source.subject, source.rule, []
    if header is not None:
        words = list(header.names)
        if header.patient and rule not in ("csv", "pattern"):
            subject, rule = header.patient, "dicom"
    if rule != "name":
        words.append(subject)
    label = scrub(source.path.name, words)
    return subject_hash(subject or stem(source.path)), label


def _check_geometry(header: Header) -> None:
    spacing = header.spacing
    text = " x ".join(f"{mm:.4g}" for mm in spacing) + " mm"
    low, high = SPACING_RANGE_MM
    if not np.isfinite(header.affine).all() or abs(np.linalg.det(header.affine[:3, :3])) < 1e-12:
        raise Refused(f"spacing {text}", "the header gives no usable place in space; mend its affine")
    if not all(low <= mm <= high for mm in spacing):
        raise Refused(f"spacing {text}", f"the header's spacing is outside {low} to {high} mm; mend the header")
    if np.prod(header.shape, dtype=float) > MOST_VOXELS:
        raise Refused(
            f"shape {'x'.join(map(str, header.shape))}", "too large to be true; mend the header or crop the file"
        )
    lengths = [mm * n for mm, n in zip(spacing, header.shape, strict=True)]
    if max(lengths) > LONGEST_MM:
        raise Refused(f"{max(lengths):.0f} mm long", f"longer than {LONGEST_MM:.0f} mm; mend the header's spacing")


def check_size(shape: Sequence[int], spacing: Sequence[float], domain: DomainConfig, crop: Sequence[int]) -> None:
    """Raise `Refused` where the volume, resampled, holds too little for a crop or too much to prepare."""
    target = domain.spacing or spacing
    resampled = [max(1, round((n - 1) * mm / to) + 1) for n, mm, to in zip(shape, spacing, target, strict=True)]
    text = "x".join(map(str, resampled)) + " voxels after resampling"
    smallest = [max(4, extent // 4) for extent in crop]
    if any(n < least for n, least in zip(resampled, smallest, strict=True)):
        raise Refused(text, f"smaller than {'x'.join(map(str, smallest))}, a quarter of a crop; leave it out")
    if np.prod(resampled, dtype=float) > MOST_RESAMPLED_VOXELS:
        raise Refused(text, "too large to prepare; raise the spacing or crop the file")


def _index_key(source: Source, config: DataConfig) -> str:
    stats = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in source.files or (source.path,)]
    asked = [source.subject, source.rule, source.fault, asked_of(config, source.domain), FRAME_VERSION]
    return digest_of([str(source.path), stats, asked])[:24]
