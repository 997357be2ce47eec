"""What `isthmus serve` was asked, checked before anything starts."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
import time
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from service.api.settings import Settings
from service.config import BadConfig
from service.hosting import HostSettings
from service.journal.engine import settled
from service.urls import BadUrl, anchored

STORE = "sqlite:///isthmus.db"
STORE_VARIABLE = "ISTHMUS_STORE"
LET_GO_SECONDS = 10.0  # for which a port may still be held by what a killed service left behind


@dataclasses.dataclass(frozen=True)
class Asked:
    """The options of `isthmus serve`.

    host, port: where HTTP is answered. store: URL of the database. address: of a Ray cluster; None starts one
    on this machine. shards: processes that own allocations. replicas: processes that answer HTTP.
    """

    host: str = "127.0.0.1"
    port: int = 8900
    store: str | None = None
    address: str | None = None
    shards: int = 1
    replicas: int = 1
    settings: Settings = dataclasses.field(default_factory=Settings)
    hosting: HostSettings = dataclasses.field(default_factory=HostSettings)

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise BadConfig(f"--port is {self.port}; it must lie between 1 and 65535")
        for name, most in (("shards", 256), ("replicas", 64)):
            value = getattr(self, name)
            if not 1 <= value <= most:
                raise BadConfig(f"--{name} is {value}; it must lie between 1 and {most}")

    @property
    def where(self) -> str:
        """The URL for people and clients."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def check_port(self) -> None:
        """Raise `BadConfig` where another program listens already, also after a moment: what a killed service
        left behind lets go of its port only when it has noticed."""
        until = time.monotonic() + LET_GO_SECONDS
        while (trouble := self._trouble()) is not None:
            if trouble.errno != errno.EADDRINUSE or time.monotonic() >= until:
                raise BadConfig(
                    f"{self.where} cannot be listened at ({trouble.strerror}); end what uses it, "
                    "or choose another --port"
                ) from trouble
            time.sleep(0.2)

    def _trouble(self) -> OSError | None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind((self.host, self.port))
            except OSError as error:
                return error
        return None


def settled_store(given: str | None) -> str:
    """The URL of the store: as given, from $ISTHMUS_STORE, or a file here; absolute, so that every process finds it.

    Raises `BadConfig` for what is no database URL.
    """
    url = settled(given or os.environ.get(STORE_VARIABLE) or STORE)
    try:
        parts = make_url(url)
    except ArgumentError as error:
        raise BadConfig("the store is no database URL; give sqlite:///FILE or postgresql://USER@HOST/NAME") from error
    if parts.get_backend_name() != "sqlite":
        return url
    if not parts.database or parts.database == ":memory:":
        raise BadConfig(f"the store {url} would be gone with its process; give a file: {STORE}")
    try:
        return anchored(url, Path.cwd())
    except BadUrl as error:
        raise BadConfig(f"the store: {error}") from None
