"""What can go wrong, named after what the caller should do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """Anything this client raises. `problem` is the server's problem document (RFC 9457), `status` its HTTP status."""

    def __init__(self, message: str, *, status: int | None = None, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.about = ""  # what it speaks of, where the same mistake may come again with other numbers
        self.problem: Mapping[str, Any] = dict(problem or {})

    @property
    def errors(self) -> Sequence[Mapping[str, Any]]:
        """What the server found wrong, one entry a field: `field`, `value`, `message`."""
        found = self.problem.get("errors")
        return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


class WrongSettings(ClientError):
    """The URL or the token is missing or cannot be used: mend the settings."""


class BadValue(ClientError, ValueError):
    """A value that cannot be used, such as an infinite loss or half a draw: mend it where it is computed."""


class UnknownName(BadValue):
    """A name of a domain or target that this run does not have: mend it in the loop."""


class RankFailed(ClientError):
    """Another rank could not go on; `rank` says which. Raised on every rank at the same place."""

    def __init__(self, rank: int, cause: str) -> None:
        super().__init__(f"rank {rank}: {cause}")
        self.rank = rank


class RanksApart(ClientError):
    """The ranks do not make the same calls any more, or one of them has gone: steering ends on all of them."""


class QueueInUse(ClientError):
    """Another process, or another allocation, has this queue file: name another one."""


class Unreachable(ClientError):
    """No answer within the deadline: try again later; a client with a queue does so by itself."""


class Overloaded(Unreachable):
    """Asked to slow down (429) until the deadline was over; `retry_after` in seconds, where the server said so."""

    retry_after: float | None = None


class ServerFault(ClientError):
    """The server failed at this request (500): its log tells why. Nothing of it was acknowledged."""


class Unauthorized(ClientError):
    """The token is missing, wrong or revoked (401): get a new one with `isthmus token create`."""


class Forbidden(ClientError):
    """The token's scope does not allow this (403): ask for one with a wider scope."""


class NotFound(ClientError):
    """No such allocation in the token's project (404)."""


class Conflict(ClientError):
    """It contradicts what was acknowledged before (409): other draws at a position, another body under a name."""


class Refused(ClientError):
    """The request is wrong in itself (4xx): mend the field that `field` names; sending it again changes nothing."""

    @property
    def field(self) -> str | None:
        """Path of the first wrong field, where the server named one."""
        return str(self.errors[0].get("field")) if self.errors else None

    @property
    def value(self) -> Any:
        """The value the server found in that field."""
        return self.errors[0].get("value") if self.errors else None


def about(error: ClientError, what: str) -> ClientError:
    """`error`, with what it speaks of: the same mistake with other numbers is said once."""
    error.about = what
    return error
