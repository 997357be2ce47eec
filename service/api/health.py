"""For those who watch the service: whether it lives, whether it can answer, and how it does. Without a token."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool

from service.api.answers import Answer
from service.api.documents import HEALTH, METRICS, answers
from service.api.metrics import Metrics
from service.api.problems import Trouble
from service.api.service import Service

router = APIRouter(tags=["health"])
READY_SECONDS = 5


@router.get("/healthz", responses=answers(200, HEALTH, secured=False))
async def alive() -> Answer:
    """The process answers."""
    return Answer({"status": "alive"})


@router.get("/readyz", responses=answers(200, HEALTH, 503, secured=False))
async def ready(request: Request) -> Answer:
    """Store and hosts answer."""
    service: Service = request.app.state.service
    try:
        await run_in_threadpool(service.journal.count)
        await asyncio.wait_for(service.gateway.ready(), READY_SECONDS)
    except Exception as error:
        said = "the store or the host of the allocations does not answer"
        raise Trouble(503, said, {"Retry-After": "2"}) from error
    return Answer({"status": "ready"})


@router.get("/metrics", responses=answers(200, METRICS, secured=False), response_class=Response)
async def metrics(request: Request) -> Response:
    """For Prometheus."""
    service: Service = request.app.state.service
    found: Metrics = request.app.state.metrics
    try:
        hosts = await asyncio.wait_for(service.gateway.stats(), READY_SECONDS)
        found.open.set(await run_in_threadpool(service.journal.count))
    except Exception:
        hosts = []  # a scrape in an outage shows the requests all the same
    return Response(found.text(hosts), media_type=CONTENT_TYPE_LATEST)
