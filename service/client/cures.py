"""What follows from an error for a run that is being steered, and what helps."""

from __future__ import annotations

from service.client.errors import (
    BadValue,
    Conflict,
    Forbidden,
    NotFound,
    Overloaded,
    QueueInUse,
    Refused,
    ServerFault,
    Unauthorized,
    Unreachable,
    WrongSettings,
)

# The service answers, and will not take this: until somebody mends it the run is not steered.
REFUSALS = (Refused, Conflict, NotFound, Unauthorized, Forbidden, WrongSettings)
_LOST = "this report is put aside and will not be sent again; while reports are refused the mixture is not steered"
_WAITS = "reports wait, and go out when it works again"
_TOO_LARGE = 413

_CURES: tuple[tuple[type[Exception], str], ...] = (
    (Unauthorized, f"the token is wrong or revoked; {_WAITS}: start again with a new one (isthmus token create)"),
    (Forbidden, f"the token may not report; {_WAITS}: start again with one of scope report"),
    (NotFound, f"the token's project has no such allocation; {_WAITS}: check the URL, the id and the token's project"),
    (Conflict, f"{_LOST}; a run that begins again needs a new name, or `rewind`"),
    (Refused, f"{_LOST}; mend what is named"),
    (Overloaded, f"the service asks for fewer requests; {_WAITS}"),
    (Unreachable, _WAITS),
    (ServerFault, f"the service's log says why; {_WAITS}"),
    (QueueInUse, "name another queue file"),
    (BadValue, "mend it in the training loop"),
)


def follows(error: Exception) -> str:
    """What follows and what helps; empty for an error that says it itself."""
    if isinstance(error, Refused) and error.status == _TOO_LARGE:
        return f"{_LOST}; the report is too large: it may have too many domains or too long names"
    return next((cure for kind, cure in _CURES if isinstance(error, kind)), "")
