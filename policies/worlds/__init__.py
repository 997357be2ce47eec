"""Simulated training with known truth: where policies are tried, tuned and judged.

A world takes mixtures and returns loss reports; its `score` knows no noise.

1. `state.py`: where a run stands: draws by domain, on clocks that may slow down or change over, and lately.
2. `truth.py`: a truth is a pure function from states, singly or in batches, to losses. Truths stack:
   `Plateau(hubs)`, `Spoiled(TwoRegimes(hubs))`.
3. One file a kind, with its ranges as constants and `build(rng, K) -> Spec`, which draws one seed's
   parameters; `draw.py` and `regimes.py` hold what kinds share, `settings.py` what all do.
4. `world.py` runs a truth and `measure.py` adds noise: a function of world, seed and position alone.
5. `oracle.py`: what could have been reached. `replay.py`: a world from a table of real runs.

To add a kind: a file with `build`, and a line in `registry.WORLDS`; the tests there run over all.
"""

from policies.worlds.registry import available_worlds, make_world
from policies.worlds.replay import make_replay
from policies.worlds.world import World

__all__ = ["World", "available_worlds", "make_replay", "make_world"]
