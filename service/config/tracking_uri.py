"""Which tracking URIs MLflow can work with: what never can is refused before anything starts."""

from __future__ import annotations

import os
import re
from importlib.metadata import entry_points
from urllib.parse import unquote, urlsplit

from policies.intake import nearest
from service.urls import BadUrl, check_sqlite, hidden, is_sqlite_url, sqlite_file

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_HOST_AND_PORT = re.compile(r"[A-Za-z0-9_.\-]+:\d+(/.*)?")
GIVE = "give sqlite:////FOLDER/mlflow.db, the address of a server such as http://127.0.0.1:5000, or leave it out"


def check_uri(uri: str) -> None:
    """Raise `ValueError` for what cannot work with MLflow on any machine: what is wrong, and what to write instead."""
    shown = hidden(uri)
    if not uri.strip() or not uri.isprintable() or uri != uri.strip():
        raise ValueError(f"uri is {shown!r}; {GIVE}")
    scheme, separator, _ = uri.partition("://")
    if uri.startswith("$"):
        return  # read where the run trains
    if _keeps_files(uri):
        _refuse_folder(uri, shown)
    elif uri.partition(":")[0] in ("databricks", *_plugins()):
        return
    elif _HOST_AND_PORT.fullmatch(uri):
        raise ValueError(f"uri is '{shown}', without a scheme; write http://{shown}")
    elif not separator:
        known = uri.partition(":")[0] in (*DATABASES, "http", "https")
        cure = f"write '://' behind {uri.partition(':')[0]}" if known else GIVE
        raise ValueError(f"uri is '{shown}', which is no URI; {cure}")
    elif scheme in ("http", "https"):
        _check_web(uri, shown)
    elif scheme.partition("+")[0] in DATABASES:
        _check_database(uri, shown)
    elif scheme == "postgres":
        raise ValueError(f"uri is '{shown}'; MLflow knows it as postgresql+psycopg://{shown.partition('://')[2]}")
    else:
        guess = nearest(scheme, (*DATABASES, "http", "https"))
        raise ValueError(f"uri is '{shown}'; MLflow keeps no runs under '{scheme}:'{guess}; {GIVE}")


def _keeps_files(uri: str) -> bool:
    """Whether it is a folder: a path, or `file:`."""
    scheme = uri.partition(":")[0].lower()
    if scheme == "file" or "://" in uri:
        return scheme == "file"
    known = scheme in ("databricks", *_plugins(), *DATABASES, "http", "https")
    return not known and not _HOST_AND_PORT.fullmatch(uri)


def _refuse_folder(uri: str, shown: str) -> None:
    is_url = uri.lower().startswith("file:")
    if is_url and os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
        return
    path = unquote(re.sub(r"^file:(//(localhost)?(?=/|$))?", "", uri, flags=re.IGNORECASE)) if is_url else uri
    path = path.rstrip("/") or "/FOLDER"
    escaped = path.replace("%", "%25").replace("?", "%3F")
    raise ValueError(
        f"uri is '{shown}', a folder, which MLflow no longer keeps runs in; "
        f"give sqlite:///{escaped}/mlflow.db or the address of a server"
    )


def _check_web(uri: str, shown: str) -> None:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"uri is '{shown}', no address of a server ({_why(error)}); {_LIKE}") from None
    if not parts.hostname or " " in uri or port == 0:
        raise ValueError(f"uri is '{shown}', no address of a server; {_LIKE}")
    if parts.fragment or parts.query or uri.endswith(("#", "?")):
        base = shown.split("#")[0].split("?")[0].rstrip("/")
        raise ValueError(f"uri is '{shown}', a page of the server; give its address alone: {base}")


_LIKE = "write it as http://HOST:PORT or https://HOST"


def _why(error: ValueError) -> str:
    text = str(error)
    return "its port is no number from 1 to 65535" if text.startswith(("Port", "invalid literal")) else text


def _check_database(uri: str, shown: str) -> None:
    if is_sqlite_url(uri):
        try:
            check_sqlite(uri)
            file = sqlite_file(uri)
        except BadUrl as error:
            raise ValueError(str(error)) from None
        if file is None:
            raise ValueError(f"uri is '{shown}', a database in memory that no other process sees; {GIVE}")
        return
    place, _, query = uri.partition("://")[2].partition("?")
    if "odbc_connect=" in query:  # a whole connection string
        return
    if place.count("@") > 1:
        raise ValueError(f"uri is '{shown}', with more than one '@'; write %40 for one in the password")
    if not place.rpartition("@")[2].strip("/") or "/" not in place.rpartition("@")[2]:
        kind = uri.partition("://")[0]
        raise ValueError(f"uri is '{shown}' and names no database; write it as {kind}://USER@HOST:PORT/NAME")
    port = re.search(r":([^/:\]]*)/", place.rpartition("@")[2])
    if port and port[1] and not (port[1].isdigit() and 0 < int(port[1]) < 65536):
        raise ValueError(f"uri is '{shown}', and its port is no number from 1 to 65535; mend it")


def _plugins() -> set[str]:
    """Schemes that packages installed beside MLflow have added to it."""
    return {entry.name for entry in entry_points(group="mlflow.tracking_store")}
