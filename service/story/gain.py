"""What a whole run gained over the baseline mixture, by the last law."""

from __future__ import annotations

import numpy as np

from policies.allocation.problem import make_problem, published_gain
from policies.records import Interval
from service.story.curves import cumulative
from service.story.rates import rates
from service.story.story import Story


def run_gain(story: Story) -> Interval | None:
    """Objective at the end under the baseline from the first draw on, minus that under this run's own draws.

    A run that is not at its end is taken to go on with its last mixture. The decisions' own `gain`
    is the same as they foresaw it; this is the account with the last law and the draws that were
    made. None without a law, or where the law does not know all domains.
    """
    law = story.law
    if law is None or not story.reports or set(law.domains) != set(story.names):
        return None
    end = np.array([float(max(story.budget, story.reached))])
    drawn = cumulative(story, end, law.domains)[0]
    time, annealing = rates(story, end)
    problem = make_problem(
        law,
        domains=[next(d for d in story.domains if d.name == name) for name in law.domains],
        spent=dict.fromkeys(law.domains, 0.0),
        budget=float(drawn.sum()),
        targets=story.targets,
        objective=story.objective,
        baseline={name: story.baseline[name] for name in law.domains} if _whole(story) else None,
        time=None if time is None else float(time[0]),
        anneal=float(annealing[0]),
    )
    return published_gain(*problem.outlook.gain(drawn, problem.final(problem.baseline)))


def _whole(story: Story) -> bool:
    return set(story.baseline) == set(story.names)
