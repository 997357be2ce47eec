"""The stream of training samples and the loader that reads it."""

from trainers.stream.batch import Batch, Failure
from trainers.stream.draws import Draw, Draws
from trainers.stream.errors import BadStage, StageTooLate, StreamMismatch
from trainers.stream.loader import BadLoader, LoaderPlan, StreamLoader
from trainers.stream.masks import fixed_masks, visible_patches
from trainers.stream.stream import SampleStream

__all__ = [
    "BadLoader",
    "BadStage",
    "Batch",
    "Draw",
    "Draws",
    "Failure",
    "LoaderPlan",
    "SampleStream",
    "StageTooLate",
    "StreamLoader",
    "StreamMismatch",
    "fixed_masks",
    "visible_patches",
]
