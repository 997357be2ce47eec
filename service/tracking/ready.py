"""Whether tracking can work from here: looked at before training, while a person is still there to mend it."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import NoSuchModuleError

from service.config import BadConfig, Config
from service.config.tracking_uri import DATABASES, check_uri
from service.tracking.settings import tracking_uri
from service.urls import hidden, sqlite_file

_SQLITE_HEAD = b"SQLite format 3\0"
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mssql": "mssql+pyodbc"}


def check_ready(config: Config, store: str) -> None:
    """Raise `BadConfig` where the run could never be tracked: what is wrong, and what to write instead.

    `store` is the URL of the run's journal. Nothing is made, and no server is asked: one that is down may come back.
    """
    if not config.tracking.enabled:
        return
    uri = tracking_uri(config)
    try:
        check_uri(uri)
    except ValueError as error:
        raise BadConfig(f"tracking.{error}") from None
    kind = uri.partition(":")[0].partition("+")[0]
    if kind == "databricks":
        _check_databricks(uri)
    elif kind in DATABASES:
        _check_driver(uri, kind)
        _check_own(uri, store)
    file = sqlite_file(uri)
    if file is not None:
        _check_file(file)


def _check_databricks(uri: str) -> None:
    file = Path(os.environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()
    named = any(os.environ.get(name) for name in ("DATABRICKS_HOST", "DATABRICKS_CONFIG_PROFILE"))
    if not named and not file.is_file():
        raise BadConfig(
            f"tracking.uri is '{uri}' and nothing here says which workspace that is; set DATABRICKS_HOST and "
            f"DATABRICKS_TOKEN, or write {file}"
        )


def _check_driver(uri: str, kind: str) -> None:
    try:
        make_url(uri).get_dialect().import_dbapi()
    except (ImportError, NoSuchModuleError) as error:
        scheme, _, rest = hidden(uri).partition("://")
        other = _DRIVERS.get(kind, kind)
        cure = (
            f"write {other}://{rest}" if other != scheme else f"install the driver ({getattr(error, 'name', scheme)})"
        )
        raise BadConfig(f"tracking.uri is '{hidden(uri)}', whose driver is not installed here; {cure}") from None


def _check_own(uri: str, store: str) -> None:
    """Journal and MLflow each migrate the tables of their database."""
    ours, theirs = sqlite_file(store), sqlite_file(uri)
    same = hidden(uri) == hidden(store) if ours is None or theirs is None else ours.resolve() == theirs.resolve()
    if same:
        raise BadConfig(
            f"tracking.uri and store are both '{hidden(uri)}'; give MLflow a database of its own, such as mlflow.db"
        )


def _check_file(file: Path) -> None:
    """A SQLite file that is there, or that can be made."""
    if file.is_dir():
        raise BadConfig(f"tracking.uri names {file}, a folder; give a file in it: {file / 'mlflow.db'}")
    try:
        if file.exists():
            with file.open("r+b") as content:
                head = content.read(len(_SQLITE_HEAD))
            if head and head != _SQLITE_HEAD:
                raise BadConfig(f"tracking.uri names {file}, which is no SQLite database; give another file")
            _check_folder(file.parent, file)
        else:
            _check_folder(next(folder for folder in file.parents if folder.exists()), file)
    except OSError as error:
        raise BadConfig(f"tracking.uri names {file}, which cannot be written ({error.strerror}); {_CURE}") from None


_CURE = "give a file where you may write"


def _check_folder(folder: Path, file: Path) -> None:
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = "no folder" if not folder.is_dir() else "not yours to write in"
        raise BadConfig(f"tracking.uri names {file}, and {folder} is {what}; {_CURE}")
