"""Why no reply came, in the words of somebody who can do something about it."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

import httpx

from service.client.calls import LostContact

_BY_ERRNO = {
    errno.ECONNREFUSED: "connection refused: nothing listens there",
    errno.ENETUNREACH: "that network cannot be reached",
    errno.EHOSTUNREACH: "that machine cannot be reached",
    errno.ECONNRESET: "the connection was cut",
    errno.EPIPE: "the connection was cut",
    errno.EMFILE: "this process has too many files open",
}


def lost(error: httpx.RequestError, seconds: float) -> LostContact:
    """A failure without a reply, `seconds` after it was asked for.

    Only before the connection stood is it sure that nothing was sent.
    """
    sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return LostContact(f"{_cause(error, seconds)} ({_place(error)})", sent=sent)


def _cause(error: httpx.RequestError, seconds: float) -> str:
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, ssl.SSLError):
            return f"TLS error: {one}; pass ca= where the certificate is a private network's"
        if isinstance(one, socket.gaierror):
            return "the name of the host is not known"
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {seconds:.1f} s"
    if isinstance(error, httpx.TimeoutException):
        return f"time-out after {seconds:.1f} s"
    for one in chain:
        if isinstance(one, OSError) and one.errno in _BY_ERRNO:
            return _BY_ERRNO[one.errno]
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from; of connections tried one after the other, all of them."""
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None:
            yield one
            waiting += [one.__cause__, one.__context__ if one.__cause__ is None else None]
            waiting += getattr(one, "exceptions", ())


def _place(error: httpx.RequestError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # a transport of somebody's own may not say
        return "address unknown"
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"
