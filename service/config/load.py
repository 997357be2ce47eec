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
from service.config.yaml import parse
from trainers.config.text import NoText, read_text
from trainers.config.training import FREE_ON_RESUME

# Keys that a resumed run may change: they neither draw nor learn, or are journaled when they change.
_FREE = ("tracking", "ray")
STEERING = ("policy.mode", "policy.pin")


def load_config(file: str | Path, overrides: Sequence[str] = (), root: Path | None = None) -> Config:
    """The configuration in `file` with `key.key=value` overrides; all paths in it absolute.

    Relative paths start at `root`, by default at the folder of the file.

    Raises `BadConfig` with one sentence: what is wrong, the bad value, the cure.
    """
    path = Path(file)
    body = _read(path)
    for override in overrides:
        _override(body, override)
    return _absolute(_validate(body, path.name), path.resolve().parent if root is None else root)


def load_resumed(file: Path, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a run that goes on; overrides may not change what it draws or learns."""
    before, after = load_config(file), load_config(file, overrides)
    for key in changed_keys(before, after):
        raise BadConfig(f"{key} cannot change while a run goes on; start a new run with --set name=...")
    return after


def changed_keys(before: Config, after: Config) -> list[str]:
    """Keys that differ and decide what is drawn or learnt."""
    found = []
    for key in _differences(before.model_dump(mode="json"), after.model_dump(mode="json")):
        part = key.split(".")
        free = part[0] in _FREE or key.startswith(STEERING) or (part[0] == "train" and part[1] in FREE_ON_RESUME)
        if not free:
            found.append(key)
    return found


def save_config(config: Config, file: Path) -> None:
    """Write the whole configuration, defaults included, so that `load_config` gives it back."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    partial = file.with_suffix(".partial")
    partial.write_text(text)
    os.replace(partial, file)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise BadConfig(f"there is no configuration at {path}; give the path of a YAML file") from None
    except NoText as error:
        raise BadConfig(str(error)) from None
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}; give the path of a YAML file") from None
    body = parse(text, path.name)
    if not isinstance(body, dict):
        raise BadConfig(f"{path.name} must hold keys and values such as 'budget: 19200'")
    return body


def _override(body: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise BadConfig(f"--set {override}: write it as key=value, for example --set train.lr=3e-4")
    *parents, last = key.strip().split(".")
    place = body
    for parent in parents:
        inner = place.setdefault(parent, {})
        if inner is None:
            inner = place[parent] = {}
        if not isinstance(inner, dict):
            raise BadConfig(f"--set {override}: '{parent}' is {inner!r} and has no keys of its own")
        place = inner
    place[last] = parse(text, f"--set {override}")


def _validate(body: Mapping[str, Any], source: str) -> Config:
    try:
        return Config.model_validate(body)
    except ValidationError as error:
        raise BadConfig(f"{source}: {sentence(error, Config)}") from None


def _absolute(config: Config, folder: Path) -> Config:
    data = config.data.anchored(folder)
    data = data.model_copy(update={"cache": str(data.cache_path)})
    tracking = config.tracking.model_copy(update={"uri": _absolute_url(config.tracking.uri, folder)})
    changes = {
        "data": data,
        "tracking": tracking,
        "runs": str(_absolute_path(config.runs, folder)),
        "store": _absolute_url(config.store, folder),
    }
    return config.model_copy(update=changes)


def _absolute_path(path: str, folder: Path) -> Path:
    return Path(os.path.abspath(folder / Path(os.path.expandvars(path)).expanduser()))


def _absolute_url(url: str | None, folder: Path) -> str | None:
    """A SQLite file by relative path lies beside the YAML; other URLs stay."""
    prefix = "sqlite:///"
    if url is None or not url.startswith(prefix) or url.removeprefix(prefix).startswith("/"):
        return url
    return prefix + str(_absolute_path(url.removeprefix(prefix), folder))


def _differences(before: Any, after: Any, key: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [*before, *(name for name in after if name not in before)]
        inner = [(f"{key}.{name}" if key else str(name), before.get(name), after.get(name)) for name in names]
        return [found for place, a, b in inner for found in _differences(a, b, place)]
    return [] if before == after else [key]
