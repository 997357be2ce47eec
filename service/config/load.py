"""Reading, overriding, validating and writing back a configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from service.config.errors import BadConfig, sentence
from service.config.model import Config
from service.config.yaml import KeyPath, Place, Places, read
from service.files import write_text
from service.urls import BadUrl, absolute, anchored, expanded, has_secret, hidden, is_hidden, is_sqlite_url, sqlite_file
from trainers.config.base import RECORDED
from trainers.config.text import NoText, read_text, unknown_in
from trainers.config.training import FREE_ON_RESUME

# Keys that a resumed run may change: they neither draw nor learn, or are journaled when they change.
_FREE = ("tracking", "ray")
SECRETS = ".secrets.yaml"  # beside the configuration of a run, for its owner alone
MOST_BYTES = 4 * 2**20
STEERING = ("policy.mode", "policy.pin")


def load_config(
    file: str | Path, overrides: Sequence[str] = (), root: Path | None = None, *, recorded: bool = False
) -> Config:
    """The configuration in `file` with `key.key=value` overrides; all paths in it absolute.

    Relative paths start at `root`, by default at the folder of the file. `recorded`: the file is that of a run which
    was begun, and names that are not allowed any more, or a tracking URI, are read as they are.

    Raises `BadConfig` with one sentence: where it stands, what is wrong, the bad value, the cure.
    """
    path = Path(file)
    body, places = _read(path)
    _put_back(body, path.with_name(SECRETS))
    for override in overrides:
        _override(body, places, override)
    config = _validate(body, path.name, places, recorded)
    try:
        if config.store is not None and not recorded:
            _check_store(config.store)
        return _absolute(config, path.resolve().parent if root is None else root, recorded)
    except BadUrl as error:
        raise BadConfig(f"{path.name}: {error}") from None


def load_resumed(file: Path, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a run that goes on; overrides may not change what it draws or learns."""
    before, after = load_config(file, recorded=True), load_config(file, overrides, recorded=True)
    for key in changed_keys(before, after):
        raise BadConfig(f"{key} cannot change while a run goes on; start a new run with --set name=...")
    return after


def changed_keys(before: Config, after: Config) -> list[str]:
    """Keys that differ and decide what is drawn or learnt."""
    found = []
    for key in _differences(public_body(before), public_body(after)):
        part = key.split(".")
        free = part[0] in _FREE or key.startswith(STEERING) or (part[0] == "train" and part[1] in FREE_ON_RESUME)
        if not free:
            found.append(key)
    return found


def public_body(config: Config) -> dict[str, Any]:
    """The whole configuration as plain values, with `***` in place of the passwords in its URLs."""
    body = config.model_dump(mode="json")
    for holder, key, _ in _urls(body):
        holder[key] = hidden(holder[key])
    return body


def save_config(config: Config, file: Path) -> None:
    """Write the whole configuration, defaults included, so that `load_config` gives it back.

    Passwords in its URLs go into a file beside it, which nobody but its owner can read.
    """
    secrets = {name: holder[key] for holder, key, name in _urls(config.model_dump()) if has_secret(holder[key])}
    if secrets:
        write_text(file.with_name(SECRETS), yaml.safe_dump(secrets, allow_unicode=True), mode=0o600)
    write_text(file, yaml.safe_dump(public_body(config), sort_keys=False, allow_unicode=True))


def protect(file: Path) -> None:
    """Take the passwords out of a configuration that was written before they had a file of their own."""
    body, _ = _read(file)
    if any(has_secret(holder[key]) for holder, key, _ in _urls(body)):
        save_config(load_config(file, recorded=True), file)


def whole_url(text: str, key: str, variable: str, what: str) -> str:
    """The URL under `key`, its variables in place; `BadConfig` where one is not set, or its password is not known."""
    if is_hidden(text):
        raise BadConfig(
            f"{key} is '{text}' and its password is not here ({SECRETS} of the run cannot be read); give it again by "
            f"--set {key}=..., or by a variable, as ${variable}"
        )
    try:
        return expanded(text, key)
    except BadUrl as error:
        raise BadConfig(f"{error} to the {what}") from None


def _urls(body: dict[str, Any]) -> list[tuple[dict[str, Any], str, str]]:
    """Where a configuration holds URLs: the mapping, the key in it, and the name of both."""
    tracking = body.get("tracking")
    places = [(body, "store", "store"), (tracking if isinstance(tracking, dict) else {}, "uri", "tracking.uri")]
    return [(holder, key, name) for holder, key, name in places if isinstance(holder.get(key), str)]


def _put_back(body: dict[str, Any], file: Path) -> None:
    """Passwords that `save_config` has put aside; where their file cannot be read, `***` stays."""
    hollow = [place for place in _urls(body) if is_hidden(place[0][place[1]])]
    if not hollow:
        return
    try:
        secrets = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return
    for holder, key, name in hollow:
        secret = secrets.get(name) if isinstance(secrets, dict) else None
        if isinstance(secret, str) and hidden(secret) == holder[key]:
            holder[key] = secret


def _read(path: Path) -> tuple[dict[str, Any], dict[KeyPath, Place]]:
    try:
        text = read_text(path, most_bytes=MOST_BYTES)
    except FileNotFoundError:
        raise BadConfig(f"there is no configuration at {path}; give the path of a YAML file") from None
    except NoText as error:
        raise BadConfig(str(error)) from None
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}; give the path of a YAML file") from None
    body, places = read(text, path.name)
    if not isinstance(body, dict):
        what = "is empty" if body is None else f"is {'a list' if isinstance(body, list) else 'one value'}"
        raise BadConfig(f"{path.name} {what}; it must hold keys and values such as 'budget: 19200'")
    return body, dict(places)


def _override(body: dict[str, Any], places: dict[KeyPath, Place], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise BadConfig(f"--set {override}: write it as key=value, for example --set train.lr=3e-4")
    names = key.strip().split(".")
    *parents, last = names
    place = body
    for parent in parents:
        inner = place.setdefault(parent, {})
        if inner is None:
            inner = place[parent] = {}
        if not isinstance(inner, dict):
            raise BadConfig(f"--set {key.strip()}: '{parent}' is {inner!r} and has no keys of its own")
        place = inner
    place[last], within = read(text, f"--set {key.strip()}")  # without the value, which may hold a password
    for known in [known for known in places if known[: len(names)] == tuple(names)]:
        del places[known]
    places |= {(*names, *inner): place.elsewhere() for inner, place in within.items()}


def _validate(body: Mapping[str, Any], source: str, places: Places, recorded: bool) -> Config:
    try:
        return Config.model_validate(body, context={RECORDED: recorded})
    except ValidationError as error:
        raise BadConfig(sentence(error, Config, source, places)) from None


def _absolute(config: Config, folder: Path, recorded: bool) -> Config:
    if not recorded:
        for key, text in (("runs", config.runs), ("data.root", config.data.root), ("data.cache", config.data.cache)):
            if text and (cure := unknown_in(text)) and not os.path.lexists(folder / text):
                raise BadConfig(f"{key} is '{text}': {cure}")
    data = config.data.anchored(folder)
    data = data.model_copy(update={"cache": str(data.cache_path)})
    runs = absolute(config.runs, folder)
    for key, path in (("runs", runs), ("data.root", data.root_path), ("data.cache", data.cache_path)):
        if os.path.expandvars(str(path)) != str(path):  # it would mean another folder when it is read again
            raise BadConfig(f"{key} is {path}, in which a '$' would be read as a variable; rename the folder")
    tracking = config.tracking.model_copy(update={"uri": _anchored(config.tracking.uri, folder)})
    changes = {"data": data, "tracking": tracking, "runs": str(runs), "store": _anchored(config.store, folder)}
    return config.model_copy(update=changes)


def _check_store(url: str) -> None:
    """Raise `BadConfig` for what can be no journal."""
    like = "give sqlite:///FILE, postgresql://USER@HOST/NAME or a variable, as $ISTHMUS_STORE"
    if not url.startswith("$") and "://" not in url:
        raise BadConfig(f"store is '{url}', which is no database URL; {like}")
    if is_sqlite_url(url) and sqlite_file(url) is None:
        raise BadConfig(f"store is '{url}', which would be gone with its process; {like}")


def _anchored(url: str | None, folder: Path) -> str | None:
    """A SQLite file by relative path lies beside the YAML; other URLs stay."""
    return None if url is None else anchored(url, folder)


def _differences(before: Any, after: Any, key: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [*before, *(name for name in after if name not in before)]
        inner = [(f"{key}.{name}" if key else str(name), before.get(name), after.get(name)) for name in names]
        return [found for place, a, b in inner for found in _differences(a, b, place)]
    return [] if before == after else [key]
