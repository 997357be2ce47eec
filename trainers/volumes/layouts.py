"""What folders' names say: who is in a volume, and which folders hold labels instead of images.

`identify` finds the subject of a path. Rules, first that holds: the user's `pattern`; a BIDS `sub-...` (`bids`);
the case of an nnU-Net or decathlon image folder, without its channel (`nnunet`); the first folder that is named
after someone (`folder`); the file's name (`name`), without the words for a sequence (`sequence`).
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from pathlib import Path

from trainers.volumes.endings import format_of, is_dicom_name, stem
from trainers.volumes.subjects import SEQUENCES, is_nobody, is_sequence, without_sequence

NNUNET_IMAGES = re.compile(r"images(tr|ts|te|va|val)", re.IGNORECASE)
NNUNET_LABELS = re.compile(r"labels(tr|ts|te|va|val)\w*", re.IGNORECASE)
_PART = r"(tr|train|training|ts|te|test|testing|va|val|valid|validation)"  # of a data set, before or behind the word
IMAGES = re.compile(rf"({_PART}[-_ ]?)?(images?|imgs?|volumes?|scans?)([-_ ]?{_PART})?", re.IGNORECASE)
LABELS = re.compile(
    rf"(({_PART}[-_ ]?)?(labels?|masks?|segs?|segmentations?|annotations?|gt|ground_?truths?|gt_segmentations)"
    rf"([-_ ]?{_PART})?|labels(tr|ts|te|va|val)\w*)",
    re.IGNORECASE,
)
LABEL_FOLDER = re.compile(rf"(.*[-_ ])?{LABELS.pattern}", re.IGNORECASE)
DERIVED = re.compile(r"derivatives|(pred|infer)(iction)?s?(tr|ts)?", re.IGNORECASE)
LABEL_FILE = re.compile(
    r"(segs?|segmentation|masks?|labels?)[-_ ]?\d+|(.*[-_. ])?"
    r"(segs?|dseg|probseg|segmentations?|masks?|msk|labels?|lbl|labelmaps?|rois?|gt|truth|aseg|aparc\S*|ribbon)",
    re.IGNORECASE,
)
BIDS = re.compile(r"(?:^|[/_])(sub-[^\W_]+(?:[-+][^\W_]+)*)", re.IGNORECASE)
CHANNEL = re.compile(r"(.+)_(\d{4})")
MOST_SIBLINGS = 50  # folders beside one that may hold labels which are looked into
MOST_CHANNELS = 16  # in one case; longer rows of four digits number cases, not channels
_STRUCTURE = """
images image imgs img volumes volume scans data raw rawdata sourcedata source nii niftis dcm train training trainset
val valid validation valset test testing testset tr ts anat func fmap imagestr imagests imagesva imagesval imageste
train_images test_images val_images
"""
STRUCTURE = SEQUENCES | frozenset(_STRUCTURE.split())  # folders that are named after no one


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who is in a volume. `raw` is what the subject's hash is made of, `person` what is compared and shown."""

    raw: str
    person: str
    rule: str


def identify(path: Path, base: Path, pattern: str | None, root: Path) -> Identity:
    """The subject of a volume's path; `raw` is empty where the user's pattern fails."""
    if pattern is not None:
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        match = re.search(pattern, shown.as_posix())
        text = "" if match is None else match[1] or "" if match.re.groups else match[0]
        return Identity(text, text, "pattern")
    return _bids(path, base, root) or _nnunet(path) or _folder(path, base) or _name(path)


def _bids(path: Path, base: Path, root: Path) -> Identity | None:
    """The first `sub-...` below the folder given, or else the last one above it."""
    below = BIDS.findall(path.relative_to(base).as_posix())
    above = BIDS.findall((base.relative_to(root) if base.is_relative_to(root) else base).as_posix())
    found = below[:1] or above[-1:]
    text = without_sequence(found[0]) if found else ""
    return Identity(text, text, "bids") if found else None


def _nnunet(path: Path) -> Identity | None:
    for folder in path.parents:
        if NNUNET_IMAGES.fullmatch(folder.name):
            above = _folder(path, folder)
            name = above.raw if above else path.name if os.path.isdir(path) else stem(path)
            return Identity(name, without_sequence(_case(folder, name)), "nnunet")
    return None


def _case(folder: Path, name: str) -> str:
    """The case without its channel: `la_7` of `la_7_0001`, where the folder holds `la_7_0000`, too.

    Four digits that number the cases themselves stay: their row does not begin at 0000, is longer than a row of
    channels, or the labels bear the same number.
    """
    match = CHANNEL.fullmatch(name)
    if match is None:
        return name
    channels = _channels(folder).get(match[1], frozenset())
    labels = folder.with_name(re.sub("images", "labels", folder.name, count=1, flags=re.IGNORECASE))
    labelled = name in _stems(labels) or f"{match[1]}_0000" in _stems(labels)
    return match[1] if "0000" in channels and len(channels) <= MOST_CHANNELS and not labelled else name


@functools.lru_cache(maxsize=64)
def _stems(folder: Path) -> frozenset[str]:
    try:
        return frozenset(stem(Path(name)) for name in os.listdir(folder) if format_of(name))
    except OSError:
        return frozenset()


@functools.lru_cache(maxsize=64)
def _channels(folder: Path) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for match in filter(None, map(CHANNEL.fullmatch, _stems(folder))):
        found.setdefault(match[1], set()).add(match[2])
    return {case: frozenset(channels) for case, channels in found.items()}


def forget() -> None:
    """Forget what folders held: files may have come since."""
    _stems.cache_clear()
    _channels.cache_clear()


def _folder(path: Path, base: Path) -> Identity | None:
    for name in path.relative_to(base).parts[:-1]:
        structure = (
            name.casefold() in STRUCTURE or is_sequence(name) or LABELS.fullmatch(name) or IMAGES.fullmatch(name)
        )
        if not structure and not is_nobody(name, zero=False):
            return Identity(name, without_sequence(name), "folder")
    return None


def _name(path: Path) -> Identity:
    """By the file; a name that is nothing but a sequence (`t1.nii`) leaves only the folder to tell who it is."""
    name = path.name if os.path.isdir(path) else stem(path)
    above = path.parent.name
    if is_sequence(name) and above and above.casefold() not in STRUCTURE and not is_sequence(above):
        return Identity(name, above, "folder")
    person = without_sequence(name)
    return Identity(name, person, "name" if person == name else "sequence")


def label_folder(folder: Path) -> bool:
    """Whether a folder holds the labels of the images beside it.

    These lie in a folder named so, in files of their own, or in a folder that has a file of the same name.
    """
    if not LABELS.fullmatch(folder.name):
        return False
    try:
        beside = [entry for entry in os.scandir(folder.parent) if entry.name != folder.name]
    except OSError:
        return False
    folders = [entry.name for entry in beside if entry.is_dir()]
    files = [entry.name for entry in beside if not entry.is_dir()]
    if any(map(IMAGES.fullmatch, folders)) or any(format_of(n) or is_dicom_name(n) for n in files):
        return True
    others = [folder.with_name(name) for name in sorted(folders)[:MOST_SIBLINGS] if not LABELS.fullmatch(name)]
    return any(_stems(folder) & _stems(other) for other in others)


def looks_like_label(path: Path, base: Path) -> bool:
    """Whether the name of a volume's file, or of a folder that it lies in, is one that label maps have.

    Of the folder that the user gave only what lies beside it tells: it may be called after a task.
    """
    inside = path.relative_to(base).parts[:-1] if path.is_relative_to(base) else ()
    return (
        bool(LABEL_FILE.fullmatch(stem(path)))
        or any(LABELS.fullmatch(name) or DERIVED.fullmatch(name) for name in inside)
        or any(LABEL_FOLDER.fullmatch(name) for name in inside[-1:])
        or label_folder(base)
        or bool(NNUNET_LABELS.fullmatch(base.name))
    )
