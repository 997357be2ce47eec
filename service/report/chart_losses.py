"""Losses by target: measured, fitted, and how early the end was known."""

from __future__ import annotations

import math
from typing import Any

from policies.records import Interval
from service.report.learnt import Final, predicted_ends
from service.report.measured import Z_90
from service.report.palette import INK, MUTED, Look, pale
from service.report.plot import Chart, Trace, axis, chart, level, upright
from service.story import Story
from service.story.curves import Curve
from service.story.words import count, esc, figure, gain_words, interval, relative

HEIGHT = 250
MANY = 25  # points from which marks are drawn small


def loss_chart(story: Story, target: str, look: Look, curve: Curve | None, final: Final | None) -> Chart:
    """Held-out loss of one target over the draws of the whole run, with the last law's fit and band."""
    data = [] if curve is None else _fit(curve, look)
    data.append(_measured(story, target, look))
    if final is not None and final.predicted is not None:
        data.append(_end(story, final, final.predicted))
    law = story.last_law
    shapes = [upright(law.burn_in)] if law and 0 < law.burn_in < story.reached else []
    return chart(
        data,
        height=HEIGHT,
        label=f"Held-out loss of {target} over the draws, measured and fitted",
        showlegend=False,
        margin={"l": 48, "r": 12, "t": 8, "b": 38},
        xaxis=axis("draws in all domains", tickformat="~s", nticks=5, range=[0, story.budget * 1.03]),
        yaxis=axis("", nticks=5, range=_range(story, target, curve, final)),
        shapes=shapes,
    )


def ends_chart(story: Story, final: Final, look: Look) -> Chart:
    """The end loss of one target as each refit predicted it, against the loss that was reached."""
    said = [(d.position, (d.predicted or {}).get(final.target)) for d in predicted_ends(story)]
    known = [(at, value) for at, value in said if value is not None and math.isfinite(value.mean)]
    reached = story.finished and math.isfinite(final.reached)
    trace = _bars([at for at, _ in known], [v for _, v in known], look.colour)
    trace["hovertemplate"] = "refit at draw %{x:,}<br>predicted end %{text}<extra></extra>"
    trace["marker"]["symbol"] = look.marker
    return chart(
        [trace],
        height=HEIGHT - 30,
        label=f"Predicted end loss of {final.target} at each refit"
        + (f", reached {figure(final.reached)}" if reached else ""),
        showlegend=False,
        margin={"l": 48, "r": 12, "t": 8, "b": 38},
        xaxis=axis("refit at draw", tickformat="~s", nticks=5, range=[0, story.budget * 1.03]),
        yaxis=axis("", nticks=5),
        shapes=[level(final.reached, INK)] if reached else [],
    )


def gain_chart(story: Story, measured: Interval | None) -> Chart:
    """Gain of the whole run over the baseline as each refit foresaw it, and the measured one, if any."""
    known = [(d.position, d.gain) for d in predicted_ends(story) if d.gain is not None]
    known = [(at, gain) for at, gain in known if math.isfinite(gain.mean)]
    plain = story.objective == "mean_log"
    data = [_gains([at for at, _ in known], [gain for _, gain in known], story.objective, "#0072b2")]
    if measured is not None and plain:
        data.append(_gains([story.reached], [measured], story.objective, "#d55e00"))
        data[-1]["marker"] |= {"symbol": "diamond", "size": 10}
    return chart(
        data,
        height=260,
        label="Gain over the baseline as each refit foresaw it, with its 90 % interval",
        showlegend=False,
        xaxis=axis("refit at draw", tickformat="~s", range=[0, story.budget * 1.03]),
        yaxis=axis("mean loss lower by" if plain else f"gain in {story.objective}", tickformat=".1%" if plain else ""),
        shapes=[level(0.0, MUTED)],
    )


def _gains(at: list[int], gains: list[Interval], objective: str, colour: str) -> Trace:
    trace = _bars(at, [relative(gain, objective) or gain for gain in gains], colour)
    trace["text"] = [gain_words(gain, objective) for gain in gains]
    trace["hovertemplate"] = "draw %{x:,}<br>%{text}<extra></extra>"
    return trace


def _measured(story: Story, target: str, look: Look) -> Trace:
    seen = [(r.position, r.eval_loss.get(target, math.nan), (r.eval_sem or {}).get(target)) for r in story.reports]
    seen = [(at, loss, sem) for at, loss, sem in seen if math.isfinite(loss)]
    errors = [0.0 if sem is None or math.isnan(sem) else Z_90 * sem for _, _, sem in seen]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "measured",
        "x": [at for at, _, _ in seen],
        "y": [loss for _, loss, _ in seen],
        "error_y": {"type": "data", "array": errors, "visible": any(errors), "thickness": 1, "width": 0},
        "marker": {"color": look.colour, "symbol": look.marker, "size": 7 if len(seen) <= MANY else 4},
        "hovertemplate": "draw %{x:,}<br>measured %{y:.4g}<extra></extra>",
    }


def _fit(curve: Curve, look: Look) -> list[Trace]:
    at = [round(float(x)) for x in curve.position]
    plain: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": at, "hoverinfo": "skip"}
    mean = [float(y) for y in curve.mean]
    return [
        plain | {"y": _floats(curve.low), "line": {"width": 0}},
        plain
        | {"y": _floats(curve.high), "line": {"width": 0}, "fill": "tonexty", "fillcolor": pale(look.colour, 0.16)},
        plain
        | {
            "y": mean,
            "line": {"color": look.colour, "width": 1.8},
            "text": [
                interval(Interval(*map(float, three))) for three in zip(curve.mean, curve.low, curve.high, strict=True)
            ],
            "hoverinfo": "text",
            "hovertemplate": "draw %{x:,}<br>law %{text}<extra></extra>",
        },
    ]


def _end(story: Story, final: Final, predicted: Interval) -> Trace:
    trace = _bars([story.budget], [predicted], INK)
    trace["marker"] = {"color": "#ffffff", "size": 8, "symbol": "circle", "line": {"width": 1.6, "color": INK}}
    trace["hovertemplate"] = f"end as predicted at draw {count(final.predicted_at)}<br>%{{text}}<extra></extra>"
    return trace


def _bars(x: list[int], values: list[Interval], colour: str) -> Trace:
    """Points with their intervals."""
    few = len(x) <= MANY
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": [v.mean for v in values],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, v.high - v.mean) if math.isfinite(v.high) else 0.0 for v in values],
            "arrayminus": [max(0.0, v.mean - v.low) if math.isfinite(v.low) else 0.0 for v in values],
            "thickness": 1.4 if few else 1,
            "width": 3 if few else 0,
            "color": colour if few else pale(colour, 0.6),
        },
        "text": [esc(interval(v)) for v in values],
        "marker": {"color": colour, "size": 7 if few else 4},
    }


def _range(story: Story, target: str, curve: Curve | None, final: Final | None) -> list[float] | None:
    """Room for measured points, the fitted line and the predicted end; a wide early band may leave the picture."""
    seen = [r.eval_loss.get(target, math.nan) for r in story.reports]
    if curve is not None:
        seen += [*_floats(curve.mean), float(curve.low[-1]), float(curve.high[-1])]
    if final is not None and final.predicted is not None:
        seen += [final.predicted.low, final.predicted.high]
    seen = [value for value in seen if math.isfinite(value)]
    if not seen:
        return None
    low, high = min(seen), max(seen)
    pad = 0.08 * (high - low) or 0.1 * abs(high)
    return [max(0.0, low - pad), high + pad]


def _floats(values: Any) -> list[float]:
    return [float(v) for v in values]
