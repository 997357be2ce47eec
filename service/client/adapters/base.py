"""The base class a framework wants, where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any


def base_class(*places: tuple[str, str]) -> Any:
    """The first class that can be imported from (module, name); `object` where none is installed."""
    for module, name in places:
        if importlib.util.find_spec(module.partition(".")[0]) is not None:
            return getattr(importlib.import_module(module), name)
    return object
