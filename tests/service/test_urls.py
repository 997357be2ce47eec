"""URLs are made of paths by SQLAlchemy's own means, and told without their secrets."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from service.journal import Journal
from service.urls import BadUrl, anchored, expanded, has_secret, hidden, is_hidden, link, sqlite_file, sqlite_url
from service.urls import without_secrets as cleaned

FOLDERS = [
    "a?b", "a#b", "a%20b", "a%3Fb", "a b", "ü", "a&mode=ro", "a?mode=ro", "[x]", "'", '"', ":", "+", "a@b", "a:b@c",
    "a;b", "a=b", "a\\b", "%", "file:x", "a$b", "a*b",
]  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_journal_lies_in_its_folder_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "journal.db"
    url = sqlite_url(file)
    assert make_url(url).database == str(file)
    assert sqlite_file(url) == file
    with Journal(url) as journal:
        journal.create("run", {"budget": 1})
    assert sqlite3.connect(file).execute("select count(*) from events").fetchone() == (1,)
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing lies beside it"


def test_plain_paths_are_written_as_ever(tmp_path: Path) -> None:
    """The name of a watermark and of an actor is made of the URL: old runs keep theirs."""
    for name in ("runs", "a b", "ü", "a#b"):
        assert sqlite_url(tmp_path / name) == f"sqlite:///{tmp_path / name}"


@pytest.mark.parametrize("url", ["sqlite:////a?b/j.db", "sqlite:///a?b", "sqlite+pysqlite:////x/a?mode=ro&b/j.db"])
def test_a_path_that_was_pasted_is_refused(url: str) -> None:
    with pytest.raises(BadUrl, match=r"in a path write %3F for '\?'"):
        anchored(url, Path("/"))


def test_relative_files_are_made_absolute_with_their_options(tmp_path: Path) -> None:
    folder = tmp_path / "a?b"
    assert sqlite_file(anchored("sqlite:///x/j.db?timeout=5", folder)) == folder / "x" / "j.db"
    assert make_url(anchored("sqlite:///j.db?timeout=5", folder)).query == {"timeout": "5"}
    assert anchored("sqlite:////x/j.db", folder) == "sqlite:////x/j.db"
    assert anchored("sqlite:///%3F/j.db", tmp_path) == sqlite_url(tmp_path / "?" / "j.db")
    assert anchored("postgresql://h/db?sslmode=require", folder) == "postgresql://h/db?sslmode=require"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://u:s3cret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql://u:s3/cr@et@h/db", "postgresql://u:***@h/db"),
        ("postgresql://h/db?password=s3cret&sslmode=require", "postgresql://h/db?password=***&sslmode=require"),
        ("mssql+pyodbc:///?odbc_connect=SERVER%3Dh%3BPWD%3Ds3cret", "mssql+pyodbc:///?odbc_connect=***"),
        ("postgresql://u@h/db?sslkey_passphrase=s3cret", "postgresql://u@h/db?sslkey_passphrase=***"),
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("https://me:s3cret@h:5000/ml", "https://***@h:5000/ml"),
        ("https://s3cret@h:5000", "https://***@h:5000"),
        ("http://h/a@b", "http://h/a@b"),
        ("http://h:5000?access_token=s3cret", "http://h:5000?access_token=***"),
        ("postgresql://u:$PGPASSWORD@h/db", "postgresql://u:$PGPASSWORD@h/db"),
        ("sqlite:////runs/a:b@c/mlflow.db", "sqlite:////runs/a:b@c/mlflow.db"),
        ("$ISTHMUS_STORE", "$ISTHMUS_STORE"),
    ],
)
def test_secrets_are_hidden(url: str, shown: str) -> None:
    assert hidden(url) == shown
    assert hidden(shown) == shown
    assert has_secret(url) == is_hidden(shown) == (url != shown)
    assert "s3" not in cleaned(f"cannot reach {url}", url)


def test_an_error_of_another_shows_no_secret_in_either_spelling() -> None:
    url = "postgresql://u:p%40ss%2F1@h/db"
    assert cleaned('FATAL: "p@ss/1" (p%40ss%2F1) is wrong', url) == 'FATAL: "***" (***) is wrong'
    assert link("https://me:s3cret@h:5000/ml") == "https://h:5000/ml"


def test_variables_in_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_PASSWORD", "p@ss/w:rd?#")
    monkeypatch.setenv("THE_HOST", "db.local:5433")
    url = expanded("postgresql+psycopg://u:$THE_PASSWORD@${THE_HOST}/db", "store")
    assert (make_url(url).password, make_url(url).host, make_url(url).port) == ("p@ss/w:rd?#", "db.local", 5433)
    assert expanded("postgresql://u:p$w0rd@h/db", "store") == "postgresql://u:p$w0rd@h/db"
    with pytest.raises(BadUrl, match=r"store is 'postgresql://u:\*\*\*@\$NOWHERE_SET/db' and NOWHERE_SET is not set"):
        expanded("postgresql://u:s3cret@$NOWHERE_SET/db", "store")
