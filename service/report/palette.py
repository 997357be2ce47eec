"""One colour, dash and marker per domain, the same in every figure.

The colours keep a contrast of at least 3 to 1 on white and stay apart under the common forms of
colour blindness; dash and marker carry the same information for print in grey.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

COLOURS = (
    "#0072b2",  # blue
    "#d55e00",  # vermilion
    "#117733",  # green
    "#aa4499",  # purple
    "#8c6d00",  # dark gold
    "#332288",  # indigo
    "#1b8a8a",  # teal
    "#c2506b",  # rose
    "#661100",  # brown
    "#6b6b6b",  # grey
)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "triangle-down", "star", "pentagon", "hexagon")

INK = "#1f2933"
MUTED = "#5b6770"
GRID = "#e3e7ea"
UNKNOWN = "#eceff1"

# the scale of transfer: logarithmic in own draws, light enough at both ends for dark text
LIGHT, FULL = "#f7fbff", "#5a9bd4"
LOWEST, HIGHEST = 0.03, 4.0


@dataclasses.dataclass(frozen=True)
class Look:
    """How one domain or target is drawn."""

    colour: str
    dash: str
    marker: str


def looks(names: Iterable[str]) -> dict[str, Look]:
    """A look per name, by order; past ten names the colours repeat with another dash and marker."""
    found: dict[str, Look] = {}
    for name in dict.fromkeys(names):
        place = len(found)
        lap = place // len(COLOURS)
        found[name] = Look(
            colour=COLOURS[place % len(COLOURS)],
            dash=DASHES[lap % len(DASHES)],
            marker=MARKERS[(place + 3 * lap) % len(MARKERS)],
        )
    return found


def pale(colour: str, alpha: float) -> str:
    """The colour with transparency, as both Plotly and SVG read it."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"
