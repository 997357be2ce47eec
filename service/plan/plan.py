"""Best mixtures for other budgets, from the last law of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from policies import plan_allocation
from policies.intake import nearest
from policies.records import BadSetup, Domain, check_domains
from service.journal import Journal
from service.plan.collect import advice
from service.plan.table import PlanRow, PlanTable
from service.story import Story, final_annealing, ordered, read_story, words

FAR, VERY_FAR = 2.0, 10.0  # budgets beyond what was seen from which a plan is an extrapolation, or a guess


def plan(journal: Journal, allocation: str, budgets: Sequence[int], objective: str | None = None) -> PlanTable:
    """What a new run of each of `budgets` draws over the same domains should do, and would reach.

    The law is the last one the run fitted; `objective` is the run's own by default.

    Raises
    ------
    BadSetup
        When the run is unknown, its policy fitted no law, or a budget or the objective makes no sense.
    """
    return plan_story(read_story(journal, allocation), budgets, objective)


def plan_story(
    story: Story, budgets: Sequence[int], objective: str | None = None, domains: Sequence[Domain] | None = None
) -> PlanTable:
    """The same from a story that was already read; with `domains`, as if these were the domains."""
    if domains is not None:
        _check_known(story, domains)
        story = dataclasses.replace(story, domains=check_domains(domains))
    if story.law is None:
        raise BadSetup(
            f"nothing can be planned from run '{story.name}' with policy '{story.policy}': {story.no_law}; "
            "plan from a run of transfer_law or own_law that has got past its burn-in"
        )
    if not budgets:
        raise BadSetup("no budget was given; name at least one, in draws")
    aim = objective or story.objective
    rows = tuple(_row(story, _whole(budget), aim) for budget in dict.fromkeys(budgets))
    return PlanTable(story.name, aim, story.baseline_word, story.reached, rows)


def _check_known(story: Story, domains: Sequence[Domain]) -> None:
    known = [] if story.law is None else list(story.law.domains)
    for domain in domains:
        if story.law is not None and domain.name not in known:
            raise BadSetup(
                f"the law knows no domain '{domain.name}'{nearest(domain.name, known)}; known are {', '.join(known)}"
            )


def caution(budget: int, seen: int) -> str:
    """A sentence where the budget lies far outside what the law was fitted to; else empty."""
    times = budget / max(1, seen)
    if times > VERY_FAR:
        return (
            f"{words.figure(times, 2)} times what was seen ({words.count(seen)} draws): a guess. Use it to choose the "
            "next experiment, not to promise a result."
        )
    if times > FAR:
        return (
            f"{words.figure(times, 2)} times what was seen ({words.count(seen)} draws): an extrapolation, and the "
            "intervals hold only if the same laws go on."
        )
    return ""


def _row(story: Story, budget: int, objective: str) -> PlanRow:
    assert story.law is not None
    domains = _known(story)
    found = plan_allocation(
        story.law,
        domains=domains,
        spent={domain.name: 0.0 for domain in domains},
        budget=budget,
        targets=story.targets,
        objective=objective,
        baseline=dict(story.baseline) if set(story.baseline) == {d.name for d in domains} else None,
        anneal=final_annealing(story),
    )
    return PlanRow(
        budget=budget,
        weights=ordered(found.weights, story.names),
        predicted=ordered({t: v for t, v in found.predicted.items() if t in story.targets}, list(story.targets)),
        predicted_baseline=ordered(found.predicted_baseline, list(story.targets)),
        gain=found.gain,
        better=found.better,
        binding=_limits(found.binding, domains),
        exact=found.exact,
        pool_value=ordered(found.pool_value, story.names),
        collect=advice(found.pool_value, domains, objective),
        times_seen=budget / max(1, story.reached),
        caution=caution(budget, story.reached),
    )


def _known(story: Story) -> tuple[Domain, ...]:
    """The domains that the law was fitted to."""
    assert story.law is not None
    return tuple(domain for domain in story.domains if domain.name in story.law.domains)


def _limits(labels: Sequence[str], domains: Sequence[Domain]) -> tuple[str, ...]:
    """The limits that somebody set: that a share cannot fall below zero is not worth a word."""
    plain = {f"min_share of {d.name}" for d in domains if d.min_share == 0}
    return tuple(label for label in labels if label not in plain)


def _whole(budget: int) -> int:
    if isinstance(budget, bool) or int(budget) != budget or budget < 1:
        raise BadSetup(f"budget is {budget}; it must be a whole number of draws >= 1")
    return int(budget)
