"""Figures: valid for Plotly, well-formed as SVG, one colour per domain everywhere, readable on white."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from service.journal import Journal
from service.report import refit_figures
from service.report.canvas import round_numbers
from service.report.chart_losses import ends_chart, gain_chart, loss_chart
from service.report.chart_mixture import mixture_chart
from service.report.chart_transfer import hub_chart, transfer_chart
from service.report.learnt import learnt_from
from service.report.palette import COLOURS, INK, looks
from service.report.plot import Chart
from service.report.svg import shade, story_looks
from service.story import law_curves, read_story, run_gain

from .conftest import BUDGET, NAMES, STEP, summary, tell


def charts(journal: Journal, name: str) -> list[Chart]:
    story = read_story(journal, name)
    found, look, curves = learnt_from(story), story_looks(story), law_curves(story)
    drawn = [mixture_chart(story, look), gain_chart(story, run_gain(story))]
    for final in found.finals:
        drawn.append(loss_chart(story, final.target, look[final.target], curves.get(final.target), final))
        drawn.append(ends_chart(story, final, look[final.target]))
    if story.last_law is not None:
        drawn += [transfer_chart(story.last_law), hub_chart(story.last_law.hub_score, look, "hubs", "hub score")]
    return drawn


@pytest.mark.parametrize("name", ["demo", "plain"])
def test_plotly_accepts_every_chart(told: Journal, name: str) -> None:
    graph = pytest.importorskip("plotly.graph_objects")
    for chart in charts(told, name):
        graph.Figure(chart.to_dict())  # raises for any property Plotly does not know


def test_the_mixture_chart_holds_the_shares_of_the_journal(told: Journal) -> None:
    story = read_story(told, "demo")
    chart = mixture_chart(story, story_looks(story))
    shares = {trace["name"]: trace for trace in chart.data if "stackgroup" in trace}
    for name in NAMES:
        assert shares[name]["x"][:-1] == [d.position for d in story.decisions]
        assert shares[name]["y"][:-1] == [d.weights[name] for d in story.decisions]
    marks = [at for trace in chart.data if "stackgroup" not in trace for at in trace["x"]]
    assert sorted(marks) == list(range(STEP, BUDGET + 1, STEP))


def test_cells_that_the_data_did_not_identify_are_not_coloured() -> None:
    known, prior, own = transfer_chart(summary()).data
    row, column = NAMES.index("pet"), NAMES.index("ct")
    assert known["z"][row][column] is None
    assert prior["text"][row][column].startswith("(")
    assert "not identified" in prior["customdata"][row][column]
    assert [own["text"][i][i] for i in range(4)] == ["own"] * 4
    assert known["text"][NAMES.index("t1")][NAMES.index("epi")] == "1.4"


def test_svg_figures_are_small_and_well_formed(told: Journal, tmp_path: Path) -> None:
    figures = refit_figures(read_story(told, "demo"))
    assert set(figures) == {"mixture.svg", "losses.svg", "transfer.svg"}
    for text in figures.values():
        root = ElementTree.fromstring(text)
        assert root.get("aria-label")
        assert len(text) < 40_000
        assert "NaN" not in text
        assert "nan" not in text


@pytest.mark.parametrize("until", [0, STEP])
def test_svg_figures_of_a_run_that_has_hardly_begun(journal: Journal, until: int) -> None:
    tell(journal, "new", policy="canned", until=until)
    figures = refit_figures(read_story(journal, "new"))
    assert set(figures) == {"mixture.svg", "losses.svg"}
    for text in figures.values():
        ElementTree.fromstring(text)


def test_a_domain_has_the_same_colour_in_svg_and_on_the_page(told: Journal) -> None:
    story = read_story(told, "demo")
    look = story_looks(story)
    svg = refit_figures(story)["mixture.svg"]
    fills = {t["name"]: t["fillcolor"] for t in mixture_chart(story, look).data if "stackgroup" in t}
    for name in NAMES:
        assert fills[name] == look[name].colour
        assert look[name].colour in svg


def test_looks_never_repeat_for_thirty_domains() -> None:
    found = looks(f"d{i}" for i in range(30))
    assert len({(v.colour, v.dash, v.marker) for v in found.values()}) == 30
    assert len({(v.colour, v.dash) for v in found.values()}) == 30


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_can_be_seen_on_white(colour: str) -> None:
    assert contrast(colour, "#ffffff") >= 3.0


@pytest.mark.parametrize("worth", [0.001, 0.05, 0.2, 0.44, 0.46, 1.0, 5.0])
def test_numbers_can_be_read_on_their_cell(worth: float) -> None:
    assert contrast(shade(worth), INK) >= 4.5


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2)."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("low", "high", "numbers"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.258, 1.74, [0.5, 1.0, 1.5]),
        (0.31, 0.33, [0.31, 0.315, 0.32, 0.325, 0.33]),
    ],
)
def test_axes_carry_round_numbers(low: float, high: float, numbers: list[float]) -> None:
    assert round_numbers(low, high) == pytest.approx(numbers)
