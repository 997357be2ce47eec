"""One request and its reply as data, so that the two clients differ in nothing but how they send."""

from __future__ import annotations

import dataclasses
import email.utils
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from service.client.errors import ServerFault
from service.client.wire import whole

VERSION = "/v1"


@dataclasses.dataclass(frozen=True)
class Call:
    """`repeatable`: sent twice it does no more than sent once. `timeout` in seconds."""

    method: str
    path: str
    body: Any = None
    params: Mapping[str, Any] | None = None
    repeatable: bool = True
    timeout: float = 30.0


@dataclasses.dataclass(frozen=True)
class Pause:
    """Wait so many seconds before the next attempt."""

    seconds: float


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came back: `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.content)
        except ValueError:
            raise ServerFault(
                f"the answer (HTTP {self.status}) is not JSON: is this URL the service's own?", status=self.status
            ) from None

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asked to wait, given as a number or as a date."""
        text = self.headers.get("retry-after", "").strip()
        if text.isdigit():
            return float(text)
        try:
            until = email.utils.parsedate_to_datetime(text)
        except (TypeError, ValueError, IndexError):
            return None
        until = until if until.tzinfo else until.replace(tzinfo=timezone.utc)
        return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())


class LostContact(Exception):
    """An attempt brought no reply. `sent`: the server may have got the request."""

    def __init__(self, cause: str, *, sent: bool) -> None:
        super().__init__(cause)
        self.sent = sent


def of(allocation: str, rest: str = "") -> str:
    """Path of an allocation, or of what lies below it."""
    return f"{VERSION}/allocations/{quote(allocation, safe='')}{rest}"


def create(body: Mapping[str, Any]) -> Call:
    return Call("POST", f"{VERSION}/allocations", body)


def listing(path: str, cursor: str | None, limit: int) -> Call:
    return Call("GET", path, params={"limit": limit} | ({} if cursor is None else {"cursor": cursor}))


def reports(allocation: str, body: Any) -> Call:
    return Call("POST", of(allocation, "/reports"), body)


def plan(allocation: str, budgets: Any, objective: str | None, domains: list[Any] | None) -> Call:
    body: dict[str, Any] = {"budgets": [whole(budget, "a budget") for budget in budgets]}
    if objective is not None:
        body["objective"] = objective
    if domains is not None:
        body["domains"] = domains
    return Call("POST", of(allocation, "/plan"), body)


def change_domains(allocation: str, domains: list[Any], position: int | None) -> Call:
    body: dict[str, Any] = {"domains": domains}
    if position is not None:
        body["position"] = position
    return Call("POST", of(allocation, "/domains"), body, repeatable=False)


def set_mode(allocation: str, mode: str | None, pin: Mapping[str, float] | None) -> Call:
    given = {"mode": mode, "pin": None if pin is None else dict(pin)}
    return Call("POST", of(allocation, "/mode"), {key: value for key, value in given.items() if value is not None})


def rewind(allocation: str, position: int, why: str) -> Call:
    # Sent twice it would begin two attempts.
    return Call("POST", of(allocation, "/rewind"), {"position": position, "why": why}, repeatable=False)
