"""What may be set about the service's HTTP interface."""

from __future__ import annotations

import dataclasses
from urllib.parse import urlsplit


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
        Whether to believe X-Forwarded-Proto and X-Forwarded-Host: only where a proxy sets them on every request.
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

    def __post_init__(self) -> None:
        for name, least in (
            ("max_body", 1024),
            ("rate", 0.01),
            ("strangers", 0.01),
            ("allocations", 1),
            ("wait", 0.01),
        ):
            value = getattr(self, name)
            if not least <= value < 1e12:
                raise ValueError(f"{name} is {value}; it must be at least {least}")
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
