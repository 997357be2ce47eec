"""A run read back from the journal, and its numbers in words: the ground of the report, the figures and the plan."""

from service.story.rates import final_annealing, rates
from service.story.story import Note, Story, moved, ordered, read_story

__all__ = ["Note", "Story", "final_annealing", "moved", "ordered", "rates", "read_story"]
