"""Looking at one source: header first, then every voxel as training will see it. Nothing a file does can stop a scan.

What was found is kept in `<cache>/index`, under the hash of path, sizes, times of change and the
questions asked, so that a second look reads no volume.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from trainers.config.data import SPACING_RANGE_MM, DataConfig, DomainConfig
from trainers.volumes import explanation
from trainers.volumes.endings import stem
from trainers.volumes.files import make_folder, sha256_of, write_atomic
from trainers.volumes.frame import FRAME_VERSION, Frame, asked_of, look_at
from trainers.volumes.header import Note
from trainers.volumes.kinds import check_modality
from trainers.volumes.privacy import scrub, subject_hash
from trainers.volumes.readers import Header, read_header
from trainers.volumes.records import digest_of
from trainers.volumes.refused import Refused
from trainers.volumes.sources import Source
from trainers.volumes.subjects import canonical, is_nobody, is_sequence, near
from trainers.volumes.tolerance import SPACING_TOLERANCE

T = TypeVar("T")

LONGEST_MM = 4000.0
MOST_VOXELS = 2**31
MOST_RESAMPLED_VOXELS = 2**30
IDENTITY = 2  # raised when the rules for who is in a file change, so that the index is asked anew
LOOK_VERSION = 3  # of what a look tells apart; raising it looks at every file again


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a source holds, axes in the order R, A, S. With a `cause` it is no usable volume and has no frames.

    `subject` is a hash, `label` the file's name with the subject blotted out where it came from
    elsewhere than that very name. `same` holds hashes of which any that two findings share makes them one
    person's, `near` one that makes them perhaps one person's; `rule` says where the subject came from, and
    `nobody` that an id which stands for nobody was passed over. `notes` are what a person should hear of although
    the file is used, `reading` says how it is read other than as it stands, `passing` that another look may find it
    good.
    """

    subject: str
    label: str
    same: tuple[str, ...] = ()
    near: str = ""
    rule: str = ""
    nobody: bool = False
    sha256: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    dtype: str = ""
    frames: tuple[Frame, ...] = ()
    value: str = ""
    cause: str = ""
    notes: tuple[Note, ...] = ()
    reading: str = ""
    passing: bool = False

    @property
    def content(self) -> str:
        """What the voxels depend on before preprocessing: the file, and how it is read."""
        return f"{self.sha256} {self.reading}" if self.reading else self.sha256

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Finding:
        values = {**body, **{name: tuple(body[name]) for name in ("shape", "spacing", "same")}}
        values["notes"] = tuple((value, cause) for value, cause in body["notes"])
        return cls(**{**values, "frames": tuple(Frame.from_dict(frame) for frame in body["frames"])})


def inspect(source: Source, config: DataConfig) -> Finding:
    """The finding for a source, from the index if the files have not changed since."""
    index = make_folder(config.cache_path / "index")
    if source.fault:
        return _refused(source, Refused("", source.fault))
    try:
        file = index / f"{_index_key(source, config)}.json"
    except FileNotFoundError:
        return _refused(source, Refused("", "there is no such file"))
    except OSError as error:
        return _refused(source, explain(error, source))
    known = _known(file)
    if known is not None:
        return known
    finding = _look(source, config)
    if not finding.passing:
        write_atomic(file, json.dumps(dataclasses.asdict(finding)).encode())
    return finding


def _known(file: Path) -> Finding | None:
    """What the index holds; None where it holds nothing, is damaged, or of another version: look again."""
    try:
        return Finding.from_dict(json.loads(file.read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def explain(error: Exception, source: Source) -> Refused:
    """Any error of a reader as a refusal, without folders, and without what DICOM errors may quote."""
    folders = {file.parent for file in (source.path, *source.files)}
    return explanation.explain(error, folders, secret=source.format == "dicom")


def _look(source: Source, config: DataConfig) -> Finding:
    header = None
    try:
        header = read_header(source.format, source.files)
        _check_geometry(header)
        domain = config.domains[source.domain]
        check_modality(header.modality, domain.kind)
        shape, spacing = _in_order(header.shape, header), _in_order(header.spacing, header)
        check_size(shape, spacing, domain, config.crop)
        count = header.frames if domain.frames == "all" else 1
        frames = tuple(look_at(source, config, number) for number in range(count))
        return dataclasses.replace(
            _identity(source, header),
            sha256=sha256_of(source.files),
            shape=shape,
            spacing=spacing,
            dtype=header.dtype,
            frames=frames,
            notes=(*header.notes, *_unused(source.format, header, domain)),
            reading=header.reading,
        )
    except Exception as error:
        return _refused(source, explain(error, source), header)


def _unused(format: str, header: Header, domain: DomainConfig) -> list[Note]:
    if header.frames == 1 or domain.frames == "all":
        return []
    what = "several images at each place (times, echoes ...)" if format == "dicom" else "a 4D file"
    cause = f"{what}, of which the first frame is used; set frames: all to use them all"
    return [(f"{header.frames} frames", cause)]


def _refused(source: Source, refused: Refused, header: Header | None = None) -> Finding:
    found = _identity(source, header)
    label = scrub(found.label, list(refused.names))
    # What was found may quote names of files: blot the subject out as in the label.
    value = scrub(refused.value.replace(source.path.name, label), list(refused.names))
    value = scrub(value, [] if _is_own_name(source, found.rule) else [source.subject])
    return dataclasses.replace(found, label=label, value=value, cause=refused.cause, passing=refused.passing)


def _in_order(values: Sequence[T], header: Header) -> tuple[T, ...]:
    """Values by file axis, put in the order of the axes R, A, S that they lie closest to."""
    from nibabel.orientations import io_orientation

    axes = io_orientation(header.affine)[:, 0]
    return tuple(values[list(axes).index(world)] for world in range(3))


def _identity(source: Source, header: Header | None) -> Finding:
    """A finding of who is in the file, and a name for it that does not give the subject away."""
    subject, person, rule, nobody = source.subject, source.person, source.rule, source.nobody
    words: list[str] = []
    if header is not None:
        words = list(header.names)
        if header.patient and rule not in ("csv", "pattern"):
            nobody = is_nobody(header.patient)
            if not nobody:
                subject, person, rule = header.patient, header.patient, "dicom"
    if not _is_own_name(source, rule):
        words += [person] if is_sequence(subject) else [subject, person]
    subject = subject or stem(source.path)
    persons = dict.fromkeys([person or subject, *(source.also if rule == source.rule else ())])
    return Finding(
        subject=subject_hash(subject, source.dataset),
        label=scrub(source.path.name, words),
        same=tuple(subject_hash(f"same {canonical(text)}", source.dataset) for text in persons),
        near=subject_hash(f"near {near(person or subject)}", source.dataset),
        rule=rule,
        nobody=nobody,
    )


def _is_own_name(source: Source, rule: str) -> bool:
    """Whether the subject is nothing but the file's own name, which is shown anyway."""
    return rule in ("name", "sequence") or (rule == "nnunet" and source.subject == stem(source.path))


def _check_geometry(header: Header) -> None:
    spacing = header.spacing
    text = " x ".join(f"{mm:.4g}" for mm in spacing) + " mm" + (f", {header.reading}" if header.reading else "")
    low, high = SPACING_RANGE_MM
    if not np.isfinite(header.affine).all() or abs(np.linalg.det(header.affine[:3, :3])) < 1e-12:
        raise Refused(f"spacing {text}", "the header gives no usable place in space; mend its affine")
    if not all(low * (1 - SPACING_TOLERANCE) <= mm <= high * (1 + SPACING_TOLERANCE) for mm in spacing):
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
    who = [source.subject, source.person, source.also, source.rule, source.nobody, source.dataset, IDENTITY]
    asked = [who, source.fault, asked_of(config, source.domain), FRAME_VERSION, LOOK_VERSION]
    return digest_of([str(source.path), stats, asked])[:24]
