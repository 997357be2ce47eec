"""A mixture as one thin bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from service.report.palette import looks
from service.story import words

WIDTH = 260


def strip(weights: Mapping[str, float], names: Sequence[str]) -> Markup:
    """SVG of the shares, side by side in the colours of the domains; what it says is in its label."""
    look, parts, left = looks([*names, *weights]), [], 0.0
    for name in [*names, *(name for name in weights if name not in names)]:
        width = WIDTH * weights.get(name, 0.0)
        said = words.esc(f"{name} {words.percent(weights.get(name, 0.0))}")
        at = f'x="{left:.2f}" width="{width:.2f}" height="20" fill="{look[name].colour}"'
        parts.append(f"<rect {at}><title>{said}</title></rect>")
        left += width
    label = words.esc("Mixture: " + spelled(weights))
    return Markup(
        f'<svg class="strip" viewBox="0 0 {WIDTH} 20" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def spelled(weights: Mapping[str, float]) -> str:
    """'ct 40 %, mr 60 %', the largest shares first."""
    largest = sorted(weights.items(), key=lambda item: -item[1])
    return words.listing([f"{name} {words.percent(share, 0)}" for name, share in largest], 8)
