"""The frame of the page: one HTML file with its style, its data and Plotly inside, so that it works offline."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from plotly.offline import get_plotlyjs

from service.report.plot import CONFIG, Chart
from service.report.style import STYLE
from service.story.words import esc

# Nothing may be fetched: the page shows the same on a machine without a network.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)

DRAW = """
const figures = JSON.parse(document.getElementById('figures').textContent);
const config = JSON.parse(document.getElementById('config').textContent);
const narrow = window.matchMedia('(max-width: 560px)');
const drawn = figures.map((figure, at) => {
  const layout = structuredClone(figure.layout);
  if (narrow.matches) {
    layout.font.size = 11;
    layout.margin = {...layout.margin, r: 8};
  }
  return Plotly.newPlot('figure-' + at, figure.data, layout, config);
});
const refit = () => figures.forEach((_, at) => Plotly.Plots.resize('figure-' + at));
window.addEventListener('beforeprint', refit);
window.addEventListener('afterprint', refit);
Promise.all(drawn).then(() => document.body.dataset.ready = 'yes');
"""


LONG = 24  # rows of a table from which it gets a box of its own


class Figures:
    """Collects the charts of a page and hands out their places."""

    def __init__(self) -> None:
        self.charts: list[Chart] = []

    def place(self, chart: Chart) -> str:
        """The element the chart will be drawn in."""
        self.charts.append(chart)
        at = len(self.charts) - 1
        return (
            f'<div class="chart" id="figure-{at}" role="img" aria-label="{esc(chart.label)}" '
            f'style="min-height:{chart.height}px"></div>'
        )


@dataclasses.dataclass(frozen=True)
class Section:
    """One chapter of the page; an empty body leaves it out."""

    id: str
    title: str
    lead: str
    body: str


def page(title: str, header: str, sections: Sequence[Section], figures: Figures, footer: str) -> str:
    """The whole HTML document."""
    scripts = (
        "<noscript>The figures need JavaScript; the texts and tables do not.</noscript>"
        f'<script id="figures" type="application/json">{_json([c.to_dict() for c in figures.charts])}</script>'
        f'<script id="config" type="application/json">{_json(CONFIG)}</script>'
        f"<script>{get_plotlyjs()}</script><script>{DRAW}</script>"
    )
    return document(title, header, sections, footer, policy=POLICY, scripts=scripts)


def document(
    title: str,
    header: str,
    sections: Sequence[Section],
    footer: str,
    *,
    policy: str,
    style: str = "",
    scripts: str = "",
) -> str:
    """A page in the house style: header, contents, the chapters that have a body, footer.

    policy: its Content-Security-Policy; style: CSS after that of the house; scripts: HTML at the end.
    """
    sections = [s for s in sections if s.body]
    links = "".join(f'<a href="#{s.id}">{esc(s.title)}</a>' for s in sections)
    contents = f'<nav aria-label="Contents">{links}</nav>' if len(sections) > 1 else ""
    chapters = "".join(
        f'<section id="{s.id}"><h2>{esc(s.title)}</h2><p class="lead">{s.lead}</p>{s.body}</section>' for s in sections
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{esc(title)}</title><style>{STYLE}{style}</style></head><body>"
        f"<header>{_unbroken(header)}</header>{contents}"
        f"<main>{_unbroken(chapters)}</main><footer>{footer}</footer>{scripts}</body></html>"
    )


def _unbroken(text: str) -> str:
    """Keeps a number and its percent sign on one line."""
    return text.replace(" %", "\u00a0%")


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    texts: Sequence[int] = (),
) -> str:
    """A table whose cells are HTML already; columns in `numbers` are set flush right, those in `texts` wide.

    A long table scrolls in its own box on the screen, and is whole in print.
    """
    right, wide = set(numbers), set(texts)
    cell = ['<td class="n">' if at in right else '<td class="w">' if at in wide else "<td>" for at in range(len(head))]
    top = "".join(f'<th scope="col"{" class=n" if at in right else ""}>{esc(h)}</th>' for at, h in enumerate(head))
    body = "".join("<tr>" + "".join(c + v + "</td>" for c, v in zip(cell, row, strict=True)) + "</tr>" for row in rows)
    box = "scroll tall" if len(rows) > LONG else "scroll"
    return f'<div class="{box}" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def grid(panels: Sequence[tuple[str, str]], columns: int = 0) -> str:
    """Panels (heading, content) side by side where there is room, below each other on a phone.

    `columns` is the most in a row; by default 3 or 4, whichever leaves the last row fuller.
    """
    columns = columns or (min(3, len(panels)) if -len(panels) % 3 <= -len(panels) % 4 else 4)
    inside = "".join(f"<figure><figcaption>{head}</figcaption>{body}</figure>" for head, body in panels)
    return f'<div class="grid n{columns}">{inside}</div>'


def _json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
