"""What every handler works with, and the way to an allocation of the caller's own project."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, Request

from policies.intake import nearest
from service.api.problems import LONGEST, Trouble, field_error
from service.api.settings import Settings
from service.hosting import Busy, Gateway
from service.journal import Archived, Entry, Journal
from service.owner import Schedules
from service.tokens import Sessions, Token, Vault, allows

_ID = re.compile(r"a-[0-9a-f]{16}", re.ASCII)


@dataclasses.dataclass
class Service:
    """The store for what is read, the gateway for what is decided."""

    journal: Journal
    gateway: Gateway
    settings: Settings
    vault: Vault
    sessions: Sessions
    schedules: Schedules
    _thinking: threading.Semaphore = dataclasses.field(default_factory=lambda: threading.Semaphore(1))

    @contextmanager
    def thinking(self) -> Iterator[None]:
        """For what takes a core for a second (a page, a plan): one at a time, so that reads go on beside it."""
        if not self._thinking.acquire(timeout=20):
            raise Busy("too many pages and plans are being made; ask again")
        try:
            yield
        finally:
            self._thinking.release()


@dataclasses.dataclass(frozen=True)
class Call:
    """One request: who sends it, and what it may see."""

    service: Service
    token: Token

    def entry(self, allocation: str) -> Entry:
        """The allocation, if it is of the caller's project; another's does not exist for it."""
        if not _ID.fullmatch(allocation):
            raise Trouble(404, "there is no such allocation in this project")
        entry = self.service.journal.entry(allocation)
        if entry.project != self.token.project:
            raise Trouble(404, "there is no such allocation in this project")
        return entry

    def open_entry(self, allocation: str) -> Entry:
        """The same, where it takes more; `Archived` where it does not, whatever is asked of it."""
        entry = self.entry(allocation)
        if entry.archived_at is not None:
            raise Archived(f"allocation '{entry.name}' is archived; begin another one")
        return entry

    async def ask(self, question: str, allocation: str, *args: Any) -> Any:
        return await self.service.gateway.ask(question, allocation, *args, timeout=self.service.settings.wait)


def needs(scope: str) -> Callable[[Request], Any]:
    """A dependency that lets tokens of `scope` in, with no other query parameters than the call has."""

    async def call(request: Request) -> Call:
        token: Token = request.state.token
        if not allows(token.scope, scope):
            raise Trouble(403, f"this token has scope '{token.scope}'; '{scope}' is needed")
        _check_query(request)
        return Call(request.app.state.service, token)

    return call


def _check_query(request: Request) -> None:
    """Raise `Trouble` for a parameter that the call does not have: unheard, a misspelt one changes the answer."""
    if not request.query_params:
        return
    described = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    known = [one["name"] for one in described.get("parameters", ()) if one["in"] == "query"]
    for name, value in request.query_params.items():
        if name not in known:
            said = f"there is no such parameter{nearest(name, known)}; known are {', '.join(known) or 'none'}"
            raise Trouble(422, f"{name[:LONGEST]!r}: {said}", None, field_error(name[:LONGEST], value, said))


Reader = Annotated[Call, Depends(needs("read"))]
Reporter = Annotated[Call, Depends(needs("report"))]
Admin = Annotated[Call, Depends(needs("admin"))]
