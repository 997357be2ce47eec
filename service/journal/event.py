"""One event of the journal, and the chain of digests that shows nothing was changed afterwards."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from policies import Decision, LossReport

START = "start"


@dataclasses.dataclass(frozen=True)
class Event:
    """What happened to an allocation.

    Parameters
    ----------
    id:
        Grows with time within a store; not contiguous for one allocation.
    attempt:
        0 for the first; a rewind to an older checkpoint begins the next.
    active:
        False where a rewind left the event behind.
    kind:
        `allocation`, `report`, `decision`, `checkpoint`, `mode`, `rewind`, `finished` ...
    position:
        Draw the event belongs to. A decision carries the position of the report it answers
        (0 for the one at the start); the draw from which it applies is in its body.
    at:
        Seconds since 1970, UTC.
    digest:
        SHA-256 over the digest before it and this event (without `active`, which may change).
    """

    id: int
    allocation: str
    attempt: int
    active: bool
    kind: str
    position: int
    body: Mapping[str, Any]
    at: float
    digest: str


def canonical(body: Mapping[str, Any]) -> str:
    """The JSON text of a body that is stored and digested; domains stay in the order they were given."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False)


def finite(value: Any) -> Any:
    """What JSON can hold: null in the place of every number that is not finite, as in the records."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value


def chain(before: str, kind: str, attempt: int, position: int, body: str, at: float) -> str:
    """The digest that follows `before`."""
    text = json.dumps([before, kind, attempt, position, body, repr(at)])
    return hashlib.sha256(text.encode()).hexdigest()


def decision_of(event: Event) -> Decision:
    """The decision in a `decision` event, without the shell's notes in `meta`."""
    return Decision.from_dict({key: value for key, value in event.body.items() if key != "meta"})


def report_of(event: Event) -> LossReport:
    """The loss report in a `report` event, without the shell's notes in `meta`."""
    return LossReport.from_dict({key: value for key, value in event.body.items() if key != "meta"})
