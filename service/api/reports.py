"""Reports: what training measured, answered with the mixture that follows."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from policies import BadReport
from service.api.allocations import Id
from service.api.answers import Answer
from service.api.bodies import Report, Reports
from service.api.decoding import BoundedRoute
from service.api.documents import DECIDED, answers
from service.api.problems import Trouble, body_error
from service.api.service import Reporter
from service.hosting import Refused

router = APIRouter(route_class=BoundedRoute, prefix="/v1/allocations", tags=["reports"])


@router.post("/{id}/reports", responses=answers(200, DECIDED, 404, 409, writes=True))
async def report(id: Id, body: Reports, call: Reporter) -> Answer:
    """One report or up to 1,000 in order of position; the answer is the decision that follows from the last.

    It is given once the decision is on disk. The same position again brings the stored decision back; other
    draws at an answered position are a 409. Where several are sent and one cannot be used, those before it are
    kept and may be sent again. Counts that cannot be true (draws beyond the position, or only those since the last
    report) are a 422.
    """
    await run_in_threadpool(call.open_entry, id)
    reports = []
    for index, one in enumerate(body if isinstance(body, list) else [body]):
        try:
            reports.append(one.record())
        except BadReport as error:
            raise _refused(body, index, 422, str(error)) from error
    try:
        return Answer(await call.ask("report", id, reports))
    except Refused as error:
        status = 409 if error.answered else 422
        raise _refused(body, error.index, status, error.message) from error


def _refused(body: Report | list[Report], index: int, status: int, message: str) -> Trouble:
    if isinstance(body, list):
        return Trouble(status, f"report {index}: {message}", None, body_error(message, body[index], index))
    return Trouble(status, message, None, body_error(message, body))
