"""The pages themselves: the project's allocations, one allocation, its full report."""

from __future__ import annotations

import time
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from service.api.paging import page as paged
from service.api.paging import read_cursor
from service.api.problems import Trouble
from service.report import report_page
from service.report.page import POLICY as REPORT_POLICY
from service.report.page import Section
from service.web.allocation import allocation_page
from service.web.errors import PageRoute
from service.web.frame import HEADERS, bar, page, render
from service.web.overview import row
from service.web.visitor import Visitor

router = APIRouter(route_class=PageRoute)
ROWS = 50
# The report draws its figures with a script of its own: it gets an origin of its own, away from the session.
SANDBOXED = {"Content-Security-Policy": f"{REPORT_POLICY}; frame-ancestors 'none'; sandbox allow-scripts"}


@router.get("/")
def home(call: Visitor, cursor: str | None = None, archived: bool = False) -> HTMLResponse:
    """The project's allocations, the newest first."""
    journal, project = call.service.journal, call.token.project
    after = None if cursor is None else tuple(read_cursor(cursor, (float, str)))
    found = journal.entries(project, after=after, limit=ROWS + 1, archived=archived)
    now = time.time()
    listed = paged(found, ROWS, lambda entry: [entry.created_at, entry.id], lambda entry: row(journal, entry, now))
    body = render("overview.html", rows=listed["items"], more=_query(listed["next"], archived), archived=archived,
                  first=cursor is None)  # fmt: skip
    head = bar(call.service.settings, signed_in=True)
    head += render("title.html", title=project, kicker="Isthmus · allocations of the project")
    return page(f"Isthmus: {project}", head, [Section("allocations", "Allocations", "", body)])


@router.get("/allocations/{id}")
async def allocation(id: str, call: Visitor) -> HTMLResponse:
    """Where one allocation stands and what it has learnt."""
    entry = await run_in_threadpool(call.entry, id)
    return await call.think(lambda: allocation_page(call.service.journal, entry, call.service.settings, time.time()))


@router.get("/allocations/{id}/report")
async def report(id: str, call: Visitor) -> HTMLResponse:
    """What `/v1/allocations/{id}/report` answers to a program, for somebody with a browser."""
    entry = await run_in_threadpool(call.entry, id)
    text = await call.think(lambda: report_page(call.service.journal, id, title=entry.name))
    return HTMLResponse(text.encode("utf-8", "replace"), headers={**HEADERS, **SANDBOXED})


@router.get("/allocations")
@router.get("/allocations/{rest:path}")
def nothing(call: Visitor, rest: str = "") -> HTMLResponse:
    """An address that no page has."""
    raise Trouble(404, "there is no such page; begin again at the start")


def _query(cursor: str | None, archived: bool) -> str:
    """The address of the next page; empty where there is none."""
    return "" if cursor is None else "/?" + urlencode({"cursor": cursor} | ({"archived": "true"} if archived else {}))
