"""Volumes: from files of any kind to crops in a cache.

Importing this imports neither torch nor MONAI; preparing volumes does.
"""

from trainers.volumes.crops import read_crop, read_held_out
from trainers.volumes.errors import BadData, NoRoom, VolumeUnreadable
from trainers.volumes.preparation import prepare, volumes_used
from trainers.volumes.recipe import preprocess, recipe_of
from trainers.volumes.records import HeldOutCrop, PreparedData, PreparedDomain, PreparedVolume, Problem
from trainers.volumes.scanning import Scan, scan, summary
from trainers.volumes.table import finding_lines, renderables
from trainers.volumes.verdict import Verdict, decide

__all__ = [
    "BadData",
    "HeldOutCrop",
    "NoRoom",
    "PreparedData",
    "PreparedDomain",
    "PreparedVolume",
    "Problem",
    "Scan",
    "Verdict",
    "VolumeUnreadable",
    "decide",
    "finding_lines",
    "prepare",
    "preprocess",
    "read_crop",
    "read_held_out",
    "recipe_of",
    "renderables",
    "scan",
    "summary",
    "volumes_used",
]
