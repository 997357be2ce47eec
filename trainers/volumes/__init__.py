"""Volumes: from files of any kind to crops in a cache. Importing this does not import MONAI."""

from trainers.volumes.crops import read_crop, read_held_out
from trainers.volumes.errors import BadData, NoRoom, VolumeUnreadable
from trainers.volumes.records import HeldOutCrop, PreparedData, PreparedDomain, PreparedVolume, Problem

__all__ = [
    "BadData",
    "HeldOutCrop",
    "NoRoom",
    "PreparedData",
    "PreparedDomain",
    "PreparedVolume",
    "Problem",
    "VolumeUnreadable",
    "read_crop",
    "read_held_out",
]
