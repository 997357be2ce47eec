"""A token: `isth_<id>_<secret>`. The id names it for people; only the SHA-256 of the secret is kept.

The secret has 256 random bits, so that a plain hash cannot be searched; a slow one would only slow us.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import secrets

SCOPES = ("read", "report", "admin")  # each may do what the ones before it may
_FORM = re.compile(r"isth_([0-9a-f]{12})_([A-Za-z0-9]{43})", re.ASCII)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


class BadToken(ValueError):
    """The request for a token makes no sense: mend it."""


@dataclasses.dataclass(frozen=True)
class Token:
    """What the store knows of a token. Times are seconds since 1970, UTC; None where there is none."""

    id: str
    secret_hash: str = dataclasses.field(repr=False)
    project: str
    scope: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def is_valid(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def matches(self, secret: str) -> bool:
        """In the same time whatever the secret is."""
        return hmac.compare_digest(self.secret_hash, digest(secret))


def check_wish(project: str, scope: str, days: float | None) -> None:
    """Raise `BadToken` for a name or scope that cannot be, or a life of no length."""
    if scope not in SCOPES:
        raise BadToken(f"scope is '{scope}'; known are {', '.join(SCOPES)}")
    if not _PROJECT.fullmatch(project):
        raise BadToken(
            f"project is {project!r}; use up to 100 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit"
        )
    if days is not None and not 0 < days * 86400 < 1e11:
        raise BadToken(f"a token cannot be valid for {days:g} days; give a positive number")


def make(project: str, scope: str, now: float, days: float | None = None) -> tuple[Token, str]:
    """A new token for the store, and its text, which is shown once and kept nowhere; raises `BadToken`."""
    check_wish(project, scope, days)
    id, secret = secrets.token_hex(6), "".join(secrets.choice(_LETTERS) for _ in range(43))
    expires = None if days is None else now + days * 86400
    return Token(id, digest(secret), project, scope, now, expires), f"isth_{id}_{secret}"


def parse(text: str) -> tuple[str, str] | None:
    """Id and secret; None for what no token looks like."""
    found = _FORM.fullmatch(text)
    return None if found is None else (found[1], found[2])


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def allows(scope: str, needed: str) -> bool:
    """Whether a token of `scope` may do what needs `needed`."""
    return SCOPES.index(scope) >= SCOPES.index(needed)
