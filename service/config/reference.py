"""The reference of every configuration key, made from the models and their docstrings.

`python -m service.config.reference` prints it; `deploy/CONFIGURATION.md` is that output, which a test compares.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from service.config.model import ClusterConfig, Config, PolicyConfig, TrackingConfig
from trainers.config.data import DataConfig, DomainConfig
from trainers.config.model import ModelConfig
from trainers.config.training import TrainConfig

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("", Config),
    ("data.", DataConfig),
    ("data.domains.NAME.", DomainConfig),
    ("model.", ModelConfig),
    ("train.", TrainConfig),
    ("policy.", PolicyConfig),
    ("tracking.", TrackingConfig),
    ("ray.", ClusterConfig),
)
HEADER = """# Configuration: every key

*Made by `python -m service.config.reference`; do not edit by hand.*

One YAML holds a run. `isthmus pretrain CONFIG --set key.key=value` overrides any key.
A misspelt key is refused with the nearest right one, before anything starts.
"""
_ENTRY = re.compile(r"^([a-z_]+):$")


def reference() -> str:
    """The whole reference as Markdown. Raises `LookupError` where a key has no description."""
    return "\n".join([HEADER, *(line for prefix, model in SECTIONS for line in _section(prefix, model))])


def _section(prefix: str, model: type[BaseModel]) -> Iterator[str]:
    """A heading, the first line of the model's docstring, and a table of its keys."""
    described = descriptions(model)
    yield f"## `{prefix.rstrip('.')}`" if prefix else "## Top level"
    yield ""
    yield inspect.cleandoc(model.__doc__ or "").splitlines()[0]
    yield ""
    yield "| key | default | meaning |"
    yield "| --- | --- | --- |"
    for name, field in model.model_fields.items():
        if not _is_section(field):
            yield f"| `{prefix}{name}` | {_default(field)} | {described[name]} |"
    yield ""


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What the docstrings of a model and of its bases say of each key. Raises `LookupError` where one is silent."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        key = ""
        for line in inspect.cleandoc(base.__doc__ or "").splitlines():
            entry = _ENTRY.match(line)
            if entry:
                key = entry[1]
                found[key] = ""
            elif key and line.startswith("    "):
                found[key] = f"{found[key]} {line.strip()}".strip()
            elif line.strip():
                key = ""
    missing = [n for n, f in model.model_fields.items() if not _is_section(f) and not found.get(n)]
    if missing:
        raise LookupError(f"{model.__name__} does not describe {', '.join(missing)}; add it to the docstring")
    return {name: text.replace("|", "\\|") for name, text in found.items()}


def _is_section(field: FieldInfo) -> bool:
    """Whether the key holds a part of the configuration that has a section of its own."""
    return isinstance(field.annotation, type) and any(field.annotation is model for _, model in SECTIONS)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default if field.default is not PydanticUndefined else field.get_default(call_default_factory=True)
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    print(reference(), end="")
