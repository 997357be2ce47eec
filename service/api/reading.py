"""What can be read of an allocation: straight from the store, so that no read waits for a fit."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from service.api.allocations import Id
from service.api.answers import Answer
from service.api.documents import DECISIONS, LAW, PAGE, SCHEDULE, answers
from service.api.paging import Cursor, Limit, page, read_cursor
from service.api.service import Reader
from service.journal import Event, Journal
from service.report import report_page

router = APIRouter(prefix="/v1/allocations", tags=["reading"])
LOOKED_BACK, AT_A_TIME = 200, 5  # decisions in which a law is looked for, and how many are read at once


@router.get("/{id}/schedule", responses=answers(200, SCHEDULE, 404))
def schedule(id: Id, call: Reader) -> Answer:
    """All mixtures so far, each with its first draw."""
    return Answer(call.service.schedules.read(call.entry(id).id).to_dict())


@router.get("/{id}/decisions", responses=answers(200, DECISIONS, 404))
def decisions(id: Id, call: Reader, limit: Limit = 50, cursor: Cursor = None, inactive: bool = False) -> Answer:
    """Every decision, the oldest first; with `inactive`, also those that a rewind left behind."""
    call.entry(id)
    after = 0 if cursor is None else int(read_cursor(cursor, (int,))[0])
    found = call.service.journal.events(id, after, ["decision"], active=not inactive, limit=limit + 1)
    return Answer(page(found, limit, lambda event: [event.id], _decision))


@router.get("/{id}/law", responses=answers(200, LAW, 404))
def law(id: Id, call: Reader) -> Answer:
    """The law behind the newest decision that came from one, with 90 % intervals; null while there is none."""
    call.entry(id)
    event = _newest_with_law(call.service.journal, id)
    if event is None:
        return Answer(None)
    body = event.body
    about = {"position": body["position"], "report": event.position, "at": event.at, "refit": body["refit"]}
    return Answer({**about, **body["law"]})


@router.get("/{id}/report", responses=answers(200, PAGE, 404), response_class=HTMLResponse)
async def report(id: Id, call: Reader) -> HTMLResponse:
    """The page of the run, for people; whole in one file, it works offline."""
    entry = await run_in_threadpool(call.entry, id)
    return HTMLResponse(await call.think(lambda: report_page(call.service.journal, id, title=entry.name)))


def _newest_with_law(journal: Journal, id: str) -> Event | None:
    """A few decisions at a time: with many domains each is large, and most often the newest has a law."""
    before = 2**53
    for _ in range(0, LOOKED_BACK, AT_A_TIME):
        found = journal.events(id, kinds=["decision"], active=True, limit=AT_A_TIME, before=before)
        for event in found:
            if event.body.get("law") is not None:
                return event
        if len(found) < AT_A_TIME:
            return None
        before = found[-1].id
    return None


def _decision(event: Event) -> dict[str, Any]:
    meta = {**(event.body.get("meta") or {}), "at": event.at, "attempt": event.attempt, "active": event.active}
    if "advice" in meta:  # stored without the law, which is the decision's own
        meta["advice"] = {**meta["advice"], "law": event.body.get("law")}
    return {**event.body, "meta": meta}
