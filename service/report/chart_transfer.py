"""The transfer matrix and the hubs and islands read off it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from policies.records import Interval, LawSummary
from service.report.palette import FULL, HIGHEST, INK, LIGHT, LOWEST, UNKNOWN, Look
from service.report.plot import Chart, Trace, axis, chart
from service.story.words import esc, figure, interval

NO_WORTH = Interval(math.nan, math.nan, math.nan)
SCALES = {
    "known": [[0, LIGHT], [1, FULL]],
    "prior": [[0, UNKNOWN], [1, UNKNOWN]],
    "own": [[0, "#ffffff"], [1, "#ffffff"]],
}
# state of a cell -> (words, frame of its number)
STATES = {
    "known": ("identified by the data", "{}"),
    "prior": ("not identified: the prior speaks", "({})"),
    "own": ("an own draw, 1 by definition", "own"),
}


def transfer_chart(law: LawSummary) -> Chart:
    """Rows receive, columns give; colour on a logarithmic scale for what the data identified, grey otherwise."""
    rows = list(law.transfer)
    columns = list(dict.fromkeys(source for row in law.transfer.values() for source in row))
    state = [[_state(law, to, source) for source in columns] for to in rows]
    roomy = len(columns) <= 10
    data = [_cells(law, rows, columns, state, wanted, roomy) for wanted in STATES]
    return chart(
        data,
        height=120 + max(34, min(48, 420 // len(rows))) * len(rows),
        label=f"Heat map of transfer between {len(columns)} giving and {len(rows)} receiving domains",
        margin={"l": 60, "r": 10, "t": 40, "b": 10},
        xaxis=axis("gives: a draw from …", side="top", showgrid=False, tickangle=0 if len(columns) <= 6 else -40),
        yaxis=axis("receives", autorange="reversed", showgrid=False),
    )


def hub_chart(scores: Mapping[str, Interval], look: Mapping[str, Look], label: str, title: str) -> Chart:
    """One score per domain with its interval, the highest on top."""
    known = sorted(((n, s) for n, s in scores.items() if math.isfinite(s.mean)), key=lambda item: item[1].mean)
    data = [_score(name, score, look[name]) for name, score in known if name in look]
    mean = sum(s.mean for _, s in known) / max(1, len(known))
    spot = {"type": "line", "x0": mean, "x1": mean, "y0": 0, "y1": 1, "yref": "paper"}
    return chart(
        data,
        height=90 + 30 * len(known),
        label=label,
        showlegend=False,
        margin={"l": 60, "r": 14, "t": 6, "b": 44},
        xaxis=axis(title, rangemode="tozero", nticks=6),
        yaxis=axis("", showgrid=False, type="category"),
        shapes=[spot | {"line": {"color": "#aab4bb", "width": 1, "dash": "dot"}}],
    )


def _state(law: LawSummary, to: str, source: str) -> str:
    if to == source:
        return "own"
    return "known" if law.identified.get(to, {}).get(source, False) else "prior"


def _cells(
    law: LawSummary, rows: list[str], columns: list[str], state: list[list[str]], wanted: str, roomy: bool
) -> Trace:
    """The cells in one state: only what the data identified is coloured by its worth."""
    said, frame = STATES[wanted]
    known = wanted == "known"
    worth = [[law.transfer[to].get(source, NO_WORTH) for source in columns] for to in rows]
    return {
        "type": "heatmap",
        "x": [esc(c) for c in columns],
        "y": [esc(r) for r in rows],
        "z": _grid(worth, state, lambda w, s: (depth(w.mean) if known else 0.0) if s == wanted else None),
        "zmin": math.log10(LOWEST) if known else -1,
        "zmax": math.log10(HIGHEST) if known else 1,
        "colorscale": SCALES[wanted],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
        "text": _grid(worth, state, lambda w, s: frame.format(figure(w.mean, 2)) if s == wanted else ""),
        "texttemplate": "%{text}" if roomy else "",
        "textfont": {"color": INK},
        "customdata": _grid(worth, state, lambda w, s: f"{interval(w, 2)}, {said}"),
        "hovertemplate": "a draw from %{x} is worth to %{y}:<br>%{customdata}<extra></extra>",
    }


def depth(worth: float) -> float:
    """Place of a worth on the colour scale, which is logarithmic."""
    return math.log10(max(worth, 1e-3))


def _grid(worth: list[list[Interval]], state: list[list[str]], cell: Callable[[Interval, str], Any]) -> list[list[Any]]:
    return [[cell(w, s) for w, s in zip(*pair, strict=True)] for pair in zip(worth, state, strict=True)]


def _score(name: str, score: Interval, look: Look) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [score.mean],
        "y": [esc(name)],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, score.high - score.mean)],
            "arrayminus": [max(0.0, score.mean - score.low)],
            "thickness": 1.6,
            "width": 4,
            "color": look.colour,
        },
        "marker": {"color": look.colour, "symbol": look.marker, "size": 10},
        "hovertemplate": f"%{{y}}: {interval(score, 2)}<extra></extra>",
    }
