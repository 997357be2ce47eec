"""Which run a configuration means, and what is refused before anything starts."""

from __future__ import annotations

import io
import math
import shlex
import stat
from pathlib import Path

import pytest
import yaml

from policies import Domain, LossReport
from service.config import BadConfig, Config, load_config
from service.journal import Journal
from service.journal.names import allocation_id
from service.owner import Owner
from service.pretrain import compare
from service.pretrain.begin import begun, settle_name
from service.pretrain.command import Request, read
from service.pretrain.console import Console
from service.pretrain.ending import how_to_look
from service.runs import RunFolder, find_run, is_locked, locked
from service.story import read_story
from trainers.loop import rate_plan, rate_sum
from trainers.volumes import PreparedData, PreparedDomain


@pytest.fixture
def config(tmp_path: Path) -> Config:
    body = {
        "name": "small",
        "budget": 3840,
        "interval": 384,
        "data": {"domains": {"ct": {"path": "ct"}, "mr": {"path": "mr"}}},
        "policy": {"name": "uniform"},
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(body))
    return load_config(tmp_path / "small.yaml")


@pytest.fixture
def data() -> PreparedData:
    return PreparedData({name: PreparedDomain(name, "mr", (), ()) for name in ("ct", "mr")}, (32, 32, 32))


def silent() -> Console:
    return Console(io.StringIO())


@pytest.fixture
def pooled(data: PreparedData, monkeypatch: pytest.MonkeyPatch) -> PreparedData:
    monkeypatch.setattr(PreparedDomain, "pool", property(lambda self: 100))
    return data


def finish(config: Config, name: str) -> None:
    with Journal(RunFolder(config.runs_path / name).store(config)) as journal:
        Owner(journal, name).note("finished", config.budget, {})


def test_same_configuration_goes_on_and_another_is_refused(config: Config, pooled: PreparedData) -> None:
    with begun(config, pooled, silent()) as run:
        assert run.journal.spec("small")["domains"] == [Domain(n, pool=100).to_dict() for n in ("ct", "mr")]
        assert not run.finished
    assert settle_name(config, silent()) == config
    with begun(config, pooled, silent()) as run:
        assert len(run.journal.events("small")) == 1
    with pytest.raises(BadConfig, match=r"begun with another train\.lr; go on with it by --resume"):
        settle_name(config.model_copy(update={"train": config.train.model_copy(update={"lr": 1.0})}), silent())


def test_finished_run_is_never_touched(config: Config, pooled: PreparedData) -> None:
    with begun(config, pooled, silent()):
        finish(config, "small")
    second = settle_name(config, silent())
    assert (second.name, second.experiment) == ("small-2", "small")
    with begun(second, pooled, silent()) as run:
        assert run.name == "small-2"


def test_run_killed_before_its_report_goes_on(config: Config, pooled: PreparedData) -> None:
    driver = begun(config, pooled, silent())
    driver.__enter__()
    finish(config, "small")
    assert not driver.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert settle_name(config, silent()) == config
    with begun(config, pooled, silent()) as run:
        assert run.finished
    assert settle_name(config, silent()).name == "small-2"


def test_changed_data_are_refused(config: Config, pooled: PreparedData) -> None:
    with begun(config, pooled, silent()):
        pass
    other = PreparedData(pooled.domains, (16, 16, 16))
    with pytest.raises(BadConfig, match="the data of run 'small' have changed"), begun(config, other, silent()):
        pass


def test_a_run_of_a_project_is_an_allocation_of_the_service(config: Config, pooled: PreparedData) -> None:
    config = config.model_copy(update={"project": "liver"})
    with begun(config, pooled, silent()) as run:
        assert run.allocation == allocation_id("liver", "small")
        [entry] = run.journal.entries("liver")
        assert (entry.id, entry.name, entry.project) == (run.allocation, "small", "liver")
        assert run.journal.entries("lung") == []
        Owner(run.journal, run.allocation).decide(LossReport(192, {"ct": 96, "mr": 96}, {"ct": 1.0, "mr": 1.0}))
        assert read_story(run.journal, run.allocation).name == "small"
    with begun(config, pooled, silent()) as again:
        assert again.journal.allocations() == [run.allocation]
    with pytest.raises(BadConfig, match="begun with another project"):
        settle_name(config.model_copy(update={"project": None}), silent())


def test_a_comparison_never_writes_a_password_down(
    config: Config, pooled: PreparedData, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ISTHMUS_STORE", f"sqlite:///{tmp_path / 'secret.db'}")
    config = config.model_copy(update={"store": "$ISTHMUS_STORE"})
    with begun(config, pooled, silent()) as run:
        assert run.journal.url == f"sqlite:///{tmp_path / 'secret.db'}"
        assert compare.other_config(run, "proportional").store == "$ISTHMUS_STORE"
        assert "secret.db" not in run.folder.config.read_text()


def test_one_driver_per_run(config: Config, pooled: PreparedData) -> None:
    folder = RunFolder(config.runs_path / "small")
    with locked(folder):
        assert is_locked(folder.path)
        with pytest.raises(BadConfig, match="is being trained by another process"), begun(config, pooled, silent()):
            pass
    assert not is_locked(folder.path)


def test_resumed_run_keeps_its_configuration(config: Config, pooled: PreparedData, tmp_path: Path) -> None:
    with begun(config, pooled, silent()) as run:
        folder = run.folder
    again = read(Request(resume=str(folder.path), overrides=("ray.workers=4",)), silent())
    assert again.model_copy(update={"ray": config.ray, "data": config.data}) == config
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    folder.path.rename(moved / "renamed")
    assert read(Request(resume=str(moved / "renamed")), silent()).runs == str(moved)
    with pytest.raises(BadConfig, match="there is no run at"):
        find_run(tmp_path / "none")


def test_configuration_and_run_go_together_where_they_agree(
    config: Config, pooled: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with begun(config.model_copy(update={"name": "small-2"}), pooled, silent()):
        pass
    monkeypatch.chdir("/")  # the run is found through the configuration, not through where we are
    file = tmp_path / "small.yaml"
    again = read(Request(config=file, resume="small-2", overrides=("ray.workers=4",)), silent())
    assert (again.name, again.experiment, again.ray.workers) == ("small-2", "small", 4)
    with pytest.raises(BadConfig, match=r"small\.yaml has another train\.lr than run 'small-2' was begun with"):
        read(Request(config=file, resume="small-2", overrides=("train.lr=0.1",)), silent())
    with pytest.raises(BadConfig, match="there is no run at"):
        read(Request(config=file, resume="small-3"), silent())


def test_mode_and_pins_may_change_in_mid_run(config: Config, pooled: PreparedData) -> None:
    with begun(config, pooled, silent()) as run:
        folder = str(run.folder.path)
    request = Request(resume=folder, overrides=("policy.mode=pause", "policy.pin.ct=0.4"))
    assert request.steers
    assert read(request, silent()).policy.pin == {"ct": 0.4}
    assert not Request(resume=folder, overrides=("ray.workers=4",)).steers
    with pytest.raises(BadConfig, match=r"policy\.name cannot change"):
        read(Request(resume=folder, overrides=("policy.name=proportional",)), silent())


def test_checkpoints_without_their_journal_are_refused(config: Config, pooled: PreparedData) -> None:
    with begun(config, pooled, silent()) as run:
        (run.folder.path / "checkpoints" / "draw-000000000384").mkdir(parents=True)
        journal = run.folder.path / "journal.db"
    journal.unlink()
    with pytest.raises(BadConfig, match="has checkpoints but its journal is gone"), begun(config, pooled, silent()):
        pass


def test_learning_rate_plan_is_the_sum_that_reports_carry(config: Config) -> None:
    plan = rate_plan(config.train, 38400)
    assert len(plan) < 700
    for position, total in plan[:: max(1, len(plan) // 7)]:
        assert math.isclose(total, rate_sum(config.train, 38400, int(position)), rel_tol=1e-9, abs_tol=1e-12)


def test_comparison_shares_journal_and_experiment(config: Config, pooled: PreparedData) -> None:
    config = config.model_copy(update={"policy": config.policy.model_copy(update={"name": "proportional"})})
    with pytest.raises(BadConfig, match=r"no such policy .did you mean 'uniform'"):
        compare.check_policy_name("unifrom", config)
    with pytest.raises(BadConfig, match="the run itself uses that policy"):
        compare.check_policy_name("proportional", config)
    with begun(config, pooled, silent()) as run:
        other = compare.other_config(run, "uniform")
        assert (other.name, other.store, other.experiment) == ("small-uniform", run.journal.url, "small")
        assert other.seed == config.seed
        with begun(other, pooled, silent()) as second:
            losses = LossReport(192, {"ct": 96, "mr": 96}, {"ct": 1.0, "mr": 1.0})
            for name in (run.name, second.name):
                Owner(run.journal, name).decide(losses)
        for _ in range(2):
            compare.note(run, second)
        assert len(run.journal.events("small", kinds=["compare"])) == 1


@pytest.mark.parametrize("name", ["a?b", "a%20b#c", "ü '[x]' & + :"])
def test_a_run_keeps_all_it_has_in_its_folder(tmp_path: Path, pooled: PreparedData, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    body = {"budget": 3840, "interval": 384, "data": {"domains": {"ct": {"path": "ct"}, "mr": {"path": "mr"}}}}
    (folder / "small.yaml").write_text(yaml.safe_dump(body | {"name": "small", "policy": {"name": "uniform"}}))
    config = load_config(folder / "small.yaml")
    with begun(config, pooled, silent()) as run:
        Owner(run.journal, run.allocation).decide(LossReport(192, {"ct": 96, "mr": 96}, {"ct": 1.0, "mr": 1.0}))
    assert {path.name for path in (folder / "runs" / "small").iterdir()} >= {"journal.db", "config.yaml"}
    assert [path.name for path in tmp_path.iterdir() if path.name != "small.yaml"] == [name]
    with begun(settle_name(config, silent()), pooled, silent()) as again:
        assert len(again.journal.events("small", kinds=["report"])) == 1
    assert shlex.split(how_to_look(config)[0].partition(": ")[2])[:3] == ["mlflow", "ui", "--backend-store-uri"]


def test_a_run_of_an_older_version_is_protected_when_it_goes_on(config: Config, pooled: PreparedData) -> None:
    secret = config.tracking.model_copy(update={"uri": "https://me:s3cr3t@mlflow.local"})
    config = config.model_copy(update={"tracking": secret})
    file = config.runs_path / "small" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    with begun(settle_name(config, silent()), pooled, silent()):
        pass
    found = [path for path in file.parent.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    assert [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in found] == [(".secrets.yaml", 0o600)]
    again = read(Request(resume=str(file.parent)), silent())
    assert again.tracking.uri == "https://me:s3cr3t@mlflow.local"
    assert "s3cr3t" not in " ".join(how_to_look(again))
