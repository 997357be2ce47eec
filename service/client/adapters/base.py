"""The base class a framework wants, where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from service.client.errors import UnknownName
from service.client.names import nearest

MOST_SHOWN = 20  # metrics in one sentence


def base_class(*places: tuple[str, str]) -> Any:
    """The first class that can be imported from (module, name); `object` where none is installed."""
    for module, name in places:
        if importlib.util.find_spec(module.partition(".")[0]) is not None:
            return getattr(importlib.import_module(module), name)
    return object


def evaluation(losses: Mapping[str, Any], keys: Mapping[str, str], metrics: Iterable[str]) -> Any:
    """What `report` is given: the `losses` by target, or, where none of `keys` was a metric, an error that says so."""

    def fail() -> NoReturn:
        key, known = next(iter(keys.values())), sorted(str(name) for name in metrics)
        shown = ", ".join(known[:MOST_SHOWN]) or "none at all"
        raise UnknownName(f"no metric is named '{key}'{nearest(key, known)}; there are {shown}; pass loss_key=")

    found: Mapping[str, Any] | Callable[[], NoReturn] = losses or fail
    return found
