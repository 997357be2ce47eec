"""The service as an application of Ray Serve."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from ray import serve

from service.api import Settings, create_app
from service.config import BadConfig
from service.hosting.cluster import Hosts, RayGateway
from service.journal import Journal

APPLICATION = "isthmus"
AT_ONCE = 256  # requests in one replica; most of them wait for the owner of an allocation


def builder(hosts: Hosts, settings: Settings) -> Callable[[], FastAPI]:
    """What each replica makes its application from, in its own process."""

    def build() -> FastAPI:
        return create_app(Journal(hosts.url, shared=True), RayGateway(hosts), settings)

    return build


def bound(hosts: Hosts, settings: Settings, replicas: int, node: str | None) -> serve.Application:
    """The service as Serve runs it; see `deploy`."""
    options: dict[str, Any] = {"num_cpus": 0}
    if node is not None:
        options["resources"] = {f"node:{node}": 0.001}
    ingress = serve.deployment(
        serve.ingress(builder(hosts, settings))(),
        name=APPLICATION,
        num_replicas=replicas,
        max_ongoing_requests=AT_ONCE,
        ray_actor_options=options,
        health_check_period_s=5,
        graceful_shutdown_timeout_s=10,
        logging_config={"log_level": "WARNING", "enable_access_log": False},
    )
    return ingress.bind()


def deploy(hosts: Hosts, settings: Settings, *, host: str, port: int, replicas: int, node: str | None) -> None:
    """Start Serve where it is to listen, and the service on it; returns once it answers.

    `node` is the address of the node that the replicas must run on, if the store is a file there.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    clear()
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": host, "port": port},
        logging_config={"log_level": "WARNING", "enable_access_log": False},
    )
    serve.run(bound(hosts, settings, replicas, node), name=APPLICATION, route_prefix="/")


def stop() -> None:
    """Let the requests that are on their way be answered, then end the service."""
    serve.delete(APPLICATION)


def clear() -> None:
    """End a service that was left behind, with the Serve it listened at; `BadConfig` if others live on that."""
    others = [name for name in serve.status().applications if name != APPLICATION]
    if others:
        raise BadConfig(
            f"this cluster's Ray Serve runs {', '.join(sorted(others))}; end that, or give the service another cluster"
        )
    serve.shutdown()
