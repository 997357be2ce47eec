"""The service as an application of Ray Serve."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from ray import serve

from service.api import Settings, create_app
from service.config import BadConfig
from service.hosting.cluster import Hosts, RayGateway
from service.journal import Journal
from service.serving.door import Door

APPLICATION = "isthmus"
AT_ONCE = 1000  # requests in one replica behind Serve's proxy; most of them wait, and hold no thread
_QUIET = {"log_level": "WARNING", "enable_access_log": False}


@dataclasses.dataclass(frozen=True)
class Where:
    """Where HTTP is answered. `here`: by the replicas themselves, which are all on this machine; otherwise by
    Serve's proxy on the head of the cluster, wherever the replicas are. `node`: address of the node that they
    must run on, if the store is a file there.
    """

    host: str
    port: int
    here: bool
    node: str | None = None


def builder(hosts: Hosts, settings: Settings) -> Callable[[], FastAPI]:
    """What each replica makes its application from, in its own process."""

    def build() -> FastAPI:
        return create_app(Journal(hosts.url, shared=True), RayGateway(hosts), settings)

    return build


def behind_proxy(hosts: Hosts, settings: Settings, replicas: int, node: str | None = None) -> serve.Application:
    """The service for a Serve whose proxies answer HTTP."""
    return _deployment(serve.ingress(builder(hosts, settings))(), replicas, node).bind()


def deploy(hosts: Hosts, settings: Settings, replicas: int, where: Where) -> None:
    """Start Serve and the service on it; returns once it answers."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    clear()
    if where.here:
        serve.start(proxy_location="Disabled", logging_config=_QUIET)
        build = builder(hosts, settings)
        door = _deployment(Door, replicas, where.node).bind(build, where.host, where.port, settings)
        serve.run(door, name=APPLICATION, route_prefix=None)
        return
    http = {"host": where.host, "port": where.port}
    serve.start(proxy_location="HeadOnly", http_options=http, logging_config=_QUIET)
    serve.run(behind_proxy(hosts, settings, replicas, where.node), name=APPLICATION, route_prefix="/")


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


def _deployment(answers: type, replicas: int, node: str | None) -> serve.Deployment:
    options: dict[str, Any] = {"num_cpus": 0}
    if node is not None:
        options["resources"] = {f"node:{node}": 0.001}
    return serve.deployment(
        answers,
        name=APPLICATION,
        num_replicas=replicas,
        max_ongoing_requests=AT_ONCE,
        ray_actor_options=options,
        health_check_period_s=5,
        graceful_shutdown_timeout_s=10,
        logging_config=_QUIET,
    )
