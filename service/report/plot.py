"""Plotly figures as plain dictionaries, and the frame that all of them share."""

from __future__ import annotations

import dataclasses
from typing import Any

from service.report.palette import GRID, INK, MUTED

Trace = dict[str, Any]

CONFIG = {"responsive": True, "displaylogo": False, "displayModeBar": False}


@dataclasses.dataclass(frozen=True)
class Chart:
    """A figure with its height in pixels and the sentence a screen reader says."""

    data: list[Trace]
    layout: dict[str, Any]
    height: int
    label: str

    def to_dict(self) -> dict[str, Any]:
        return {"data": self.data, "layout": self.layout}


def chart(data: list[Trace], *, height: int, label: str, x: str = "", y: str = "", **layout: Any) -> Chart:
    """A chart in the house's frame; `x` and `y` are axis titles, `layout` overrides the frame."""
    frame: dict[str, Any] = {
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 12, "color": INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 56, "r": 14, "t": 14, "b": 44},
        "height": height,
        "autosize": True,
        "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": GRID, "font": {"color": INK}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        "xaxis": axis(x),
        "yaxis": axis(y),
    }
    return Chart(data, merge(frame, layout), height, label)


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """An axis with a light grid."""
    plain = {
        "title": {"text": title, "standoff": 8, "font": {"color": MUTED, "size": 12}},
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": "#aab4bb",
        "tickcolor": "#aab4bb",
        "tickfont": {"color": MUTED, "size": 11},
        "automargin": True,
        "fixedrange": True,
    }
    return merge(plain, more)


def merge(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`base` with `more` laid over it, dictionaries inside merged the same way."""
    out = dict(base)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merge(out[key], value) if both else value
    return out


def upright(position: float, colour: str = "#aab4bb", dash: str = "dot") -> dict[str, Any]:
    """A thin line over the whole height at one x."""
    line = {"color": colour, "width": 1, "dash": dash}
    return {"type": "line", "x0": position, "x1": position, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def level(value: float, colour: str = "#aab4bb", dash: str = "solid") -> dict[str, Any]:
    """A thin line over the whole width at one y."""
    line = {"color": colour, "width": 1, "dash": dash}
    return {"type": "line", "y0": value, "y1": value, "x0": 0, "x1": 1, "xref": "paper", "line": line}
