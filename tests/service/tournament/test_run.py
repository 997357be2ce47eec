"""One tiny tournament on a real Ray: run, killed, gone on with, tuned."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import service
from service.tournament import BadTournament, run_tournament
from service.tournament.cells_file import CellsFile, held
from service.tournament.order import make_order
from service.tournament.run import unfinished
from service.tournament.tune import read_tuned, tune

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default:unclosed:ResourceWarning")]

WHO, WHERE = ("uniform", "odm", "skill_it"), ("hubs", "flat")


def ordered(**more):
    return make_order(WHO, WHERE, seeds=2, domains=(3,), **more)


@pytest.fixture(scope="module")
def finished(two_cores, tmp_path_factory):
    out = tmp_path_factory.mktemp("tournament")
    tracking = f"sqlite:///{out / 'mlflow.db'}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, at its first use of a new database
        done = run_tournament(WHO, WHERE, seeds=2, domains=(3,), out=out, tracking=tracking, date="2026-11-22")
    return out, done


def test_every_cell_is_run_once_and_timed(finished):
    out, done = finished
    cells = CellsFile(out).done
    assert len(cells) == 12
    assert done.failed == ()
    assert {(c.policy, c.world, c.K, c.seed, c.noise) for c in cells.values()} == {
        (policy, world, 3, seed, (0.003, 0.01)[seed]) for policy in WHO for world in WHERE for seed in (0, 1)
    }
    assert all(0 < cell.seconds < 5 for cell in cells.values())
    assert done.table.row("uniform", "hubs").closed.mean == 0
    assert unfinished(ordered(), CellsFile(out)) == []


def test_results_name_where_they_come_from(finished):
    out, _ = finished
    body = json.loads((out / "results.json").read_text())
    assert body["heading"]["seeds"] == "0 to 1 in each world"
    assert body["heading"]["date"] == "2026-11-22"
    assert body["heading"]["version"].startswith("0.")
    page = (out / "results.html").read_text()
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in page
    for text in (page, (out / "results.md").read_text()):
        assert all(name in text for name in (*WHO, *WHERE, "2026-11-22", "run_tournament(...)"))


def test_tracked_as_one_run_with_a_child_for_each_policy(finished):
    from mlflow.tracking import MlflowClient

    out, done = finished
    client = MlflowClient(f"sqlite:///{out / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("tournament").experiment_id])
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = {run.data.tags["mlflow.runName"]: run for run in runs if run is not parent}
    assert set(children) == set(WHO)
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in children.values())
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert children["odm"].data.metrics["closed/hubs"] == pytest.approx(done.table.row("odm", "hubs").closed.mean)
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {
        "results.html", "results.md", "results.json",
    }  # fmt: skip


def test_a_tracking_server_that_is_gone_costs_nothing_but_the_tracking(finished, tmp_path, caplog):
    out, done = finished
    os.link(out / "cells.jsonl", tmp_path / "cells.jsonl")
    again = run_tournament(WHO, WHERE, seeds=2, domains=(3,), out=tmp_path, tracking="http://127.0.0.1:9")
    assert again.table.to_dict() == done.table.to_dict()
    assert "the tournament is not tracked" in caplog.text


def test_killed_and_gone_on_with(finished, tmp_path):
    """SIGKILL as soon as the first cells are on disk: they are kept, and the end is the same."""
    whole, _ = finished
    out = tmp_path / "killed"
    code = (
        "from service.tournament import run_tournament\n"
        f"run_tournament({WHO!r}, {WHERE!r}, seeds=2, domains=(3,), out={str(out)!r}, tracking='http://127.0.0.1:9')"
    )
    home = str(Path(service.__file__).parents[1])
    child = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": home}, cwd=tmp_path,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    file, deadline = out / "cells.jsonl", time.monotonic() + 120
    while not (file.is_file() and file.stat().st_size) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = CellsFile(out).done
    assert kept, "nothing was written before the end"
    with file.open("a") as opened:
        opened.write('{"key": "half a li')
    left = sum(len(job.entrants) for job in unfinished(ordered(), CellsFile(out)))
    assert left == 12 - len(kept)
    before = file.read_bytes()
    done = run_tournament(WHO, WHERE, seeds=2, domains=(3,), out=out, tracking="http://127.0.0.1:9")
    assert file.read_bytes().startswith(before)
    assert _scores(CellsFile(out)) == _scores(CellsFile(whole))
    assert done.table.row("odm", "hubs").cells == 2


def _scores(cells):
    return {key: cell.score for key, cell in cells.done.items()}


def test_a_cell_that_fails_loses_itself_only_and_is_tried_again(two_cores, tmp_path):
    done = run_tournament(
        ("uniform", "odm"), ("flat",), seeds=1, domains=(3,), out=tmp_path, tracking="http://127.0.0.1:9",
        tuned={"odm": {"keep": 7}},
    )  # fmt: skip
    (lost,) = done.failed
    assert lost.entrant == "odm"
    assert "option keep of 'odm' is 7" in lost.error
    assert done.table.policies == ("uniform",)
    assert "option keep of" in (tmp_path / "results.html").read_text()
    good = make_order(("uniform", "odm"), ("flat",), seeds=1, domains=(3,))
    assert [entrant.name for job in unfinished(good, CellsFile(tmp_path)) for entrant in job.entrants] == ["odm"]


def test_tuning_writes_what_judging_reads(two_cores, tmp_path):
    path = tune(3, ("odm", "uniform"), ("hubs",), seeds=1, domains=(3,), out=tmp_path)
    body = json.loads(path.read_text())
    assert body["trials"] == 3
    found = body["policies"]["odm"]
    assert set(body["policies"]) == {"odm"}  # uniform has nothing to tune
    assert found["value"] <= found["default"]
    cells = CellsFile(tmp_path)
    assert len(cells.done) == 3
    assert tune(3, ("odm", "uniform"), ("hubs",), seeds=1, domains=(3,), out=tmp_path) == path
    assert json.loads(path.read_text()) == body
    assert len(CellsFile(tmp_path).done) == 3  # the same trials, found finished
    assert read_tuned(path, range(0, 400)) == {"odm": found["options"]}
    with pytest.raises(BadTournament, match="tuned on seeds 1000000 to 1000000"):
        read_tuned(path, range(1_000_000, 1_000_001))


def test_one_tournament_at_a_time_writes_to_a_folder(tmp_path):
    with held(tmp_path), pytest.raises(BadTournament, match="another tournament is writing"), held(tmp_path):
        pass
