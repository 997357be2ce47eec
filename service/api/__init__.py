"""The service's HTTP interface, version 1: FastAPI over the store (reads) and the hosts (what decides)."""

from service.api.app import create_app
from service.api.settings import Settings

__all__ = ["Settings", "create_app"]
