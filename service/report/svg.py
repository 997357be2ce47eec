"""Small inline-SVG figures that the tracker writes at each refit.

They need no script and no font, weigh a few kB, and so show in MLflow also where nothing can be
loaded from outside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from policies.records import LawSummary
from service.report.canvas import Canvas, Point
from service.report.palette import DASHES, FULL, HIGHEST, INK, LIGHT, LOWEST, MUTED, UNKNOWN, Look, looks, pale
from service.story import Story, words
from service.story.curves import Curve, law_curves

SVG_DASH = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3", "longdash": "12 4"}
assert set(SVG_DASH) == set(DASHES)
LEGEND_ROW = 18
FINEST = 1000  # stages in the width of a picture
ROW_LETTERS = 24  # of a name at the side of the transfer matrix


def refit_figures(story: Story) -> dict[str, str]:
    """File name to SVG text: the mixture, the losses, and the transfer matrix once there is a law."""
    figures = {"mixture.svg": mixture_svg(story), "losses.svg": losses_svg(story)}
    law = story.last_law
    if law is not None and law.transfer:
        figures["transfer.svg"] = transfer_svg(law)
    return figures


def story_looks(story: Story) -> dict[str, Look]:
    """Colour, dash and marker by name: domains first, then targets that are no domain."""
    return looks([*story.names, *story.targets])


def mixture_svg(story: Story, width: int = 640) -> str:
    """Share by domain over the draws so far, stacked, with a tick at each change."""
    end = float(max(story.reached, story.decisions[-1].position if story.decisions else 0, 1))
    look = story_looks(story)
    canvas = _canvas(width, story.names, (0.0, end), (0.0, 1.0))
    canvas.axes("Mixture", "draws", "share", y_format="{:.0%}")
    steps = _steps(story, end)
    below = [0.0] * len(steps)
    for name in story.names:
        above = [b + w.get(name, 0.0) for b, (_, _, w) in zip(below, steps, strict=True)]
        upper = [p for (a, b, _), y in zip(steps, above, strict=True) for p in ((a, y), (b, y))]
        lower = [p for (a, b, _), y in zip(steps, below, strict=True) for p in ((a, y), (b, y))]
        if upper:
            canvas.area([*upper, *reversed(lower)], look[name].colour)
        below = above
    kept = {start for start, _, _ in steps}
    for change in story.changes():
        if float(change.position) in kept:
            canvas.line([(change.position, 0.0), (change.position, 1.0)], "#ffffff", width=0.8)
    _legend(canvas, story.names, look, block=True)
    return canvas.svg(f"Mixture over {words.count(end)} draws by domain")


def losses_svg(story: Story, width: int = 640) -> str:
    """Held-out losses as dots, the last law as lines with its 90 % band."""
    look, curves = story_looks(story), law_curves(story)
    measured = {t: measured_points(story, t) for t in story.targets}
    heights = [y for points in measured.values() for _, y in points]
    heights += [float(v) for c in curves.values() for v in (*c.low, *c.high) if math.isfinite(v)]
    low, high = (min(heights), max(heights)) if heights else (0.0, 1.0)
    pad = 0.05 * (high - low) or 0.05 * high
    canvas = _canvas(width, list(story.targets), (0.0, float(story.budget)), (max(0.0, low - pad), high + pad))
    canvas.axes("Held-out loss", "draws", "dots measured, lines fitted, bands 90 %")
    for target, points in measured.items():
        if target in curves:
            fit_line(canvas, curves[target], look[target])
        for x, y in points:
            canvas.dot(x, y, look[target].colour, f"{target}: {y:.4g} at draw {x:,.0f}")
    _legend(canvas, list(story.targets), look)
    return canvas.svg("Held-out loss by target: " + "; ".join(_last_words(measured)))


def transfer_svg(law: LawSummary, cell: int = 58) -> str:
    """What a draw from the column's domain is worth to the row's, in own draws; grey where only the prior speaks."""
    rows = list(law.transfer)
    columns = list(dict.fromkeys(source for row in law.transfer.values() for source in row))
    left, top = 16 + 7 * max((len(_short(name, ROW_LETTERS)) for name in rows), default=1), 62
    canvas = Canvas(left + cell * len(columns) + 16, top + 34 * len(rows) + 26)
    canvas.text(8, 16, "Transfer: worth of one draw, in own draws", size=13, more=' font-weight="600"')
    canvas.text(8, 34, "row receives, column gives; grey: not identified", colour=MUTED)
    for at, name in enumerate(columns):
        canvas.text(left + (at + 0.5) * cell, top - 8, _short(name), anchor="middle")
    for down, to in enumerate(rows):
        canvas.text(left - 8, top + 34 * down + 21, _short(to, ROW_LETTERS), anchor="end")
        for across, source in enumerate(columns):
            _cell(canvas, law, to, source, left + across * cell, top + 34 * down, cell)
    return canvas.svg("Transfer matrix between domains")


def shade(worth: float) -> str:
    """White for no worth to full blue for four own draws and more, on a logarithmic scale; dark text reads on all."""
    depth = min(1.0, max(0.0, math.log(max(worth, 1e-9) / LOWEST) / math.log(HIGHEST / LOWEST)))
    ends = [[int(end[at : at + 2], 16) for at in (1, 3, 5)] for end in (LIGHT, FULL)]
    red, green, blue = (round(a + depth * (b - a)) for a, b in zip(*ends, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _cell(canvas: Canvas, law: LawSummary, to: str, source: str, x: float, y: float, cell: int) -> None:
    worth = law.transfer[to].get(source)
    known = to == source or law.identified.get(to, {}).get(source, False)
    value = math.nan if worth is None else worth.mean
    shown = known and math.isfinite(value)
    fill, ink = (shade(value), INK) if shown and to != source else (UNKNOWN, MUTED)
    fill = "#ffffff" if to == source else fill
    state = "identified" if known else "not identified, prior only"
    title = f"{words.esc(source)} to {words.esc(to)}: {words.interval(worth, 2)}, {state}"
    canvas.raw(
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{cell - 2}" height="32" fill="{fill}"><title>{title}</title></rect>'
    )
    text = "own" if to == source else words.figure(value, 2) if known else f"({words.figure(value, 2)})"
    canvas.text(x + cell / 2 - 1, y + 20, text, anchor="middle", colour=ink)


def fit_line(canvas: Canvas, curve: Curve, look: Look) -> None:
    """The law as a line with its 90 % band."""
    x = [float(v) for v in curve.position]
    bottom, top = canvas.y_range  # a wide early band ends at the frame
    high, low = ([min(max(float(v), bottom), top) for v in side] for side in (curve.high, curve.low))
    band = [*zip(x, high, strict=True), *reversed([*zip(x, low, strict=True)])]
    if all(math.isfinite(y) for _, y in band):
        canvas.area(band, pale(look.colour, 0.15))
    canvas.line([*zip(x, map(float, curve.mean), strict=True)], look.colour, dash=SVG_DASH[look.dash])


def _canvas(width: int, names: tuple[str, ...] | list[str], x_range: Point, y_range: Point) -> Canvas:
    rows = _legend_rows(names, width)
    return Canvas(
        width, 250 + LEGEND_ROW * len(rows), x_range=x_range, y_range=y_range,
        margins=(28, 14, 38 + LEGEND_ROW * len(rows), 52),
    )  # fmt: skip


def _legend_rows(names: tuple[str, ...] | list[str], width: int) -> list[list[str]]:
    """Names broken into rows that fit the width, at about 7 pixels a letter."""
    rows: list[list[str]] = [[]]
    used = 60.0
    for name in names:
        need = 34 + 7.0 * len(_short(name, _longest(width)))
        if rows[-1] and used + need > width:
            rows.append([])
            used = 60.0
        rows[-1].append(name)
        used += need
    return rows


def _longest(width: int) -> int:
    """Letters of a name that fit into a row of the legend."""
    return max(8, (width - 94) // 7)


def _legend(
    canvas: Canvas, names: tuple[str, ...] | list[str], look: Mapping[str, Look], *, block: bool = False
) -> None:
    rows = _legend_rows(names, canvas.width)
    for down, row in enumerate(rows):
        x, y = float(canvas.left), canvas.height - 24 - LEGEND_ROW * (len(rows) - 1 - down)
        for name in row:
            dash = "" if block else f' stroke-dasharray="{SVG_DASH[look[name].dash]}"'
            canvas.raw(
                f'<line x1="{x:.0f}" y1="{y - 4:.0f}" x2="{x + 18:.0f}" y2="{y - 4:.0f}" '
                f'stroke="{look[name].colour}" stroke-width="{8 if block else 2}"{dash}/>'
            )
            shown = _short(name, _longest(canvas.width))
            canvas.text(x + 23, y, shown)
            x += 34 + 7.0 * len(shown)


def _steps(story: Story, end: float) -> list[tuple[float, float, Mapping[str, float]]]:
    """(from, to, mixture) of each stage up to `end`, without those too short to be seen."""
    seen: list[tuple[float, Mapping[str, float]]] = []
    for decision in story.decisions:
        if not seen or decision.position - seen[-1][0] >= end / FINEST:
            seen.append((float(decision.position), decision.weights))
    ends = [*(start for start, _ in seen[1:]), end]
    return [(a, max(a, b), weights) for (a, weights), b in zip(seen, ends, strict=True)]


def measured_points(story: Story, target: str) -> list[Point]:
    """(position, loss) of every report that measured the target."""
    points = [(float(r.position), r.eval_loss.get(target, math.nan)) for r in story.reports]
    return [(x, y) for x, y in points if math.isfinite(y)]


def _last_words(measured: Mapping[str, list[Point]]) -> list[str]:
    return [f"{name} {points[-1][1]:.4g}" if points else f"{name} not measured" for name, points in measured.items()]


def _short(name: str, most: int = 8) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
