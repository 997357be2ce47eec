"""One target's losses as a small inline SVG: measured, fitted with its band, and the predicted end."""

from __future__ import annotations

import math
from collections.abc import Iterator

from policies.records import Interval
from service.report.canvas import Canvas, Point
from service.report.learnt import Final
from service.report.palette import INK, MUTED, Look
from service.report.svg import fit_line, measured_points
from service.story import Story, words
from service.story.curves import Curve

WIDTH, HEIGHT = 340, 210
MOST_DOTS = 240


def loss_svg(story: Story, target: str, look: Look, curve: Curve | None, final: Final | None) -> str:
    """Dots: measured. Line and band: the last law, 90 %. Open circle: the predicted end, with its interval."""
    points = measured_points(story, target)
    predicted = None if final is None else final.predicted
    heights = [y for _, y in points] + list(_heights(curve, predicted))
    low, high = (min(heights), max(heights)) if heights else (0.0, 1.0)
    pad = 0.08 * (high - low) or 0.1 * high
    canvas = Canvas(
        WIDTH,
        HEIGHT,
        x_range=(0.0, float(max(story.budget, story.reached))),
        y_range=(max(0.0, low - pad), high + pad),
        margins=(12, 14, 38, 52),
    )
    canvas.axes("", "draws in all domains", "")
    if curve is not None:
        fit_line(canvas, curve, look)
    for x, y in _thinned(points):
        canvas.dot(x, y, look.colour, f"{target}: {y:.4g} at draw {x:,.0f}")
    if predicted is not None and math.isfinite(predicted.mean):
        _end(canvas, story.budget, predicted)
    return canvas.svg(_label(target, points[-1][1] if points else math.nan, predicted))


def _thinned(points: list[Point]) -> list[Point]:
    """Evenly fewer, and always the last."""
    step = max(1, -(-len(points) // MOST_DOTS))
    return points[::-1][::step][::-1]


def _heights(curve: Curve | None, predicted: Interval | None) -> Iterator[float]:
    """What the picture makes room for; a wide early band may leave it."""
    found = [] if curve is None else [*map(float, curve.mean), float(curve.low[-1]), float(curve.high[-1])]
    found += [] if predicted is None else [predicted.low, predicted.mean, predicted.high]
    return (value for value in found if math.isfinite(value))


def _end(canvas: Canvas, at: int, value: Interval) -> None:
    if math.isfinite(value.low) and math.isfinite(value.high):
        canvas.line([(at, value.low), (at, value.high)], MUTED, width=2)
    canvas.raw(
        f'<circle cx="{canvas.x(at):.1f}" cy="{canvas.y(value.mean):.1f}" r="4" fill="#ffffff" stroke="{INK}" '
        f'stroke-width="1.6"><title>predicted end: {words.esc(words.interval(value))}</title></circle>'
    )


def _label(target: str, last: float, predicted: Interval | None) -> str:
    said = f"Held-out loss of {target}: last {words.figure(last)}"
    return said if predicted is None else f"{said}, predicted end {words.interval(predicted)}"
