"""URLs of databases and servers: made of paths, told without their secrets. One place, so that nothing is pasted.

A path becomes part of a URL by SQLAlchemy's own means, and is read back once to see that it is still the same path.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

MARK = "***"  # in place of a secret, as SQLAlchemy shows one
_SECRET_WORDS = (
    *("password", "passwd", "passphrase", "pwd", "token", "secret", "apikey", "api_key", "access_key", "credential"),
    "odbc_connect",  # a whole connection string, with its PWD
)
# What the SQLite driver and SQLite itself take.
_OPTIONS = (
    *("timeout", "detect_types", "isolation_level", "check_same_thread", "cached_statements", "autocommit"),
    *("uri", "mode", "cache", "vfs", "nolock", "immutable", "psow"),
)


_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_RESERVED = "@/:?#[] "  # in a user or a password they have to be escaped


class BadUrl(ValueError):
    """The URL means something else than was wanted: write it as the message says."""


def sqlite_url(file: Path, query: str = "") -> str:
    """The URL of a SQLite file.

    Signs that stand for something in a URL (`?`, `%3F`) are escaped by SQLAlchemy; the driver is named then, since
    MLflow makes a folder of the escaped name where the URL begins with `sqlite:///`.
    Raises `BadUrl` where the installed SQLAlchemy reads another path from what it wrote itself.
    """
    path, more = str(file), f"?{query}" if query else ""
    plain = f"sqlite:///{path}"
    if make_url(plain).database == path and "?" not in path:
        return plain + more
    text = URL.create("sqlite+pysqlite", database=path).render_as_string(hide_password=False)
    if make_url(text).database != path:
        sign = next((sign for sign in "?%" if sign in path), path)
        raise BadUrl(f"the path {path} holds '{sign}', which SQLAlchemy cannot write into a URL; rename the folder")
    return text + more


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL; None for another database and for one in memory. Raises `BadUrl`."""
    if not is_sqlite_url(url):
        return None
    check_sqlite(url)
    database = _made(url).database
    if not database or database == ":memory:":
        return None
    return Path(unquote(urlsplit(database).path)) if database.startswith("file:") else Path(database)


def is_sqlite_url(url: str) -> bool:
    return url.partition(":")[0].partition("+")[0].lower() == "sqlite"


def check_sqlite(url: str) -> None:
    """Raise `BadUrl` where what stands behind a `?` is no option: a path was pasted into the URL."""
    _, mark, query = url.partition("?")
    names = [part.partition("=")[0] for part in query.split("&")]
    wrong = [name for name in names if name not in _OPTIONS and not name.startswith("_")]
    if mark and wrong:
        raise BadUrl(
            f"what stands behind '?' in {url} is read as options, and '{wrong[0]}' is none; in a path write %3F for '?'"
        )


def anchored(url: str, folder: Path) -> str:
    """A SQLite URL with its file absolute, counted from `folder`; any other URL as it is. Raises `BadUrl`."""
    prefix, slashes, rest = url.partition(":///")
    if is_sqlite_url(url):
        check_sqlite(url)
    if not slashes or not is_sqlite_url(url) or rest.startswith("/"):
        return url
    database, _, query = rest.partition("?")
    if not database or database == ":memory:" or database.startswith("file:"):
        return url
    path = absolute(_made(f"{prefix}:///{database}").database or "", folder)
    return sqlite_url(path, query)


def absolute(path: str, folder: Path) -> Path:
    """The path counted from `folder`, variables and `~` in it expanded."""
    return Path(os.path.abspath(folder / os.path.expanduser(os.path.expandvars(path))))


def expanded(url: str, what: str) -> str:
    """The URL with environment variables in place; `BadUrl` where one of them is not set.

    One that stands for a user or a password is escaped as it has to be there; a `$` within a password is a sign.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _filled(url, url, what)
    user, at, place = _split(scheme, rest)
    parts = [_credential(part, url, what) for part in user.split(":", 1)]
    return f"{_filled(scheme, url, what)}://{':'.join(parts)}{at}{_filled(place, url, what)}"


def is_known(url: str | None) -> bool:
    """Whether all variables in the URL are set here; a laptop that only estimates need not know a cluster's."""
    return all(os.environ.get(plain or braced) for plain, braced in _VARIABLE.findall(url or ""))


def _credential(part: str, url: str, what: str) -> str:
    if not _VARIABLE.fullmatch(part):
        return part
    value = _filled(part, url, what)
    return quote(value, safe="") if any(sign in value for sign in _RESERVED) else value


def _filled(text: str, url: str, what: str) -> str:
    for plain, braced in _VARIABLE.findall(text):
        if not os.environ.get(plain or braced):
            raise BadUrl(f"{what} is '{hidden(url)}' and {plain or braced} is not set here; set it")
    return os.path.expandvars(text)


def hidden(url: str) -> str:
    """The URL with `***` in place of each secret: passwords, what a web address has before its `@`, tokens."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    user, at, place = _split(scheme, rest)
    if at:
        user = _masked_user(user, _is_web(scheme))
    place, mark, query = place.partition("?")
    shown = [_masked(part) for part in query.split("&")] if mark else []
    return f"{scheme}://{user}{at}{place}{mark}{'&'.join(shown)}"


def link(url: str) -> str:
    """A web address to follow: without a user, and with other secrets hidden."""
    shown = hidden(url)
    return shown.replace(f"://{MARK}@", "://", 1)


def has_secret(url: str) -> bool:
    return hidden(url) != url


def is_hidden(url: str) -> bool:
    """Whether a secret was taken out of the URL, so that nothing can be reached by it."""
    return f":{MARK}@" in url or f"//{MARK}@" in url or f"={MARK}" in url


def without_secrets(text: str, *urls: str | None) -> str:
    """`text`, such as another's error, with nothing in it that `hidden` takes out of the URLs."""
    for url in urls:
        if url is None or not has_secret(url):
            continue
        text = text.replace(url, hidden(url))
        for secret in sorted(_secrets(url), key=len, reverse=True):
            text = text.replace(secret, MARK)
    return text


def _secrets(url: str) -> set[str]:
    """Each secret as it is written in the URL, and as it is meant."""
    scheme, _, rest = url.partition("://")
    user, at, place = _split(scheme, rest)
    name, colon, password = user.partition(":")
    found = {password} if colon else {name} if at and _is_web(scheme) else set()
    query = place.partition("?")[2]
    found |= {part.partition("=")[2] for part in query.split("&") if _masked(part) != part}
    found |= {value for key, value in parse_qsl(query) if _is_secret(key)}
    return {text for secret in found for text in (secret, unquote(secret)) if text}


def _split(scheme: str, rest: str) -> tuple[str, str, str]:
    """User and password, `@`, and what follows. A database's password may hold `/` and, wrongly written, `@`."""
    if is_sqlite_url(f"{scheme}:"):
        return "", "", rest
    head = rest.split("?")[0]
    if _is_web(scheme):
        head = head.split("/")[0].split("#")[0]
    user, at, _ = head.rpartition("@")
    return user, at, rest[len(user) + len(at) :]


def _masked_user(user: str, web: bool) -> str:
    name, colon, password = user.partition(":")
    if _VARIABLE.fullmatch(password if colon else name):
        return user  # a variable is no secret; what it stands for is
    return MARK if web else f"{name}:{MARK}" if colon else name


def _masked(part: str) -> str:
    key, equals, value = part.partition("=")
    return f"{key}{equals}{MARK}" if value and _is_secret(unquote(key)) and not _VARIABLE.fullmatch(value) else part


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_WORDS)


def _is_web(scheme: str) -> bool:
    return scheme.lower() in ("http", "https")


def _made(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise BadUrl(f"{hidden(url)} is no database URL; give sqlite:///FILE or postgresql://USER@HOST/NAME") from None
