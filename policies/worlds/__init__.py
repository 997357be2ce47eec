"""Simulated training with known truth: where policies are tried, tuned and judged.

A world takes mixtures and returns loss reports; its `score` knows no noise. Each kind has a file
with its ranges as constants and `build`, which draws the parameters of one seed; `truth.py` holds
what kinds share. `registry.WORLDS` lists them; `oracle.py` says what could have been reached.
"""

from policies.worlds.registry import available_worlds, make_world
from policies.worlds.world import World

__all__ = ["World", "available_worlds", "make_world"]
