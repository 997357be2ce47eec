"""isthmus tournament: wrong input is one sentence and exit 2; the pages stand by themselves."""

import dataclasses
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import service
from policies.tournament import CellResult, make_table
from service.tournament import charts
from service.tournament.heading import Heading
from service.tournament.markdown import markdown
from service.tournament.order import make_order
from service.tournament.page import page

CELL = CellResult("transfer_law", "hubs", 5, 0, 0.01, -0.3, 0.0, 0.2, -0.4, None, True, True, 0.1, 0.05, None, 2.0, 30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policies", "uniform,transfer_lew"], "no policy is named 'transfer_lew' (did you mean 'transfer_law'?)"),
        (["--worlds", "hub"], "no world is named 'hub' (did you mean 'hubs'?)"),
        (["--domains", "five"], "--domains five: give numbers separated by commas"),
        (["--seeds", "0"], "--seeds 0: give at least 1"),
        (["--seeds", "4", "--many", "3"], "--many 3: give at least as many as the 4 seeds of the others"),
        (["--many", "0"], "--many 0: give at least as many as the 20 seeds of the others"),
        (["--table", "none.csv"], "there is no table at none.csv"),
        (["--tuned", "none.json"], "there is no file of tuned options at none.json"),
        (["--tune", "0"], "--tune 0: give at least 1 trial"),
        (["--tune", "3", "--full"], "--tune goes without"),
        (["--tracking", "file:///x"], "--tracking: uri is 'file:///x', a folder, which MLflow no longer keeps runs in"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_2(tmp_path, arguments, message):
    home = str(Path(service.__file__).parents[1])
    command = [sys.executable, "-c", "from service.cli import main; main()", "tournament", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": home}, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def some_cells():
    ahead = [{"target": f"d{i}", "factor": f, "law": -0.1 * i - 0.02 * f, "low": -1.0, "high": 0.0, "own": -0.3,
              "truth": -0.1 * i - 0.021 * f} for i in range(3) for f in (2, 4, 8)]  # fmt: skip
    plan = {"predicted": {"d0": {"mean": 1.0, "low": 0.9, "high": 1.1}}, "truth": {"d0": 1.05}, "gain": None,
            "truth_gain": None, "ahead": ahead}  # fmt: skip
    ours = [
        dataclasses.replace(CELL, seed=i, world=w, score=-0.1 * i, plan30=plan)
        for i in range(3)
        for w in ("hubs", "<gp>")
    ]
    ours += [dataclasses.replace(CELL, world="flat", has_gap=False, score=0.01)]
    return ours + [dataclasses.replace(cell, policy="odm", score=cell.score + 9, plan30=None) for cell in ours]


def test_the_page_holds_every_world_and_escapes_names():
    cells = some_cells()
    table = make_table(cells, rng=np.random.default_rng(0))
    heading = Heading.of(make_order(["uniform"], ["hubs"]), "isthmus tournament <b>", "2026-11-22")
    text = page(table, cells, (), heading)
    assert "<gp>" not in text
    assert "&lt;gp&gt;" in text
    assert "isthmus tournament &lt;b&gt;" in text
    for section in ("asked", "overall", "worlds", "ours", "plans", "laws"):
        assert f'id="{section}"' in text
    assert 'id="failed"' not in text
    said = markdown(table, (), heading)
    assert "| <gp> |" in said
    assert "isthmus tournament <b>" in said


def test_figures_are_pictures_that_a_screen_reader_can_read():
    cells = some_cells()
    table = make_table(cells, rng=np.random.default_rng(0))
    figures = (
        charts.closed_svg(table), charts.advantage_svg(table), charts.harm_svg(table), charts.strip_svg(table, cells),
        charts.coverage_svg(table, "transfer_law"), charts.law_svg(table, "transfer_law"),
    )  # fmt: skip
    for svg in figures:
        root = ET.fromstring(svg)
        assert root.get("aria-label")
        assert "nan" not in svg
    assert len(ET.fromstring(figures[3]).findall(".//{*}title")) == 7  # every run is a dot
