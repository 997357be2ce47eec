"""The mixture over time, with what each refit decided."""

from __future__ import annotations

from collections.abc import Mapping

from policies.records import Decision
from service.report.palette import Look
from service.report.plot import Chart, Trace, axis, chart, upright
from service.story import Story
from service.story.words import count, esc, figure, percent

# reason class -> (marker, colour): shape and colour both tell them apart
KINDS = {
    "moved": ("circle", "#1f2933"),
    "probe": ("diamond-open", "#1f2933"),
    "kept": ("line-ns-open", "#5b6770"),
    "hold": ("x", "#b00020"),
}
LEGEND = {
    "moved": "● refit moved the mixture",
    "probe": "◇ probe: a mixture chosen to learn from",
    "kept": "| mixture kept",
    "hold": "✖ hold: no answer in time",
}
STRIP = 1.07


def kind_of(decision: Decision, changed: bool) -> str:
    """Which of `KINDS` a decision belongs to."""
    if decision.probes:
        return "probe"
    if decision.reason == "hold" or decision.reason.startswith("hold:"):
        return "hold"
    return "moved" if changed else "kept"


def kinds_in(story: Story) -> list[str]:
    """The classes of decision that occur, for the legend."""
    changed = {d.position for d in story.changes()}
    found = {kind_of(d, d.position in changed) for d in story.refits}
    return [kind for kind in KINDS if kind in found]


def mixture_chart(story: Story, look: Mapping[str, Look]) -> Chart:
    """Stacked shares as steps; above them one mark per refit that tells what it decided."""
    end = max(story.reached, story.decisions[-1].position)
    data = [_share(story, name, look[name], end) for name in story.names]
    data += _marks(story)
    shapes = [upright(d.position, "#ffffff", "solid") | {"yref": "y"} for d in story.changes()]
    if not story.finished:
        shapes.append(upright(end, "#b00020", "dash"))
    return chart(
        data,
        height=360,
        showlegend=False,
        label=f"Stacked shares of {len(story.names)} domains over {count(end)} draws, with the refits marked above",
        xaxis=axis("draws", tickformat="~s", range=[0, max(end, story.budget)]),
        yaxis=axis("share of the draws", tickformat=".0%", range=[0, 1.14], tickvals=[0, 0.25, 0.5, 0.75, 1]),
        shapes=shapes,
        hovermode="closest",
    )


def _share(story: Story, name: str, look: Look, end: int) -> Trace:
    steps = [(d.position, d.weights.get(name, 0.0)) for d in story.decisions if d.position <= end]
    steps.append((end, steps[-1][1]))
    return {
        "type": "scatter",
        "mode": "lines",
        "name": esc(name),
        "x": [at for at, _ in steps],
        "y": [share for _, share in steps],
        "stackgroup": "mixture",
        "line": {"shape": "hv", "width": 0.8, "color": "#ffffff"},
        "fillcolor": look.colour,
        "hoveron": "points+fills",
        "hovertemplate": f"{esc(name)}: %{{y:.1%}} from draw %{{x:,}}<extra></extra>",
    }


def _marks(story: Story) -> list[Trace]:
    changed = {d.position for d in story.changes()}
    found: dict[str, list[Decision]] = {}
    for decision in story.refits:
        found.setdefault(kind_of(decision, decision.position in changed), []).append(decision)
    return [_strip(kind, found[kind]) for kind in KINDS if kind in found]


def _strip(kind: str, decisions: list[Decision]) -> Trace:
    symbol, colour = KINDS[kind]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": LEGEND[kind],
        "x": [d.position for d in decisions],
        "y": [STRIP] * len(decisions),
        "marker": {"symbol": symbol, "size": 9, "color": colour, "line": {"width": 2, "color": colour}},
        "text": [_hover(d) for d in decisions],
        "hovertemplate": "%{text}<extra></extra>",
        "cliponaxis": False,
    }


def _hover(decision: Decision) -> str:
    shares = ", ".join(f"{esc(n)} {percent(s)}" for n, s in decision.weights.items())
    gain = "" if decision.gain is None else f"<br>predicted gain {figure(decision.gain.mean, 2)}"
    return f"draw {count(decision.position)}: {esc(decision.reason)}<br>{shares}{gain}"
