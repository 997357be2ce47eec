"""Where in a body something is wrong: read from our own sentences, which begin with the field and its name.

'eval_sem of 'ct' is -1.0; ...' is about `eval_sem.ct`, 'draws names an unknown domain 'pat'; ...' about `draws.pat`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

Place = tuple[str | int, ...]
_SUBJECT = re.compile(r"(?:the |a |an |every |all )?(\w+)(?: (?:of|names an unknown) (?:\w+ )?'([^']*)')?")
_OPTION = re.compile(r"\boption '?(\w+)")
_LIMITS = ("pool", "cost", "max_epochs", "min_share", "max_share", "group")  # of a domain
_ALIASES = {"pinned": "pin", "mixture": "baseline", "shares": "baseline", **dict.fromkeys(_LIMITS, "domains")}


def place_of(message: str, body: Any) -> Place:
    """The place in `body` that `message` is about; empty where it is about the whole."""
    found = _SUBJECT.match(message)
    known = _names(body)
    if found is None or not known:
        return ()
    option = _OPTION.search(message)
    if option is not None and option[1] in _names(_get(body, "options")):
        return ("options", option[1])
    word, name = found[1], found[2]
    inner: Place = () if name is None else (name,)
    if word in _LIMITS and name is not None and "domains" in known:
        return ("domains", name, word)
    if word in known:
        return (word, *inner)
    if word in _names(_get(body, "options")):
        return ("options", word, *inner)
    if _ALIASES.get(word) in known:
        return (_ALIASES[word],)
    if f"{word}s" in known:
        return (f"{word}s", *inner)
    first = re.split(r"[;:]", message)[0]
    return next(((word,) for word in re.findall(r"\w+", first) if word in known), ())


def value_at(body: Any, place: Place) -> Any:
    """What stands there; None where nothing does."""
    for part in place:
        body = _get(body, part)
    return body


def without_tags(loc: Sequence[str | int]) -> list[str | int]:
    """A place as pydantic has it, without the tags of the unions in `bodies`."""
    found: list[str | int] = []
    for before, part in zip([None, *loc], loc, strict=False):
        of_union = part in ("several", "by name", "one") and before in ("body", "domains")
        of_domain = part in ("name", "record") and isinstance(before, int) and "several" in loc
        if not of_union and not of_domain:
            found.append(part)
    return found


def pointer(place: Place) -> str:
    """As a JSON pointer (RFC 6901) in a fragment."""
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _names(value: Any) -> Sequence[str]:
    if isinstance(value, BaseModel):
        return list(type(value).model_fields)
    return list(value) if isinstance(value, Mapping) else ()


def _get(value: Any, part: str | int) -> Any:
    if isinstance(value, BaseModel):
        return getattr(value, str(part), None) if part in type(value).model_fields else None
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int):
        return value[part] if part < len(value) else None
    if isinstance(value, list):  # domains are given by name or in a row
        return next((one for one in value if part in (one, _get(one, "name"))), None)
    return None
