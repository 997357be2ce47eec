"""Reports: what training measured, answered with the mixture that follows."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from policies import BadReport
from service.api.allocations import Id
from service.api.answers import Answer
from service.api.bodies import Reports
from service.api.documents import DECIDED, answers
from service.api.problems import Trouble, field_error
from service.api.service import Reporter
from service.hosting import Refused

router = APIRouter(prefix="/v1/allocations", tags=["reports"])


@router.post("/{id}/reports", responses=answers(200, DECIDED, 404, 409, writes=True))
async def report(id: Id, body: Reports, call: Reporter) -> Answer:
    """One report or up to 1,000 in order of position; the answer is the decision that follows from the last.

    It is given once the decision is on disk. The same position again brings the stored decision back; other
    draws at an answered position are a 409. Where several are sent and one cannot be used, those before it are
    kept and may be sent again. Counts that cannot be true (draws beyond the position, or only those since the last
    report) are a 422.
    """
    await run_in_threadpool(call.open_entry, id)
    several = isinstance(body, list)
    reports = []
    for index, one in enumerate(body if isinstance(body, list) else [body]):
        try:
            reports.append(one.record())
        except BadReport as error:
            raise _refused(index, several, 422, str(error)) from error
    try:
        return Answer(await call.ask("report", id, reports))
    except Refused as error:
        status = 409 if error.answered else 422
        raise _refused(error.index, several, status, error.message) from error


def _refused(index: int, several: bool, status: int, message: str) -> Trouble:
    place = f"report {index}: " if several else ""
    return Trouble(status, f"{place}{message}", None, field_error(str(index) if several else "", None, message))
