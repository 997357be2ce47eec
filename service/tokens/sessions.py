"""Sessions of people who signed in with a token: a browser cannot send a header of its own.

The browser holds 256 random bits, the store their SHA-256 and which token they stand for. A session opens what its
token opens, ends with it, after `LIFE`, or when its holder signs out, on every server of the store.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable

from sqlalchemy import delete, insert, select

from service.journal import schema
from service.journal.store import Store
from service.tokens.token import Token, digest
from service.tokens.vault import Vault

LIFE = 12 * 3600  # seconds
MOST = 20  # sessions of one token; the oldest ends when one more begins
_FORM = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Sessions:
    """Begins, checks and ends the sessions of a store."""

    def __init__(self, store: Store, vault: Vault, *, clock: Callable[[], float] = time.time) -> None:
        self._store, self._vault, self._clock = store, vault, clock

    def begin(self, token: Token) -> str:
        """A new session of `token`: the value for the cookie, which is kept nowhere."""
        value, now, table = secrets.token_urlsafe(32), self._clock(), schema.sessions
        row = {"id_hash": digest(value), "token": token.id, "created_at": now, "expires_at": now + LIFE}
        mine = table.c.token == token.id
        with self._store.writing() as connection:
            connection.execute(delete(table).where(table.c.expires_at <= now))
            newest = select(table.c.id_hash).where(mine).order_by(table.c.created_at.desc()).limit(MOST - 1)
            kept = list(connection.execute(newest).scalars())
            connection.execute(delete(table).where(mine, table.c.id_hash.not_in(kept)))
            connection.execute(insert(table).values(**row))
        return value

    def check(self, value: str) -> Token | None:
        """The token behind a cookie, if session and token are valid now."""
        if not _FORM.fullmatch(value):
            return None
        query = select(schema.sessions).where(schema.sessions.c.id_hash == digest(value))
        with self._store.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.expires_at <= self._clock():
            return None
        return self._vault.valid(row.token)

    def end(self, value: str) -> None:
        """From now on it opens nothing; one that there is not is no matter."""
        if _FORM.fullmatch(value):
            with self._store.writing() as connection:
                connection.execute(delete(schema.sessions).where(schema.sessions.c.id_hash == digest(value)))
