"""A run read back from the journal, and its numbers in words: the ground of the report, the figures and the plan."""

from service.story.curves import Curve, law_curves
from service.story.gain import run_gain
from service.story.rates import final_annealing, rates
from service.story.story import Note, Story, moved, ordered, read_story

__all__ = [
    "Curve",
    "Note",
    "Story",
    "final_annealing",
    "law_curves",
    "moved",
    "ordered",
    "rates",
    "read_story",
    "run_gain",
]
