"""What every handler works with, and the way to an allocation of the caller's own project."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from policies import Domain
from policies.intake import nearest
from service.api.bodies import Domains, read_domains
from service.api.forwarded import Forwarded
from service.api.problems import LONGEST, Trouble, field_error
from service.api.rates import Buckets
from service.api.settings import Settings
from service.api.thinking import Thinking
from service.hosting import Busy, Gateway
from service.journal import Archived, Entry, Journal
from service.owner import Schedules
from service.tokens import Sessions, Token, Vault, allows

T = TypeVar("T")
SHARE_OF_A_PROJECT = 0.4  # of the connections of a process that may wait for its hosts' answers
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
    forwarded: Forwarded
    strangers: Buckets
    thinking: Thinking = dataclasses.field(default_factory=Thinking)
    _asked: Counter[str] = dataclasses.field(default_factory=Counter)

    @contextmanager
    def room(self, project: str) -> Iterator[None]:
        """For a question of `project`: those that wait leave connections for the others. Raises `Busy`."""
        if self._asked[project] >= self.settings.connections * SHARE_OF_A_PROJECT:
            raise Busy(f"{self._asked[project]} requests of this project are waiting already; ask again later")
        self._asked[project] += 1
        try:
            yield
        finally:
            self._asked[project] -= 1
            if not self._asked[project]:
                del self._asked[project]


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

    def domains(self, given: Domains, known: Collection[str] = ()) -> tuple[Domain, ...]:
        """The domains that a body names, of which the allocation has `known` already; raises `BadSetup`.

        Raises `Trouble` where they are too many for one fit.
        """
        most = self.service.settings.domains
        if len(given) > most:
            said = f"it names {len(given)} domains; this service fits at most {most} (isthmus serve --domains)"
            raise Trouble(422, f"domains: {said}", None, field_error("domains", len(given), said))
        return read_domains(given, known)

    async def think(self, work: Callable[[], T]) -> T:
        """What takes a core for a second, in its turn; raises `Busy`."""
        return await self.service.thinking.do(self.token.project, work)

    async def ask(self, question: str, allocation: str, *args: Any) -> Any:
        """The host's answer; raises what it raises, and `Busy` where the project waits for too many already."""
        service, project = self.service, self.token.project
        with service.room(project):
            return await service.gateway.ask(question, allocation, *args, timeout=service.settings.wait)


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
            said = f"there is no such parameter{nearest(name[:LONGEST], known)}; known are {', '.join(known) or 'none'}"
            raise Trouble(
                422, f"{name[:LONGEST]!r}: {said}", None, field_error(name[:LONGEST], value, said, where="query")
            )


Reader = Annotated[Call, Depends(needs("read"))]
Reporter = Annotated[Call, Depends(needs("report"))]
Admin = Annotated[Call, Depends(needs("admin"))]
