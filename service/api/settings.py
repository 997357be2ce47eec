"""What may be set about the service's HTTP interface."""

from __future__ import annotations

import dataclasses
from urllib.parse import urlsplit

from service.api.fields import MOST_DOMAINS
from service.api.forwarded import LOOPBACK, read_networks

LEAST_RATE = 4096  # bytes a second of a body, in the long run; a line of 32 kbit/s


@dataclasses.dataclass(frozen=True)
class Settings:
    """Limits of the service.

    Parameters
    ----------
    max_body:
        Most bytes of a request's body.
    rate:
        Requests a second that each token may send in the long run.
    burst:
        Requests that a token may send at once after a rest; by default twice the rate.
    strangers:
        Requests a second from one address that carry no valid token, before it is told to wait.
    allocations:
        Most allocations of a project that are not archived.
    wait:
        Seconds that a request waits for its fit before it is told to ask again.
    mlflow, dashboard:
        Where people find MLflow and the Ray dashboard (http or https); None shows no link.
    behind_proxy:
        Whether to believe X-Forwarded-For, -Proto and -Host: only where a proxy sets them on every request.
    proxies:
        Addresses and networks of that proxy; from anywhere else the headers are not believed.
    domains:
        Most domains of an allocation: a first fit of 100 takes 6 seconds, of 200 a minute.
    connections:
        Most connections of one process that answers; the oldest of those that wait make room for new ones.
    connections_by_address:
        As many of one address; a proxy (`proxies`) has no such limit, since behind it are all the others.
    body_seconds:
        For the body of a request to come, and one more for each `LEAST_RATE` bytes that have come.
    """

    max_body: int = 2 * 2**20
    rate: float = 100.0
    burst: float | None = None
    strangers: float = 10.0
    allocations: int = 10_000
    wait: float = 120.0
    mlflow: str | None = None
    dashboard: str | None = None
    behind_proxy: bool = False
    proxies: tuple[str, ...] = LOOPBACK
    domains: int = 100
    connections: int = 4000
    connections_by_address: int = 2500
    body_seconds: float = 10.0

    def __post_init__(self) -> None:
        for name, least in (
            ("max_body", 1024),
            ("rate", 0.01),
            ("strangers", 0.01),
            ("allocations", 1),
            ("wait", 0.01),
            ("domains", 1),
            ("connections", 10),
            ("connections_by_address", 1),
            ("body_seconds", 0.01),
        ):
            value = getattr(self, name)
            if not least <= value < 1e12:
                raise ValueError(f"{name} is {value}; it must be at least {least}")
        if self.domains > MOST_DOMAINS:
            raise ValueError(f"domains is {self.domains}; it must be at most {MOST_DOMAINS}")
        read_networks(self.proxies)
        if self.proxies != LOOPBACK and not self.behind_proxy:
            raise ValueError("proxies are named, but nothing of them is believed; set behind_proxy (--behind-proxy)")
        for name in ("mlflow", "dashboard"):
            value = getattr(self, name)
            if value is not None and not _is_link(value):
                raise ValueError(f"{name} is '{value}'; give the URL of a page, beginning with http:// or https://")

    @property
    def most_at_once(self) -> float:
        return max(1.0, 2 * self.rate if self.burst is None else self.burst)


def _is_link(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable() and " " not in text
