"""`isthmus serve`: the service in the foreground, on a Ray of its own or on a cluster."""

from service.serving.asked import Asked, settled_store
from service.serving.command import serve

__all__ = ["Asked", "serve", "settled_store"]
