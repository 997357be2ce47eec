"""What Prometheus may ask: requests, how long they took, and how busy the hosts are. Nothing of any project."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The service's own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = self._counter("isthmus_requests", "Requests answered", labels)
        self.seconds = Histogram(
            "isthmus_request_seconds",
            "Seconds to an answer",
            ("method", "route"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._hosts = {
            "owners": self._gauge("isthmus_owners", "Allocations held in memory, over all hosts"),
            "waiting": self._gauge("isthmus_fits_waiting", "Fits that wait for their turn"),
            "fits": self._gauge("isthmus_fits", "Fits made since the hosts began"),
        }
        self.open = self._gauge("isthmus_allocations_open", "Allocations that are not archived")

    def text(self, hosts: list[dict[str, float]]) -> bytes:
        """The page that Prometheus reads."""
        for name, gauge in self._hosts.items():
            gauge.set(sum(host.get(name, 0) for host in hosts))
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)


GONE = 499  # the status under which a request is counted whose client left before its answer


class Measured:
    """ASGI: counts each answer under the pattern of its route, so that ids make no series of their own."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 0, time.perf_counter()

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
            status = status or GONE
        finally:
            status = status or 500
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.seconds.labels(method, route).observe(time.perf_counter() - begun)


_METHODS = ("GET", "HEAD", "POST", "DELETE")
