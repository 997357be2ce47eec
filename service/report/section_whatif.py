"""The chapter on other budgets: best mixtures, what they would reach, and which data to collect next."""

from __future__ import annotations

from collections.abc import Mapping

from policies.records import BadSetup
from service.plan import PlanRow, PlanTable, plan_story
from service.report.facts import Facts
from service.report.page import Section, grid, table
from service.report.palette import Look
from service.report.plot import Chart, axis, chart
from service.story import Story
from service.story.words import count, esc, figure, gain_cell, interval_cell, limit

TIMES = (0.5, 1, 2, 4, 10)
ADVISED = 4  # the advice is given for a run of so many times the budget


def whatif_section(facts: Facts) -> Section:
    """Plans for new runs of half to ten times the budget; left out for a run without a law."""
    title = "What if: other budgets"
    lead = (
        "What a new run over the same domains should draw and would reach, by the last law. Far beyond what was seen "
        "this is an extrapolation. <code>isthmus plan</code> answers for any budget."
    )
    found = _plans(facts.story)
    if found is None:
        return Section("whatif", title, lead, "")
    bars = facts.figures.place(_shares(found, facts.look))
    panels = [("Best mixture by budget", bars), (_heading(found), advice_list(found.rows[TIMES.index(ADVISED)]))]
    return Section("whatif", title, lead, grid(panels, 2) + _table(found) + _cautions(found))


def _plans(story: Story) -> PlanTable | None:
    if story.law is None:
        return None
    try:
        return plan_story(story, [max(1, round(times * story.budget)) for times in TIMES])
    except BadSetup:  # the law does not know all targets yet
        return None


def _shares(found: PlanTable, look: Mapping[str, Look]) -> Chart:
    """Stacked bars, one per budget."""
    budgets = [count(row.budget) for row in found.rows]
    data = [
        {
            "type": "bar",
            "name": esc(name),
            "x": budgets,
            "y": [row.weights.get(name, 0.0) for row in found.rows],
            "marker": {"color": look[name].colour, "line": {"color": "#ffffff", "width": 1}},
            "hovertemplate": f"{esc(name)}: %{{y:.1%}} at %{{x}} draws<extra></extra>",
        }
        for name in found.rows[0].weights
    ]
    return chart(
        data,
        height=290,
        label="Best mixture for budgets of " + ", ".join(budgets) + " draws",
        showlegend=False,
        barmode="stack",
        bargap=0.35,
        xaxis=axis("budget in draws", type="category", showgrid=False),
        yaxis=axis("", tickformat=".0%", range=[0, 1]),
    )


def _heading(found: PlanTable) -> str:
    row = found.rows[TIMES.index(ADVISED)]
    ranked = "ranked by the worth of one distinct draw"
    return f"What to collect next<small>for a run of {count(row.budget)} draws, {ranked}</small>"


def advice_list(row: PlanRow) -> str:
    """Which data to collect next, the most useful first."""
    if not row.collect:
        return '<p class="say">Every pool is endless, so there is nothing to collect.</p>'
    unsure = ' <span class="quiet">The interval reaches zero.</span>'
    said = [f"<li>{esc(advice.words())}.{'' if advice.sure else unsure}</li>" for advice in row.collect]
    return f'<ol class="say">{"".join(said)}</ol>'


def _table(found: PlanTable) -> str:
    targets = list(found.rows[0].predicted)
    rows = [
        [
            count(row.budget),
            figure(row.times_seen, 2),
            esc(gain_cell(row.gain, found.objective)),
            *(interval_cell(row.predicted[target]) for target in targets),
        ]
        for row in found.rows
    ]
    better = "lower mean loss" if found.objective == "mean_log" else "gain"
    head = ["budget", "times seen", f"{better} than {found.baseline}", *targets]
    return table(head, rows, numbers=tuple(range(len(head))))


def _cautions(found: PlanTable) -> str:
    said = [f"<li>{count(row.budget)} draws: {esc(row.caution)}</li>" for row in found.rows if row.caution]
    limits = [
        f"<li>{count(row.budget)} draws: {esc(', '.join(map(limit, row.binding)))}</li>"
        for row in found.rows
        if row.binding
    ]
    body = f'<ul class="say quiet">{"".join(said)}</ul>' if said else ""
    return body + (f'<h3>Limits reached</h3><ul class="say quiet">{"".join(limits)}</ul>' if limits else "")
