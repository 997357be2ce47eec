"""The chapters on what was decided: the mixture over time and every refit."""

from __future__ import annotations

from collections.abc import Mapping

from service.report.chart_mixture import LEGEND, kind_of, kinds_in, mixture_chart
from service.report.facts import Facts, key
from service.report.learnt import Learnt
from service.report.page import Section, table
from service.story import moved
from service.story.words import (
    count,
    duration,
    esc,
    gain_cell,
    limit,
    percent,
    plural,
)


def mixture_section(facts: Facts) -> Section:
    story = facts.story
    title, lead = (
        "Mixture over time",
        (
            "How much of each domain was drawn. The marks above the shares are the refits; point at one to read what "
            "it decided. White lines are changes of the mixture."
        ),
    )
    if not story.decisions:
        return Section("mixture", title, lead, "")
    marks = [f"<span>{esc(LEGEND[kind])}</span>" for kind in kinds_in(story)]
    legend = "".join([*(f"<span>{key(facts, name)}</span>" for name in story.names), *marks])
    chart = facts.figures.place(mixture_chart(story, facts.look))
    return Section("mixture", title, lead, f'<div class="legend">{legend}</div>{chart}{shares_table(facts)}')


def shares_table(facts: Facts) -> str:
    """By domain: its share at first, at last and of all draws. There must be a decision."""
    story = facts.story
    first, last = story.decisions[0].weights, story.decisions[-1].weights
    rows = [
        [
            key(facts, name),
            percent(first.get(name, 0.0)),
            percent(last.get(name, 0.0)),
            percent(story.drawn().get(name)),
            count(story.reports[-1].draws.get(name, 0.0)) if story.reports else "–",
        ]
        for name in story.names
    ]
    head = ["domain", "share at first", "share at last", "share of all draws", "draws learnt from"]
    return table(head, rows, numbers=(1, 2, 3, 4))


def refits_section(facts: Facts) -> Section:
    story = facts.story
    lead = "Every decision in order: the reason, the figures behind it, and what it did to the mixture."
    rows = []
    before: Mapping[str, float] = {}
    for decision in story.decisions:
        part = moved(before, decision.weights) if before else 0.0
        kind = kind_of(decision, part > 1e-6)
        mark = ' class="reason warn"' if kind == "hold" or "failed" in decision.reason else ' class="reason"'
        rows.append(
            [
                count(decision.position),
                f"<span{mark}>{esc(decision.reason)}</span>",
                esc(decision.detail) or '<span class="quiet">–</span>',
                _change(before, decision.weights),
                esc(gain_cell(None if decision.probes else decision.gain, story.objective)),
                esc(", ".join(map(limit, decision.binding))) or "–",
                duration_cell(story.refit_seconds.get(decision.position)),
            ]
        )
        before = decision.weights
    head = ["from draw", "reason", "why", "mixture", "predicted gain", "limits reached", "CPU"]
    return Section("refits", "All refits", lead, table(head, rows, numbers=(0, 6), texts=(2, 3)) if rows else "")


def duration_cell(seconds: float | None) -> str:
    """CPU seconds of a refit, to a hundredth below ten."""
    return "–" if seconds is None else f"{seconds:.2f} s" if seconds < 10 else duration(seconds)


def _change(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """What moved by half a percentage point or more; the whole mixture at the start."""
    if not before:
        return esc(", ".join(f"{n} {percent(s, 0)}" for n, s in after.items()))
    steps = [(n, before.get(n, 0.0), s) for n, s in after.items() if abs(s - before.get(n, 0.0)) >= 0.005]
    steps.sort(key=lambda step: -abs(step[2] - step[1]))
    if not steps:
        return '<span class="quiet">unchanged</span>'
    return ", ".join(f"<span>{esc(n)} {100 * a:.0f} → {percent(b, 0)}</span>" for n, a, b in steps)


def refit_words(found: Learnt) -> str:
    """'8 refits: 5 x refit, 3 x kept: no gain beyond uncertainty'."""
    said = [f"{number} × {reason}" for reason, number in sorted(found.reasons.items(), key=lambda item: -item[1])]
    return plural(found.refits, "refit") + (": " + ", ".join(said) if said else "")
