"""Where the service is and how to speak to it; the token is never shown."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import ssl
from urllib.parse import urlsplit

from service.client.errors import WrongSettings


class Secret:
    """A text that stays out of representations, logs and error messages."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a token is not pickled; make the client in the process that uses it")

    def hide_in(self, text: str) -> str:
        """`text` with every trace of the secret replaced."""
        tail = self._text.rsplit("_", 1)[-1]
        for part in (self._text, tail):
            if len(part) >= 8:
                text = text.replace(part, "***")
        return text


@dataclasses.dataclass(frozen=True)
class Settings:
    """One service, one token.

    Parameters
    ----------
    url, token:
        Without the `/v1`. Default: `ISTHMUS_URL` and `ISTHMUS_TOKEN`.
    insecure:
        Send the token over plain http to another machine.
    ca:
        File with the certificate authority of a private network.
    deadline, timeout:
        Seconds a call may take with all its retries; seconds one attempt may take.

    Raises
    ------
    WrongSettings
        With what is wrong and the cure.
    """

    url: str
    token: Secret
    ca: str | None = None
    deadline: float = 60.0
    timeout: float = 30.0

    @classmethod
    def find(
        cls,
        url: str | None,
        token: str | None,
        *,
        insecure: bool = False,
        ca: str | None = None,
        deadline: float = 60.0,
        timeout: float = 30.0,
    ) -> Settings:
        url = url or os.environ.get("ISTHMUS_URL")
        token = token or os.environ.get("ISTHMUS_TOKEN")
        if not url:
            raise WrongSettings("no service is named; pass url= or set ISTHMUS_URL, e.g. http://127.0.0.1:8900")
        if not token:
            raise WrongSettings("no token; pass token= or set ISTHMUS_TOKEN (isthmus token create prints one)")
        if any(not 33 <= ord(sign) <= 126 for sign in token.strip()):
            raise WrongSettings("the token holds blanks or signs that no token has; copy it again, on one line")
        if not (deadline > 0 and timeout > 0):
            raise WrongSettings(f"deadline is {deadline} and timeout {timeout} seconds; both must be > 0")
        return cls(_checked(url, insecure), Secret(token.strip()), ca, deadline, timeout)

    @property
    def local(self) -> bool:
        return is_loopback(urlsplit(self.url).hostname or "")

    def tls(self) -> ssl.SSLContext | bool:
        """What certificates are checked against; over plain http nothing would pass, and nothing is loaded."""
        if self.url.startswith("http:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return True if self.ca is None else ssl.create_default_context(cafile=self.ca)


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked(url: str, insecure: bool) -> str:
    parts = urlsplit(url.strip())
    if parts.username or parts.password:
        raise WrongSettings("the URL holds a user name or password; leave it out, the token is all that is needed")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongSettings(f"url is '{url}'; it must look like https://host or http://127.0.0.1:8900")
    if parts.scheme == "http" and not insecure and not is_loopback(parts.hostname):
        raise WrongSettings(
            f"url is '{url}': plain http would show the token to the network; use https, or say insecure=True"
        )
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path[:-3] if path.endswith('/v1') else path}"
