"""The application, from its parts."""

from __future__ import annotations

from fastapi import FastAPI

from service.api import allocations, docs, health, planning, problems, reading, reports, steering
from service.api.documents import describe
from service.api.forwarded import Forwarded
from service.api.gate import Gate, Known
from service.api.metrics import Measured, Metrics
from service.api.rates import Buckets
from service.api.service import Service
from service.api.settings import Settings
from service.hosting import Gateway
from service.journal import Journal
from service.owner import Schedules
from service.tokens import Sessions, Vault


def create_app(journal: Journal, gateway: Gateway, settings: Settings | None = None) -> FastAPI:
    """The service over a store, which it only reads, and the hosts, which decide.

    The journal should be opened as `shared`.
    """
    from service import web  # late: the pages stand on this package

    settings = settings or Settings()
    app = FastAPI(title="Isthmus", version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
    vault, metrics = Vault(journal), Metrics()
    sessions = Sessions(journal, vault)
    forwarded = Forwarded(settings.behind_proxy, settings.proxies)
    strangers = Buckets(settings.strangers, max(1.0, 2 * settings.strangers))
    app.state.service = Service(
        journal, gateway, settings, vault, sessions, Schedules(journal), forwarded=forwarded, strangers=strangers
    )
    app.state.metrics = metrics
    for room in (allocations, reports, reading, planning, steering, health, docs, web):
        app.include_router(room.router)
    problems.install(app)
    describe(app)
    known = Known(vault, sessions, settings, forwarded, strangers)
    app.add_middleware(Gate, known=known, settings=settings, shown=web.error_page)
    app.add_middleware(Measured, metrics=metrics)
    return app
