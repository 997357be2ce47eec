"""The kinds of values that a request may hold."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from policies.intake import nearest

MOST_DRAWS = 2**53  # above, a float does not hold every whole number
MOST_DOMAINS = 200
LONGEST_NAME = 100
AT_A_TIME = 20  # entries of an object that are looked at before it is known whether one is wrong


def _printable(text: str) -> str:
    """Control characters and halves of characters have no place in a name, a page or a database."""
    if not text.isprintable():
        raise PydanticCustomError("not_printable", "it must hold printable characters only")
    return text


def _short(value: Any) -> Any:
    """An option is a number, a word, or a short list of these: nothing that could fill the memory."""
    return _check_option(value, 3)


def _check_option(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) <= 1e15:  # NaN compares as false
        return value
    if isinstance(value, str) and len(value) <= LONGEST_NAME:
        return _printable(value)
    if isinstance(value, list | dict) and depth and len(value) <= 1000:
        inner = value if isinstance(value, list) else [*value, *value.values()]
        for one in inner:
            _check_option(one, depth - 1)
        return value
    raise PydanticCustomError("bad_option", "an option is a finite number up to 1e15, a short text, or lists of these")


def _check_size(value: Any, most: int) -> None:
    if len(value) > most:
        said = "it has {length} entries; send at most {most}"
        raise PydanticCustomError("too_many", said, {"length": len(value), "most": most})


def by_name(most: int) -> WrapValidator:
    """For an object: its size before its entries, and these a few at a time, to stop at the first that are wrong."""

    def check(value: Any, read: Callable[[Any], Any]) -> Any:
        if not isinstance(value, dict) or len(value) <= AT_A_TIME:
            return read(value)
        _check_size(value, most)
        found, entries = {}, iter(value.items())
        while some := dict(islice(entries, AT_A_TIME)):
            found.update(read(some))
        return found

    return WrapValidator(check)


def sized(most: int) -> BeforeValidator:
    """For a list: its size before its items."""

    def check(value: Any) -> Any:
        if isinstance(value, list):
            _check_size(value, most)
        return value

    return BeforeValidator(check)


Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_printable)]
Text = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]
Draws = Annotated[int, Field(strict=True, ge=1, le=MOST_DRAWS)]
Position = Annotated[int, Field(strict=True, ge=0, le=MOST_DRAWS)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Loss = Annotated[float | None, Field(allow_inf_nan=False, strict=True)]
Amount = Annotated[float, Field(strict=True, ge=0, le=1e18, allow_inf_nan=False)]
Option = Annotated[Any, AfterValidator(_short)]
ByName = Annotated[dict[Name, Loss], Field(max_length=1000), by_name(1000)]
Count = Annotated[float | None, Field(allow_inf_nan=False, strict=True, ge=0)]
Counts = Annotated[dict[Name, Count], Field(max_length=1000), by_name(1000)]


class Body(BaseModel):
    """A body of known fields; an unknown one is named with the nearest that is known."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: Any) -> Any:
        known = list(cls.model_fields)
        for name in data if isinstance(data, dict) else ():
            if name not in known:
                short = str(name)[:LONGEST_NAME]
                raise PydanticCustomError(
                    "unknown_field",
                    "there is no such field{guess}; known are {known}",
                    {"field": short, "guess": nearest(short, known), "known": ", ".join(known)},
                )
        return data
