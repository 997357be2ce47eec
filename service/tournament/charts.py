"""Figures of the tournament page as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from policies.records import Interval
from policies.tournament import CellResult, Table
from policies.tournament.table import OURS
from service.report.canvas import Canvas, round_numbers
from service.report.palette import COLOURS, GRID, INK, MUTED, pale
from service.tournament.parts import ranked, with_ends

BLUE, RED = COLOURS[0], COLOURS[1]
ROW, WIDTH = 21, 520
LEFT, RIGHT, TOP, BOTTOM = 100, 148, 44, 28
HEIGHT = 260  # of the figure of laws
Line = tuple[str, Interval]


def closed_svg(table: Table) -> str:
    """Share of the gap closed over all worlds, by policy."""
    rows = [(over.policy, over.closed) for over in sorted(ranked(table), key=lambda o: -_low(o.closed.mean))]
    return forest(rows, (-0.5, 1.0), "Share of the gap from uniform to the oracle", "worlds counted once, capped at 1")


def advantage_svg(table: Table) -> str:
    """Paired advantage of each rival over ours."""
    rows = [(over.policy, over.advantage) for over in ranked(table) if over.advantage is not None]
    rows.sort(key=lambda row: -row[1].mean)
    return forest(
        rows, _clipped(rows, 0.2), f"Ends lower than {OURS} by", "mean log loss on the same cells", places=4, good=False
    )


def harm_svg(table: Table, limit: float = 0.02) -> str:
    """How often ours ends worse than uniform, by world."""
    rows = [(world, row.harm) for world in table.worlds if (row := table.row(OURS, world)) is not None]
    top = max([0.1, *(row.high for _, row in rows if math.isfinite(row.high))])
    return forest(rows, (0.0, top), "Runs that end worse than uniform", "more than 0.002 in mean log loss",
                  marks=(limit,), good=False, places=3)  # fmt: skip


def coverage_svg(table: Table, policy: str) -> str:
    """How often the 90 % intervals of the plan hold the truth, by world."""
    found = [(world, table.row(policy, world)) for world in table.worlds]
    rows = [(world, row.calibration.coverage) for world, row in found if row is not None and row.calibration]
    low = min([0.5, *(row.low for _, row in rows if math.isfinite(row.low))])
    title, unit = f"Coverage of the 90 % intervals of {policy}", "of final losses, clustered by run"
    return forest(rows, (max(0.0, low), 1.0), title, unit,
                  marks=(0.85, 0.95), good=None)  # fmt: skip


def forest(
    rows: Sequence[Line],
    x_range: tuple[float, float],
    title: str,
    unit: str,
    *,
    marks: Sequence[float] = (),
    places: int = 2,
    good: bool | None = True,
) -> str:
    """A row each: a dot with its interval and its figures. `good`: whether more is better; None for neither.

    What lies outside of `x_range` is drawn at its edge as an arrow; the figures beside it are whole.
    """
    canvas = Canvas(
        WIDTH, TOP + ROW * len(rows) + BOTTOM, x_range=x_range, y_range=(0.0, 1.0), margins=(TOP, RIGHT, BOTTOM, LEFT)
    )
    _title(canvas, title, unit)
    bottom = canvas.height - BOTTOM
    for value in round_numbers(*x_range, most=7):
        zero = abs(value) < 1e-12
        _upright(canvas, value, bottom, INK if zero else GRID, 1.2 if zero else 1.0)
        canvas.text(canvas.x(value), bottom + 16, f"{value + 0.0:.3g}", anchor="middle", colour=MUTED)
    for value in marks:
        _upright(canvas, value, bottom, RED, 1.2, "4 3")
    for at, (name, found) in enumerate(rows):
        _row(canvas, TOP + ROW * at + ROW / 2, name, found, places, good)
    return canvas.svg(f"{title}: " + "; ".join(f"{name} {with_ends(found, places)}" for name, found in rows))


def _title(canvas: Canvas, title: str, unit: str) -> None:
    """Title in the first line, what is measured in the second."""
    canvas.text(8, 16, title, size=13, more=' font-weight="600"')
    canvas.text(8, 33, unit, colour=MUTED)


def _upright(canvas: Canvas, value: float, bottom: float, colour: str, width: float, dash: str = "") -> None:
    x = canvas.x(value)
    style = f'stroke="{colour}" stroke-width="{width:g}"' + (f' stroke-dasharray="{dash}"' if dash else "")
    canvas.raw(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom:.1f}" {style}/>')


def _row(canvas: Canvas, y: float, name: str, value: Interval, places: int, good: bool | None) -> None:
    ours = name == OURS
    canvas.text(LEFT - 10, y + 4, name, anchor="end", more=' font-weight="600"' if ours else "")
    canvas.text(WIDTH - 8, y + 4, with_ends(value, places), anchor="end", colour=INK if ours else MUTED)
    if not math.isfinite(value.mean):
        return
    low, high = canvas.x_range
    colour = BLUE if ours or good is None else MUTED
    if good is not None and value.mean != 0 and (value.mean < 0) == good:
        colour = RED
    ends = [min(max(end, low), high) if math.isfinite(end) else value.mean for end in (value.low, value.high)]
    if value.high > low and value.low < high:
        x1, x2 = (canvas.x(end) for end in ends)
        canvas.raw(f'<line x1="{x1:.1f}" y1="{y}" x2="{x2:.1f}" y2="{y}" stroke="{colour}" stroke-width="2"/>')
    if low <= value.mean <= high:
        canvas.raw(f'<circle cx="{canvas.x(value.mean):.1f}" cy="{y}" r="4.2" fill="{colour}"/>')
    else:
        edge, back = (canvas.x(low), 7) if value.mean < low else (canvas.x(high), -7)
        canvas.raw(f'<path d="M{edge:.1f} {y}l{back} -5v10z" fill="{colour}"/>')


def strip_svg(table: Table, cells: Sequence[CellResult], policy: str = OURS) -> str:
    """Every run of one policy: how much lower than uniform it ended, by world, beside the oracle's mean gain."""
    runs = [c for c in cells if c.policy == policy and math.isfinite(c.uniform)]
    worlds = [world for world in table.worlds if any(c.world == world for c in runs)]
    gains = [c.uniform - c.score for c in runs]
    best = [c.uniform - c.oracle for c in runs if math.isfinite(c.oracle)]
    x_range = (min([-0.01, *gains]) * 1.05, max([0.02, *gains, *best]) * 1.02)
    canvas = Canvas(WIDTH, TOP + ROW * len(worlds) + BOTTOM, x_range=x_range, margins=(TOP, 16, BOTTOM, LEFT))
    _title(canvas, f"Every run of {policy}: how much lower than uniform", "mean log loss; grey: the oracle's mean")
    bottom = canvas.height - BOTTOM
    for value in round_numbers(*x_range, most=7):
        _upright(canvas, value, bottom, INK if abs(value) < 1e-12 else GRID, 1.0)
        canvas.text(canvas.x(value), bottom + 16, f"{value + 0.0:.3g}", anchor="middle", colour=MUTED)
    for at, world in enumerate(worlds):
        _strip(canvas, TOP + ROW * at + ROW / 2, world, [c for c in runs if c.world == world])
    return canvas.svg(f"Gains of {policy} over uniform in {len(runs)} runs")


def _strip(canvas: Canvas, y: float, world: str, runs: Sequence[CellResult]) -> None:
    canvas.text(LEFT - 10, y + 4, world, anchor="end")
    gaps = [c.uniform - c.oracle for c in runs if math.isfinite(c.oracle)]
    if gaps:
        x0, x1 = canvas.x(0.0), canvas.x(sum(gaps) / len(gaps))
        canvas.raw(f'<rect x="{x0:.1f}" y="{y - 7}" width="{max(0.0, x1 - x0):.1f}" height="14" fill="{GRID}"/>')
    for number, run in enumerate(runs):
        gain = run.uniform - run.score
        colour = RED if gain < -0.002 else BLUE
        up = (number * 0.618034 % 1.0 - 0.5) * 10  # so that runs at one place can be told apart
        canvas.raw(
            f'<circle cx="{canvas.x(gain):.1f}" cy="{y + up:.1f}" r="2.6" fill="{pale(colour, 0.55)}">'
            f"<title>K={run.K} noise={run.noise:g} seed={run.seed}: {gain:+.4f}</title></circle>"
        )


def law_svg(table: Table, policy: str) -> str:
    """Error of the law against own power laws, by how far they are carried."""
    rows = [row for row in table.laws.get(policy, ()) if row.world is None and row.factor is not None]
    top = max(max(row.error, row.own_error) for row in rows) * 1.15
    canvas = Canvas(WIDTH, HEIGHT, x_range=(0.8, math.log2(rows[-1].factor or 2) + 0.2), y_range=(0.0, top),
                    margins=(TOP, 16, BOTTOM + 14, 56))  # fmt: skip
    _title(canvas, f"Error of the law of {policy}", "of the change of log loss; blue: the law, grey: own power laws")
    for value in round_numbers(0.0, top):
        canvas.line([(canvas.x_range[0], value), (canvas.x_range[1], value)], GRID, width=1)
        canvas.text(50, canvas.y(value) + 4, f"{value:.3g}", anchor="end", colour=MUTED)
    for row in rows:
        x = math.log2(row.factor or 1)
        canvas.text(canvas.x(x), HEIGHT - BOTTOM + 2, f"{row.factor} times", anchor="middle", colour=MUTED)
        for value, colour in ((row.own_error, MUTED), (row.error, BLUE)):
            canvas.dot(x, value, colour, f"{row.factor} times the draws: {value:.4f}")
    canvas.line([(math.log2(r.factor or 1), r.own_error) for r in rows], MUTED)
    canvas.line([(math.log2(r.factor or 1), r.error) for r in rows], BLUE, width=2.2)
    middle = (56 + WIDTH - 16) / 2
    canvas.text(middle, HEIGHT - 5, "draws, in those up to the report at 30 %", anchor="middle", colour=MUTED)
    return canvas.svg("; ".join(f"{r.factor} times: law {r.error:.3f}, own {r.own_error:.3f}" for r in rows))


def _low(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _clipped(rows: Sequence[Line], most: float) -> tuple[float, float]:
    """A range around zero that shows all but what is far off."""
    ends = [end for _, row in rows for end in (row.low, row.high, row.mean) if math.isfinite(end)]
    return max(-most, min([-0.01, *ends])), min(most, max([0.01, *ends]))
