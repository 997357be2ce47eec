"""What reaches MLflow is what the journal holds: once, in order, however often it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies import Decision, Domain, Interval, LossReport
from policies.records import LawSummary
from service.config import load_config
from service.journal import Journal
from service.owner import Owner, Spec
from service.runs import RunFolder, locked
from service.tracking import TrackSettings, describe, public_config
from service.tracking.series import points
from service.tracking.settings import public_uri
from service.tracking.writer import TrackWriter
from service.urls import sqlite_url

NAMES = ("ct", "mr")
RUNS = "runs a?b%20c#d"  # whatever the folder is called, all of it lies there
UNIFORM = {"ct": 0.5, "mr": 0.5}


def law() -> LawSummary:
    def each(mean: float) -> dict[str, Interval]:
        return {name: Interval(mean, mean / 2, mean * 2) for name in NAMES}

    return LawSummary(
        exponents=each(0.3),
        floors=each(0.1),
        transfer={name: each(0.7) for name in NAMES},
        identified={name: dict.fromkeys(NAMES, True) for name in NAMES},
        hub_score=each(0.4),
        residual_sd=dict.fromkeys(NAMES, 0.01),
        families={"power": 1.0},
        burn_in=10.0,
    )


def report(position: int) -> LossReport:
    return LossReport(
        position,
        dict.fromkeys(NAMES, position / 2),
        {"ct": 1.0 / position, "mr": 2.0 / position},
        train_loss={"ct": 0.5, "mr": float("nan")},
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    folder = tmp_path / RUNS / "small"
    folder.mkdir(parents=True)
    manifest = {"domains": {n: {"digest": "d" * 64, "train": [1], "held_out": [1], "pool": 10} for n in NAMES}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "report.html").write_text("<p>done</p>")
    with Journal(sqlite_url(folder / "journal.db")) as journal:
        journal.create("small", Spec(tuple(Domain(n) for n in NAMES), 400, 100, policy="uniform").to_dict())
        yield journal


@pytest.fixture
def settings(tmp_path: Path) -> TrackSettings:
    runs = tmp_path / RUNS
    return TrackSettings(
        uri=sqlite_url(runs / "mlflow.db"),
        experiment="small",
        run_name="small",
        run_dir=str(runs / "small"),
        artifacts=str(runs / "mlflow-artifacts"),
        params={"budget": "400"},
        tags={"isthmus.policy": "uniform"},
        config={"budget": 400},
    )


def test_points_of_a_decision_with_a_law() -> None:
    decision = Decision(100, UNIFORM, "refit", refit=3, predicted={"ct": Interval(0.2, 0.1, 0.3)}, law=law())
    from service.journal import Event

    event = Event(
        5, "small", 0, True, "decision", 60, decision.to_dict() | {"meta": {"report": 60, "seconds": 0.5}}, 9.5, ""
    )
    found = {
        point.key: (point.value, point.at_ms, point.step) for point in points(event, Spec((Domain("ct"),), 400, 100))
    }
    assert found["share/ct"] == (0.5, 9500, 60)
    assert found["transfer/ct/mr"][0] == 0.7
    assert found["predicted_final/ct_low"][0] == 0.1
    assert {"exponent/ct", "floor/mr", "hub_score/ct", "refit/seconds", "refit/number"} <= set(found)


def test_a_series_that_mlflow_would_refuse_does_not_stop_the_others() -> None:
    """A run from before the rule for names, with a domain of 250 letters."""
    from service.journal import Event

    long = "b" * 250
    decision = Decision(100, {"ct": 0.5, long: 0.5}, "refit", refit=3)
    event = Event(5, "old", 0, True, "decision", 60, decision.to_dict() | {"meta": {"report": 60}}, 9.5, "")
    spec = Spec((Domain("ct"), Domain.from_dict({"name": long})), 400, 100)
    assert {point.key for point in points(event, spec)} == {"share/ct", "refit/number"}


def test_the_ends_of_a_probe_make_no_point() -> None:
    from service.journal import Event

    def keys(reason: str) -> set[str]:
        ends = {"ct": Interval(0.2, 0.1, 0.3)}
        decision = Decision(100, UNIFORM, reason, refit=3, predicted=ends, gain=Interval(-0.2, -0.3, -0.1), law=law())
        event = Event(5, "small", 0, True, "decision", 60, decision.to_dict(), 9.5, "")
        return {point.key for point in points(event, Spec((Domain("ct"),), 400, 100))}

    ends = {f"{key}{end}" for key in ("predicted_final/ct", "predicted_gain") for end in ("", "_low", "_high")}
    assert keys("refit") - keys("probe") == ends


def test_unmeasured_values_make_no_point(journal: Journal) -> None:
    Owner(journal, "small").decide(report(60))
    [event] = journal.events("small", kinds=["report"])
    keys = {point.key for point in points(event, Spec.from_dict(journal.spec("small")))}
    assert "train_loss/ct" in keys
    assert "train_loss/mr" not in keys
    assert "objective" in keys


@pytest.fixture
def mlflow_client(settings: TrackSettings) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=settings.uri)


def files(client: Any, run: str, folder: str = "") -> list[str]:
    found = []
    for item in client.list_artifacts(run, folder):
        found += files(client, run, item.path) if item.is_dir else [item.path]
    return sorted(found)


@pytest.mark.filterwarnings("default")
def test_a_run_arrives_once_however_often_it_is_sent(
    journal: Journal, settings: TrackSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(journal, "small")
    owner.start()
    for position in (60, 160):
        owner.decide(report(position))
    owner.note("checkpoint", 160, {"path": "/secret/place/checkpoints/draw-160", "score": 0.5})
    with locked(RunFolder(tmp_path / RUNS / "small")):
        writer = TrackWriter(journal, "small", settings)
        while writer.step():
            pass
        run = writer.run_id()
        assert run is not None
        with journal._engine.execution_options(write=True).begin() as connection:
            connection.exec_driver_sql("delete from watermarks")  # as if killed before the watermark moved
        again = TrackWriter(journal, "small", settings)
        while again.step():
            pass
        assert again.run_id() == run
        owner.decide(report(260))
        assert again.behind() == 2
        again.finish("FINISHED")

    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=settings.uri)
    for key in ("eval_loss/ct", "share/mr", "draws/ct", "refit/seconds", "objective"):
        steps = [metric.step for metric in client.get_metric_history(run, key)]
        assert sorted(steps) == ([0, 60, 160, 260] if key == "share/mr" else [60, 160, 260]), key
    stored = client.get_run(run)
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"budget": "400"}
    assert stored.data.tags["checkpoint.best"] == "checkpoints/draw-160"
    assert [item.dataset.name for item in stored.inputs.dataset_inputs] == ["ct", "mr"]
    expected = {"refits/0001.json", "refits/0003.json", "report.html", "manifest.json", "schedule.json", "config.json"}
    assert expected <= set(files(client, run))
    assert "figures/mixture.svg" in files(client, run)
    assert (tmp_path / RUNS / "mlflow-artifacts").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [RUNS]
    assert "/secret/place" not in json.dumps([stored.data.tags, stored.data.params])

    # A driver that was killed leaves a run that says it is running; the next one in the folder ends it.
    client.update_run(run, status="RUNNING")
    journal.create("next", journal.spec("small"))
    (tmp_path / RUNS / "next").mkdir()
    import dataclasses

    later = dataclasses.replace(settings, run_name="next", run_dir=str(tmp_path / RUNS / "next"))
    TrackWriter(journal, "next", later).step()
    assert client.get_run(run).info.status == "KILLED"


def test_nothing_that_names_a_person_or_a_place_is_tracked(tmp_path: Path) -> None:
    body = {
        "budget": 1920,
        "interval": 192,
        "policy": {"name": "uniform"},
        "data": {
            "root": "/hospital/vault",
            "domains": {
                "ct": {"path": "SMITH_JOHN/ct", "held_out": ["SMITH"], "subject": "SMITH.*"},
                "mr": {"path": "mr"},
            },
        },
    }
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(body))
    config = load_config(file)
    settings = describe(config, tmp_path / "runs" / "run")
    text = json.dumps([public_config(config), dict(settings.params), dict(settings.tags)])
    for secret in ("SMITH", "vault", str(tmp_path)):
        assert secret not in text
    assert settings.params["train.global_batch"] == "32"
    assert settings.params["data.domains.ct.held_out"] == "1 subjects"


def test_password_of_the_server_is_not_shown() -> None:
    assert public_uri("https://me:secret@host:5000/ml") == "https://host:5000/ml"
    assert public_uri("sqlite:////runs/mlflow.db") == "sqlite:////runs/mlflow.db"
