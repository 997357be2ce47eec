"""`isthmus serve`"""

from __future__ import annotations

from service.api.settings import Settings
from service.serving import Asked
from service.serving import serve as serve_until_stopped


def serve(
    host: str,
    port: int,
    store: str | None,
    address: str | None,
    shards: int,
    replicas: int,
    max_body: int,
    rate: float,
    allocations: int,
) -> None:
    """Each line is said at once: whoever started the service may be reading a pipe."""
    settings = Settings(max_body=max_body, rate=rate, allocations=allocations)
    asked = Asked(host, port, store, address, shards, replicas, settings)
    serve_until_stopped(asked, lambda line: print(line, flush=True))
