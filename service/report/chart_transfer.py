"""The transfer matrix and the hubs and islands read off it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from policies.records import Interval, LawSummary
from service.report.palette import UNKNOWN, Look
from service.report.plot import Chart, Trace, axis, chart
from service.report.words import esc, figure, interval

TICKS = (0.03, 0.1, 0.3, 1.0, 3.0)
DARK, LIGHT = "#084594", "#f7fbff"


def transfer_chart(law: LawSummary) -> Chart:
    """Rows receive, columns give; colour on a logarithmic scale for what the data identified, grey otherwise."""
    rows = list(law.transfer)
    columns = list(dict.fromkeys(source for row in law.transfer.values() for source in row))
    known = [[_known(law, to, source) for source in columns] for to in rows]
    roomy = len(columns) <= 10
    data = [_cells(law, rows, columns, known, True, roomy), _cells(law, rows, columns, known, False, roomy)]
    return chart(
        data,
        height=120 + max(34, min(48, 420 // len(rows))) * len(rows),
        label=f"Heat map of transfer between {len(columns)} giving and {len(rows)} receiving domains",
        margin={"l": 60, "r": 10, "t": 40, "b": 10},
        xaxis=axis("gives (a draw from ...)", side="top", showgrid=False, tickangle=0 if len(columns) <= 6 else -40),
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


def _known(law: LawSummary, to: str, source: str) -> bool:
    return to == source or bool(law.identified.get(to, {}).get(source, False))


def _cells(
    law: LawSummary, rows: list[str], columns: list[str], known: list[list[bool]], wanted: bool, roomy: bool
) -> Trace:
    """The cells that are identified (coloured), or those that are not (grey)."""
    state = "identified by the data" if wanted else "not identified: the prior speaks"
    empty = Interval(math.nan, math.nan, math.nan)
    worth = [[law.transfer[to].get(source, empty) for source in columns] for to in rows]
    shown = [
        [known[r][c] is wanted and math.isfinite(worth[r][c].mean) for c in range(len(columns))]
        for r in range(len(rows))
    ]
    z = [
        [
            (math.log10(max(worth[r][c].mean, 1e-3)) if wanted else 0.0) if shown[r][c] else None
            for c in range(len(columns))
        ]
        for r in range(len(rows))
    ]
    brackets = ("", "") if wanted else ("(", ")")
    return {
        "type": "heatmap",
        "x": [esc(c) for c in columns],
        "y": [esc(r) for r in rows],
        "z": z,
        "zmin": math.log10(TICKS[0]) if wanted else -1,
        "zmax": math.log10(4) if wanted else 1,
        "colorscale": [[0, LIGHT], [1, DARK]] if wanted else [[0, UNKNOWN], [1, UNKNOWN]],
        "showscale": wanted and roomy,
        "colorbar": {
            "tickvals": [math.log10(t) for t in TICKS],
            "ticktext": [f"{t:g}" for t in TICKS],
            "thickness": 10,
            "len": 0.9,
            "outlinewidth": 0,
        },
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
        "text": [
            [brackets[0] + figure(w.mean, 2) + brackets[1] if s else "" for w, s in zip(row, show, strict=True)]
            for row, show in zip(worth, shown, strict=True)
        ],
        "texttemplate": "%{text}" if roomy else "",
        "customdata": [[f"{interval(w, 2)}, {state}" for w in row] for row in worth],
        "hovertemplate": "a draw from %{x} is worth to %{y}:<br>%{customdata}<extra></extra>",
    }


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
