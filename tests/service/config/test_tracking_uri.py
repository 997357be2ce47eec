"""A tracking URI that can never work is refused before training, with what to write in its place."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.config import BadConfig, Config, load_config, load_resumed, save_config
from service.config.load import SECRETS, protect
from service.config.tracking_uri import check_uri
from service.runs import RunFolder, store_url
from service.tracking.ready import check_ready
from service.tracking.settings import describe, tracking_uri

SECRET = "s3cr3t"
STORE = f"postgresql+psycopg://me:{SECRET}@db/isthmus"
URI = f"https://me:{SECRET}@mlflow.local/ml"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file:///x/y", "a folder, which MLflow no longer keeps runs in; give sqlite:////x/y/mlflow.db"),
        ("file:///x/a%20b", "give sqlite:////x/a b/mlflow.db"),
        ("file:./a", "give sqlite:///./a/mlflow.db"),
        ("FILE://localhost/x", "give sqlite:////x/mlflow.db"),
        ("file://", "give sqlite:////FOLDER/mlflow.db"),
        ("./mlruns", "give sqlite:///./mlruns/mlflow.db"),
        ("/x/a?b", "give sqlite:////x/a%3Fb/mlflow.db"),
        ("ftp://h/x", "MLflow keeps no runs under 'ftp:'"),
        ("s3://bucket/key", "MLflow keeps no runs under 's3:'"),
        ("htps://h", "did you mean 'https'?"),
        ("sqlite://", "a database in memory"),
        ("sqlite:///", "a database in memory"),
        ("sqlite:///:memory:", "a database in memory"),
        ("sqlite:mlflow.db", "write '://' behind sqlite"),
        ("sqlite:///a?b/m.db", "in a path write %3F for '?'"),
        ("postgres://u:s3cr3t@h/db", "MLflow knows it as postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u@h", "names no database"),
        ("postgresql+psycopg://u:s3c@r3t@h/db", "write %40 for one in the password"),
        ("postgresql+psycopg://u@h:54x2/db", "its port is no number from 1 to 65535"),
        ("https://h:50a0", "its port is no number from 1 to 65535"),
        ("http://h:99999", "its port is no number from 1 to 65535"),
        ("https://", "write it as http://HOST:PORT"),
        ("http://[::1:5000", "no address of a server"),
        ("http://h:5000/#/experiments/1", "a page of the server; give its address alone: http://h:5000"),
        ("localhost:5000", "write http://localhost:5000"),
        ("http:/h", "write '://' behind http"),
        ("", "give sqlite:"),
        (" http://h", "give sqlite:"),
        ("http://h\nx", "give sqlite:"),
        ("uc", "a folder"),
    ],
)
def test_what_can_never_work(uri: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        check_uri(uri)
    assert "s3c" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:////x/m.db",
        "sqlite:///m.db?timeout=5",
        "http://h:5000",
        "http://[::1]:5000",
        "https://u:p@h/ml",
        "databricks",
        "databricks://profile",
        "postgresql+psycopg://u:p%40@h:5432/db",
        "mysql+pymysql://u@h/db",
        "mssql+pyodbc:///?odbc_connect=SERVER%3Dh%3BPWD%3Dpw",
        "$ISTHMUS_TRACKING",
    ],
)
def test_what_may_work(uri: str) -> None:
    check_uri(uri)


def test_the_old_file_store_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    check_uri("file:///x")


def config(folder: Path, **changes: Any) -> Config:
    body = {
        "budget": 19200,
        "interval": 1920,
        "data": {"domains": {"ct": {"path": "ct"}, "mr": {"path": "mr"}}},
        "train": {"global_batch": 32},
        "policy": {"name": "uniform"},
    }
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(body | changes))
    return load_config(file)


def not_ready(found: Config) -> str:
    with pytest.raises(BadConfig) as caught:
        check_ready(found, RunFolder(found.runs_path / found.name).store(found))
    return str(caught.value)


def tracked(tmp_path: Path, uri: str) -> Config:
    return config(tmp_path, tracking={"uri": uri})


def test_what_cannot_work_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("no database")
    assert f"a folder; give a file in it: {tmp_path}/folder/mlflow.db" in not_ready(
        tracked(tmp_path, "sqlite:///folder")
    )
    assert "which is no SQLite database" in not_ready(tracked(tmp_path, "sqlite:///text"))
    assert f"{tmp_path}/text is no folder" in not_ready(tracked(tmp_path, "sqlite:///text/mlflow.db"))
    said = not_ready(tracked(tmp_path, f"postgresql+psycopg2://u:{SECRET}@h/db"))
    assert "whose driver is not installed here; write postgresql+psycopg://u:***@h/db" in said
    assert "install the driver (pymysql)" in not_ready(tracked(tmp_path, f"mysql+pymysql://u:{SECRET}@h/db"))
    same = config(tmp_path, store="sqlite:///one.db", tracking={"uri": f"sqlite:///{tmp_path}/one.db"})
    assert "give MLflow a database of its own" in not_ready(same)
    for name in ("DATABRICKS_HOST", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    assert "set DATABRICKS_HOST" in not_ready(tracked(tmp_path, "databricks"))
    assert "NOT_SET_HERE is not set here" in not_ready(tracked(tmp_path, "$NOT_SET_HERE"))
    monkeypatch.setenv("IS_SET", "file:///x")
    assert "tracking.uri is 'file:///x', a folder" in not_ready(tracked(tmp_path, "$IS_SET"))


@pytest.mark.parametrize("name", ["", " ", "a" * 251, "a\nb"])
def test_experiments_have_a_name_that_can_be_shown(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadConfig, match=r"tracking\.experiment: experiment is .* give 1 to 250 printable ones"):
        config(tmp_path, tracking={"experiment": name})


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    found = config(tmp_path)
    check_ready(found, RunFolder(found.runs_path / "run").store(found))
    check_ready(config(tmp_path, tracking={"enabled": False, "uri": "sqlite:///run.yaml"}), "sqlite:////x")
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]


def test_passwords_lie_in_a_file_for_their_owner_alone(tmp_path: Path) -> None:
    before = config(tmp_path, store=STORE, tracking={"uri": URI})
    (tmp_path / "run.yaml").unlink()
    run = tmp_path / "runs" / "run"
    run.mkdir(parents=True)
    save_config(before, run / "config.yaml")
    assert_kept(tmp_path)
    after = load_config(run / "config.yaml", recorded=True)
    assert after == before
    assert (store_url(after.store or ""), tracking_uri(after)) == (STORE, URI)
    assert load_resumed(run / "config.yaml", ["store=postgresql+psycopg://me:other@db/isthmus"]).store != STORE
    assert SECRET not in repr(describe(after, run))
    assert SECRET not in str(describe(after, run).config) + str(describe(after, run).params)

    (run / SECRETS).unlink()
    without = load_config(run / "config.yaml", recorded=True)
    with pytest.raises(
        BadConfig, match=r"store is 'postgresql\+psycopg://me:\*\*\*@db/isthmus' and its password is not"
    ):
        store_url(without.store or "")
    with pytest.raises(BadConfig, match=r"by --set tracking.uri"):
        tracking_uri(without)


def test_a_run_from_before_has_its_password_put_aside(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    body = config(tmp_path, store=STORE, tracking={"uri": URI}).model_dump(mode="json")
    (tmp_path / "run.yaml").unlink()
    file.write_text(yaml.safe_dump(body))
    before = load_config(file, recorded=True)
    protect(file)
    assert_kept(tmp_path)
    assert load_config(file, recorded=True) == before


def assert_kept(folder: Path) -> None:
    """The secret is in one file, which nobody else may read."""
    found = [path for path in folder.rglob("*") if path.is_file() and SECRET in path.read_text()]
    assert [path.name for path in found] == [SECRETS]
    assert stat.S_IMODE(found[0].stat().st_mode) == 0o600


def test_old_runs_stay_readable_and_new_ones_are_refused(tmp_path: Path) -> None:
    """A run's own configuration is read, whatever is refused of a new one."""
    file = tmp_path / "config.yaml"
    body = config(tmp_path).model_dump(mode="json")
    long = "b" * 90
    body["data"]["domains"] = {"ct": {"path": "a"}, "ct_low": {"path": "b"}, long: {"path": "c"}}
    body["tracking"]["uri"] = "file:///x"
    file.write_text(yaml.safe_dump(body, sort_keys=False))
    old = load_config(file, recorded=True)
    assert [domain.name for domain in old.spec({}).domains] == ["ct", "ct_low", long]
    assert load_resumed(file, ["tracking.enabled=false"]).domains == ("ct", "ct_low", long)
    with pytest.raises(BadConfig, match=r"tracking\.uri: uri is 'file:///x', a folder"):
        load_config(file, ["data.domains={ct: {path: a}}"])
    with pytest.raises(BadConfig, match=r"domain name 'b{40}\.\.\.' \(90 characters\) will not do"):
        load_config(file, ["tracking.uri=null"])
    with pytest.raises(BadConfig, match="'ct' and 'ct_low' cannot stand together"):
        load_config(file, ["tracking.uri=null", "data.domains={ct: {path: a}, ct_low: {path: b}}"])


@pytest.mark.parametrize("store", ["journal.db", "sqlite://", "sqlite:///:memory:", "sqlite:////x/a?b/j.db"])
def test_stores_that_are_none(tmp_path: Path, store: str) -> None:
    with pytest.raises(BadConfig, match=r"no database URL|gone with its process|write %3F"):
        config(tmp_path, store=store)


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%20b", "ü", "a&mode=ro", "[x]", "'", ":", "+"])
def test_a_configuration_in_such_a_folder_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    found = config(folder, store="sqlite:///all.db", tracking={"uri": "sqlite:///ml/mlflow.db"})
    save_config(found, folder / "config.yaml")
    again = load_config(folder / "config.yaml", recorded=True)
    assert again == found
    check_ready(again, store_url(again.store or ""))
    assert again.runs_path == folder / "runs"


def test_a_folder_that_would_be_read_as_a_variable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERE", "elsewhere")
    (tmp_path / "$THERE").mkdir()
    with pytest.raises(BadConfig, match=r"in which a '\$' would be read as a variable; rename the folder"):
        config(tmp_path / "$THERE")
