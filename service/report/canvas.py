"""The few SVG shapes that the small figures are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from service.report.palette import GRID, INK, MUTED
from service.story.words import esc

Point = tuple[float, float]


class Canvas:
    """An SVG of `width` x `height` pixels with a plotting box inside the margins.

    `x_range` and `y_range` are in data units; `log_y` draws the second on a logarithmic axis.
    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        x_range: Point = (0.0, 1.0),
        y_range: Point = (0.0, 1.0),
        margins: tuple[int, int, int, int] = (28, 12, 34, 52),
    ) -> None:
        self.width, self.height = width, height
        self.top, self.right, self.bottom, self.left = margins
        self.x_range, self.y_range = x_range, y_range
        self._parts: list[str] = []

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / ((high - low) or 1.0) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return (
            self.height - self.bottom - (value - low) / ((high - low) or 1.0) * (self.height - self.top - self.bottom)
        )

    def raw(self, element: str) -> None:
        self._parts.append(element)

    def text(
        self, x: float, y: float, text: str, *, size: int = 11, anchor: str = "start", colour: str = INK, more: str = ""
    ) -> None:
        """Text at a place in pixels."""
        self.raw(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{more}>'
            f"{esc(text)}</text>"
        )

    def line(self, points: Sequence[Point], colour: str, *, width: float = 1.6, dash: str = "") -> None:
        """A line through points in data units; gaps where a value is not finite."""
        for run in _finite_runs(points):
            at = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in run)
            style = f' stroke-dasharray="{dash}"' if dash else ""
            self.raw(f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="{width:g}"{style}/>')

    def area(self, points: Sequence[Point], fill: str) -> None:
        """A filled outline in data units."""
        at = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.raw(f'<polygon points="{at}" fill="{fill}" stroke="none"/>')

    def dot(self, x: float, y: float, colour: str, title: str = "") -> None:
        inside = f"<title>{esc(title)}</title>" if title else ""
        self.raw(f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="2.6" fill="{colour}">{inside}</circle>')

    def axes(self, title: str, x_label: str, y_label: str, *, y_format: str = "{:.3g}") -> None:
        """Title, horizontal grid lines at round numbers, and three numbers along the bottom."""
        self.text(self.left, 16, title, size=13, more=' font-weight="600"')
        for value in round_numbers(*self.y_range):
            self.line([(self.x_range[0], value), (self.x_range[1], value)], GRID, width=1)
            self.text(self.left - 6, self.y(value) + 4, y_format.format(value), anchor="end", colour=MUTED)
        for step, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
            value = self.x_range[0] + step * (self.x_range[1] - self.x_range[0])
            self.text(self.x(value), self.height - self.bottom + 14, f"{value:,.0f}", anchor=anchor, colour=MUTED)
        middle = (self.left + self.width - self.right) / 2
        self.text(middle, self.height - 5, x_label, anchor="middle", colour=MUTED)
        self.text(self.width - self.right, 16, y_label, anchor="end", colour=MUTED)

    def svg(self, label: str) -> str:
        """The whole picture; `label` is what a screen reader says."""
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        font = 'font-family="system-ui,sans-serif"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{esc(label)}" {font}>'
            f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(self._parts)}</svg>'
        )


def round_numbers(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, evenly spaced, at most `most` of them."""
    rough = (high - low) / (most - 1) or 1.0
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * times for times in (1.0, 2.0, 2.5, 5.0, 10.0) if size * times >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [at * step for at in range(first, last + 1)]


def _finite_runs(points: Sequence[Point]) -> list[list[Point]]:
    runs: list[list[Point]] = [[]]
    for point in points:
        if all(map(math.isfinite, point)):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]
