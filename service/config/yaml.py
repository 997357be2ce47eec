"""YAML as people mean it: `1e-3` is a number, a key is the text that was written, and a key given twice is a mistake.

Every key of a configuration is text, so `on`, `1` and `2024-01-01` are taken as they stand there, not as the boolean,
the number and the date that YAML 1.1 makes of them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from service.config.errors import BadConfig

MOST_VALUES = 20_000  # with every alias written out; a configuration has a few hundred
MOST_LEVELS = 50
_FLOAT = re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$")
_BASE_8 = re.compile(r"^[-+]?0[0-7_]+$")
_TAG = "tag:yaml.org,2002:"
_KINDS = {"bool": "a truth value", "int": "a number", "float": "a number", "null": "nothing", "timestamp": "a date"}

KeyPath = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a value stands (both counted from 1), its text as it was written, and what YAML makes of it.

    Line 0: not in the file, but given by --set.
    """

    line: int
    column: int
    text: str | None = None
    kind: str | None = None

    def elsewhere(self) -> Place:
        return dataclasses.replace(self, line=0, column=0)

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


Places = Mapping[KeyPath, Place]


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+.0123456789"))


def parse(text: str, source: str) -> Any:
    """The content of a YAML text; `BadConfig` with the place where it cannot be read."""
    return read(text, source)[0]


def read(text: str, source: str) -> tuple[Any, Places]:
    """The content of a YAML text, and where each of its keys and items stands; raises as `parse`."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        places = dict(_checked(node))
        return loader.construct_document(node), places
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadConfig(f"{source} is not valid YAML{where}: {_said(error, text)}") from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise BadConfig(
            f"{source} is not valid YAML at line {line}, column {column}: the character "
            f"#x{int(error.character):04x} is not allowed; take it out"
        ) from None
    except RecursionError:
        raise BadConfig(f"{source} is nested too deep; a configuration has at most {MOST_LEVELS} levels") from None
    except (yaml.YAMLError, ValueError) as error:  # PyYAML lets through what `int` and `date` raise
        raise BadConfig(f"{source} is not valid YAML: {str(error).splitlines()[0]}") from None


def _said(error: yaml.MarkedYAMLError, text: str) -> str:
    """What is wrong, with the cure where the parser's own words hide it."""
    problem = str(error.problem)
    if "found another document" in problem:
        return "it holds more than one document; keep one, and take '---' out"
    if "'\\t'" in problem or (error.problem_mark and _tab_before(text, error.problem_mark.line)):
        return f"{problem}; indent with spaces, not with tabs"
    return problem


def _tab_before(text: str, line: int) -> bool:
    lines = text.splitlines()
    return line < len(lines) and "\t" in lines[line][: len(lines[line]) - len(lines[line].lstrip())]


def _checked(root: yaml.Node) -> Iterator[tuple[KeyPath, Place]]:
    """Places of all keys and items, the one in force last; raises `MarkedYAMLError` for what cannot be meant."""
    _check_size(root)
    done: set[int] = set()
    todo: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    while todo:
        path, node = todo.pop()
        yield path, _place(node)
        inner = _inner(path, node, first=id(node) not in done)
        done.add(id(node))
        todo += inner


def _inner(path: KeyPath, node: yaml.Node, *, first: bool) -> list[tuple[KeyPath, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        if first:
            _settle_keys(node)
        found = [_under(path, key, value) for key, value in sorted(node.value, key=lambda pair: _merges(pair[0]))]
        return [one for part in found for one in part]
    if isinstance(node, yaml.SequenceNode):
        return [((*path, index), item) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        _check_number(node)
    return []


def _under(path: KeyPath, key: yaml.Node, value: yaml.Node) -> list[tuple[KeyPath, yaml.Node]]:
    """What lies under a key; what is merged in has its place among the keys of the mapping, which go before it."""
    if not _merges(key):
        return [((*path, key.value), value)]
    return [(path, item) for item in value.value] if isinstance(value, yaml.SequenceNode) else [(path, value)]


def _merges(key: yaml.Node) -> bool:
    return bool(key.tag == f"{_TAG}merge")


def _settle_keys(node: yaml.MappingNode) -> None:
    """Every key is the text that was written, once."""
    seen: dict[str, yaml.Node] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _wrong("a key is a list or a mapping here; a key is one word", key)
        if key.value in seen:
            line = seen[key.value].start_mark.line + 1
            raise _wrong(f"key '{key.value}' is given twice, first at line {line}", key)
        seen[key.value] = key
        if key.tag.removeprefix(_TAG) in (*_KINDS, "value"):
            key.tag = f"{_TAG}str"


def _check_number(node: yaml.ScalarNode) -> None:
    """YAML 1.1 reads `010` as 8 and `1:30` as 90, which nobody means."""
    kind, text = node.tag.removeprefix(_TAG), node.value
    if kind in ("int", "float") and node.style is None:
        if ":" in text:
            raise _wrong(f"{text} would be a number in base 60; put it in quotes if it is text", node)
        if kind == "int" and _BASE_8.match(text):
            raise _wrong(f"{text} would be a number in base 8; leave the first 0 out, or put it in quotes", node)


def _check_size(root: yaml.Node) -> None:
    """Raise where aliases, written out, make a text without end, or one too long or too deep."""
    sizes: dict[int, int] = {}
    _size(root, sizes, (), 0)
    if sizes[id(root)] > MOST_VALUES:
        raise _wrong(f"its aliases, written out, make more than {MOST_VALUES:,} values", root)


def _size(node: yaml.Node, sizes: dict[int, int], above: tuple[int, ...], level: int) -> int:
    if id(node) in above:
        raise _wrong("an alias refers to what holds it", node)
    if level > MOST_LEVELS:
        raise _wrong(f"it is nested too deep; a configuration has at most {MOST_LEVELS} levels", node)
    if id(node) not in sizes:
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        sizes[id(node)] = 1 + sum(_size(part, sizes, (*above, id(node)), level + 1) for part in parts)
    return sizes[id(node)]


def _place(node: yaml.Node) -> Place:
    mark, text = node.start_mark, node.value if isinstance(node, yaml.ScalarNode) else None
    kind = _KINDS.get(node.tag.removeprefix(_TAG)) if text is not None else None
    return Place(mark.line + 1, mark.column + 1, text, kind)


def _wrong(what: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, what, node.start_mark)
