"""`isthmus serve`"""

from __future__ import annotations

from typing import Any

from service.api.settings import Settings
from service.config import BadConfig
from service.serving import Asked
from service.serving import serve as serve_until_stopped


def serve(
    host: str, port: int, store: str | None, address: str | None, shards: int, replicas: int, **settings: Any
) -> None:
    """`settings` are those of the interface. Each line is said at once: whoever started it may be reading a pipe."""
    try:
        limits = Settings(**settings)
    except ValueError as error:
        raise BadConfig(str(error)) from error
    asked = Asked(host, port, store, address, shards, replicas, limits)
    serve_until_stopped(asked, lambda line: print(line, flush=True))
