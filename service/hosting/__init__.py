"""Many allocations in one process: their owners, the queue of their fits, and the way to them."""

from service.hosting.errors import Busy, HostLost, NotAnswered, Refused
from service.hosting.gateway import Gateway, LocalGateway
from service.hosting.host import Host, HostSettings

__all__ = ["Busy", "Gateway", "Host", "HostLost", "HostSettings", "LocalGateway", "NotAnswered", "Refused"]
