"""YAML as people mean it: `1e-3` is a number, and a key given twice is a mistake."""

from __future__ import annotations

import re
from typing import Any

import yaml

from service.config.errors import BadConfig

_FLOAT = re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in keys:
                raise yaml.MarkedYAMLError(None, None, f"key '{key}' is given twice", key_node.start_mark)
            keys.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def parse(text: str, source: str) -> Any:
    """The content of a YAML text; `BadConfig` with the place where it cannot be read."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadConfig(f"{source} is not valid YAML{where}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise BadConfig(f"{source} is not valid YAML: {str(error).splitlines()[0]}") from None
