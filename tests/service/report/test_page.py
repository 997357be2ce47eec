"""The page: whole, self-contained, true to the journal, for every kind of run."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from policies import BadSetup
from service.journal import Journal
from service.report import learnt, write_report
from service.story import read_story, words

from .conftest import BUDGET, NAMES, POOLS, STEP, tell

EVIL = "</script><script>alert(1)</script>"


@pytest.fixture
def manifest() -> dict[str, Any]:
    """As `PreparedData.to_dict` gives it, with one file left out in pet."""
    domains = {}
    for name, pool in zip(NAMES, POOLS, strict=True):
        volume = {"name": f"1a2b/{name}_{EVIL}", "sha256": name * 20, "shape": [32, 30, 28], "crops": pool}
        problem = {
            "domain": name,
            "file": "9f/<b>bad</b>.nii",
            "value": "3 bytes",
            "cause": "cut short",
            "severity": "quarantined",
        }
        domains[name] = {
            "kind": "mr",
            "slab": name == "pet",
            "train": [volume],
            "held_out": [volume],
            "problems": [problem] if name == "pet" else [],
        }
    return {"domains": domains}


def text_of(page: str) -> str:
    """The page as a reader sees it: no scripts, no tags."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", body)))


def figures_of(page: str) -> list[dict[str, Any]]:
    found = re.search(r'<script id="figures" type="application/json">(.*?)</script>', page, flags=re.S)
    assert found is not None
    return list(json.loads(found.group(1)))


def test_the_page_stands_alone(told: Journal, tmp_path: Path, manifest: dict[str, Any]) -> None:
    path = write_report(told, "demo", tmp_path / "report.html", manifest=manifest, compare="plain")
    page = path.read_text()
    assert page.count("plotly.js v") == 1
    assert "default-src 'none'" in page
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", page.split("plotly.js v")[0])
    places = set(re.findall(r'id="figure-(\d+)"', page))
    assert places == {str(at) for at in range(len(figures_of(page)))}
    assert list(tmp_path.glob(".report*")) == []


def test_what_comes_from_files_and_domains_cannot_become_script(
    told: Journal, tmp_path: Path, manifest: dict[str, Any]
) -> None:
    page = write_report(told, "demo", tmp_path / "report.html", manifest=manifest).read_text()
    assert EVIL not in page
    assert "<b>bad</b>" not in page
    assert "epi helps &lt;ct&gt;" in page


def test_numbers_in_the_text_are_those_of_the_journal(told: Journal, tmp_path: Path) -> None:
    page = write_report(told, "demo", tmp_path / "report.html", compare="plain").read_text()
    text, story = text_of(page).replace("\u00a0", " "), read_story(told, "demo")
    found = learnt(told, "demo", compare="plain")
    for name, loss in story.final_losses.items():
        assert f"{name}{words.figure(loss)}" in text  # the cells of one row
        assert words.count(story.reports[-1].draws[name]) in text
    assert found.measured is not None
    assert found.gain is not None
    assert words.gain_words(found.measured.gain) in text
    assert words.gain_words(found.gain) in text
    for transfer in found.strongest[:6]:
        assert f"from {transfer.source} is worth {words.interval(transfer.worth, 2)} draws of {transfer.to}." in text
    for decision in story.decisions:
        assert f"{words.count(decision.position)}{decision.reason}{decision.detail or '–'}" in text


def test_measured_points_of_the_figures_are_the_reported_losses(told: Journal, tmp_path: Path) -> None:
    page = write_report(told, "demo", tmp_path / "report.html").read_text()
    story = read_story(told, "demo")
    drawn = [t for figure in figures_of(page) for t in figure["data"] if t.get("name") == "measured"]
    assert [t["y"] for t in drawn] == [[r.eval_loss[name] for r in story.reports] for name in NAMES]
    assert drawn[0]["error_y"]["array"][0] == pytest.approx(1.6449 * (story.reports[0].eval_sem or {})["ct"])


def test_data_and_problems_are_told(told: Journal, tmp_path: Path, manifest: dict[str, Any]) -> None:
    page = write_report(told, "demo", tmp_path / "report.html", manifest=manifest).read_text()
    text = text_of(page)
    assert "cut short" in text
    assert f"<code>{('pet' * 20)[:12]}</code>" in page
    assert "for want of a second subject: pet" in text
    assert "training step skipped" in text
    assert "no answer within 120 s" in text
    assert "8 volumes with SHA-256" in text


def test_the_manifest_beside_the_page_is_found(told: Journal, tmp_path: Path, manifest: dict[str, Any]) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    page = write_report(told, "demo", tmp_path).read_text()
    assert "8 volumes with SHA-256" in page


def test_a_policy_without_a_law_gives_a_page_without_the_chapters_on_laws(told: Journal, tmp_path: Path) -> None:
    page = write_report(told, "plain", tmp_path / "plain.html").read_text()
    chapters = re.findall(r'<section id="(\w+)"', page)
    assert chapters == ["mixture", "losses", "refits", "data", "problems"]
    assert "The mixture stayed as it began over 8 refits (uniform)." in text_of(page)
    assert "Nothing was recorded" in page


@pytest.mark.parametrize("until", [0, STEP, BUDGET // 2])
def test_a_run_that_stopped_on_the_way_gives_a_page(journal: Journal, tmp_path: Path, until: int) -> None:
    tell(journal, "half", policy="canned", until=until)
    text = text_of(write_report(journal, "half", tmp_path / "half.html").read_text())
    assert f"stands at draw {until:,}" in text
    assert "the run finished" not in text


def test_an_allocation_without_any_decision_gives_a_page(journal: Journal, tmp_path: Path) -> None:
    tell(journal, "half", policy="canned", until=0)
    journal.create("bare", journal.spec("half"))
    assert "No mixture was decided" in write_report(journal, "bare", tmp_path / "bare.html").read_text()


def test_an_unknown_run_writes_nothing(told: Journal, tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match="no run 'x'"):
        write_report(told, "x", tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def test_a_real_policy_fills_every_chapter(journal: Journal, tmp_path: Path) -> None:
    tell(journal, "real", policy="transfer_law", options={"sweeps": 1, "probe_until": 0.6})
    page = write_report(journal, "real", tmp_path / "real.html").read_text()
    chapters = re.findall(r'<section id="(\w+)"', page)
    wanted = ["mixture", "losses", "transfer", "hubs", "reached", "gain", "whatif", "refits", "data", "problems"]
    assert chapters == wanted
    graph = pytest.importorskip("plotly.graph_objects")
    for figure in figures_of(page):
        graph.Figure(figure)
