"""What a proxy says of a request, believed only of a proxy that was named.

Whoever reaches the service can write these headers. So they count only with `behind_proxy`, and only where the
connection comes from one of `proxies`; of several values the last counts, which is the one that the proxy wrote.
The header `Forwarded` (RFC 7239) is never read.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.datastructures import Headers

log = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.0/8", "::1/128")
MOST_HOPS = 20  # of a chain of proxies that are looked at
UNKNOWN = "unknown"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_HOST = re.compile(r"([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?", re.ASCII)
_PORTS = {"http": "80", "https": "443"}


def read_networks(given: Iterable[str]) -> tuple[Network, ...]:
    """Raises `ValueError` for what is no address and no network."""
    found = []
    for text in given:
        try:
            found.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError as error:
            said = "give an address or a network, such as 10.0.0.7 or 10.0.0.0/8"
            raise ValueError(f"the proxy '{text[:60]}' is none; {said}") from error
    return tuple(found)


def read_address(text: str) -> Address | None:
    """An address as headers and sockets have it: with a port, in brackets, with a zone, IPv4 as IPv6; None else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


@functools.lru_cache(4096)  # asked for each connection: it is most of what one costs here
def neighbourhood(address: str) -> str:
    """Under what an address is counted: itself, or of IPv6 the network of one holder (64 bits)."""
    found = read_address(address)
    if found is None:
        return UNKNOWN
    return str(ipaddress.ip_network(f"{found}/{64 if found.version == 6 else 32}", strict=False).network_address)


def host_and_port(text: str, scheme: str) -> str | None:
    """`text` as a host in small letters, with its port where that is not the scheme's own; None for what is none."""
    found = _HOST.fullmatch(text.strip().lower())
    if found is None:
        return None
    host, port = found[1], found[2]
    return host if port in (None, _PORTS.get(scheme)) else f"{host}:{port}"


class Forwarded:
    """Reads requests as `behind_proxy` and `proxies` of the settings say."""

    def __init__(self, behind_proxy: bool, proxies: Iterable[str]) -> None:
        self._behind, self._proxies = behind_proxy, read_networks(proxies)
        self._warned = False

    def trusts(self, address: str | None) -> bool:
        """Whether a connection from there is a proxy's."""
        found = read_address(address or "") if self._behind else None
        return found is not None and any(found in network for network in self._proxies)

    def client(self, scope: Mapping[str, Any]) -> str:
        """Whose request it is: the last address on the way to us that is no proxy of ours."""
        peer = (scope.get("client") or (UNKNOWN,))[0]
        hops = _values(scope, "x-forwarded-for")[-MOST_HOPS:] if self.trusts(peer) else []
        found = peer
        for hop in reversed(hops):
            address = read_address(hop)
            if address is None:
                break
            found = str(address)
            if not self.trusts(found):
                break
        return neighbourhood(found)

    def is_secure(self, scope: Mapping[str, Any]) -> bool:
        """Whether the client came over TLS.

        Servers that believe a header of anybody on loopback (uvicorn, unless told not to) have changed the scheme
        where the header is there: so it says something only without the header, or behind a proxy.
        """
        told = _values(scope, "x-forwarded-proto")
        if scope.get("scheme") == "https" and (self._behind or not told):
            return True
        return bool(told) and told[-1].lower() == "https" and self._believes(scope)

    def host(self, scope: Mapping[str, Any]) -> str | None:
        """The host that the client asked for, as `host_and_port` writes it."""
        told = _values(scope, "x-forwarded-host")
        text = told[-1] if told and self._believes(scope) else Headers(scope=dict(scope)).get("host", "")
        return host_and_port(text, "https" if self.is_secure(scope) else "http")

    def _believes(self, scope: Mapping[str, Any]) -> bool:
        peer = (scope.get("client") or (None,))[0]
        trusted = self.trusts(peer)
        if self._behind and not trusted and not self._warned:
            self._warned = True
            log.warning("what %s forwards is not believed; if it is your proxy, name it with --proxy", peer)
        return trusted


def _values(scope: Mapping[str, Any], name: str) -> list[str]:
    """All values of a header, in order, also of one that came several times."""
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key == name.encode()]
    return [part.strip() for line in lines for part in line.split(",") if part.strip()]
