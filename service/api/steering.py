"""What a person may change in mid-run: mode and pins, domains, and the way back to a checkpoint."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from service.api.allocations import Id
from service.api.answers import Answer
from service.api.bodies import Change, Mode, Rewind
from service.api.decoding import BoundedRoute
from service.api.documents import DECIDED, STATUS, answers
from service.api.service import Admin
from service.journal import Entry
from service.owner import Spec
from service.owner.status import ever_named

router = APIRouter(route_class=BoundedRoute, prefix="/v1/allocations", tags=["steering"])


@router.post("/{id}/domains", responses=answers(200, DECIDED, 404, 409, writes=True))
async def change_domains(id: Id, body: Change, call: Admin) -> Answer:
    """A domain joins, leaves, or its pool grows: send all domains from now on. Answers with the mixture over them."""
    entry = await run_in_threadpool(call.open_entry, id)
    known = await run_in_threadpool(_names, call, entry)
    wanted = [domain.to_dict() for domain in call.domains(body.domains, known)]
    return Answer(await call.ask("set_domains", entry.id, wanted, body.position))


@router.post("/{id}/mode", responses=answers(200, STATUS, 404, 409, writes=True))
async def set_mode(id: Id, body: Mode, call: Admin) -> Answer:
    """`act` on the policy, only take its `advice`, or `pause` it; and shares held by hand.

    From the next report on; pinned shares hold in every mode.
    """
    entry = await run_in_threadpool(call.open_entry, id)
    found: dict[str, Any] = await call.ask("set_mode", entry.id, body.mode, body.pin)
    return Answer(found | {"allocation": entry.id})


@router.post("/{id}/rewind", responses=answers(200, DECIDED, 404, 409, writes=True))
async def rewind(id: Id, body: Rewind, call: Admin) -> Answer:
    """Training begins again from a checkpoint: what came later stays, but inactive. A new attempt."""
    entry = await run_in_threadpool(call.open_entry, id)
    return Answer(await call.ask("rewind", entry.id, body.position, body.why))


def _names(call: Admin, entry: Entry) -> set[str]:
    """Of the domains that the allocation has, and of those that left and may come back."""
    return ever_named(call.service.journal, entry.id, Spec.from_dict(entry.spec))
