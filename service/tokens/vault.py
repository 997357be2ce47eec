"""Tokens in the store, with a short memory so that not every request asks the database."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from sqlalchemy import Row, insert, select, update

from service.journal import schema
from service.journal.store import Store
from service.tokens.token import BadToken, Token, digest, make, parse

REMEMBERED = 3.0  # seconds until a token that was revoked elsewhere is refused here
_MOST = 10_000


class Vault:
    """Creates, lists, revokes and checks the tokens of a store."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time, remembered: float = REMEMBERED) -> None:
        self._store, self._clock, self._remembered = store, clock, remembered
        self._known: OrderedDict[str, tuple[float, Token | None]] = OrderedDict()
        self._lock = threading.Lock()

    def create(self, project: str, scope: str, days: float | None = None) -> tuple[Token, str]:
        """A new token, and the text that its holder sends; valid for `days`, or until it is revoked.

        Raises `BadToken`.
        """
        token, text = make(project, scope, self._clock(), days)
        row = {column.name: getattr(token, column.name) for column in schema.tokens.columns}
        with self._store.writing() as connection:
            connection.execute(insert(schema.tokens).values(**row))
        return token, text

    def list(self, project: str | None = None) -> list[Token]:
        """All tokens, oldest first."""
        table = schema.tokens
        query = select(table).order_by(table.c.created_at, table.c.id)
        if project is not None:
            query = query.where(table.c.project == project)
        with self._store.reading() as connection:
            return [_token(row) for row in connection.execute(query)]

    def revoke(self, id: str) -> Token:
        """From now on (elsewhere: after `REMEMBERED` seconds) it opens nothing; raises `BadToken` if there is none."""
        table = schema.tokens
        with self._store.writing() as connection:
            row = connection.execute(select(table).where(table.c.id == id)).one_or_none()
            if row is None:
                raise BadToken(f"there is no token '{id[:40]}'; `isthmus token list` shows those there are")
            if row.revoked_at is None:
                connection.execute(update(table).where(table.c.id == id).values(revoked_at=self._clock()))
                row = connection.execute(select(table).where(table.c.id == id)).one()
        with self._lock:
            self._known.pop(id, None)
        return _token(row)

    def check(self, text: str) -> Token | None:
        """The token behind `text` if it is valid now. Reads the store at most once in `REMEMBERED` seconds."""
        parts = parse(text)
        if parts is None:
            return None
        id, secret = parts
        token = self._look_up(id)
        if token is None:
            digest(secret)  # an unknown id takes as long as a wrong secret
            return None
        return token if token.matches(secret) and token.is_valid(self._clock()) else None

    def valid(self, id: str) -> Token | None:
        """The token of that id if it is valid now, for one whose secret was checked before."""
        token = self._look_up(id)
        return token if token is not None and token.is_valid(self._clock()) else None

    def _look_up(self, id: str) -> Token | None:
        now = self._clock()
        with self._lock:
            known = self._known.get(id)
        if known is not None and 0 <= now - known[0] < self._remembered:
            return known[1]
        with self._store.reading() as connection:
            row = connection.execute(select(schema.tokens).where(schema.tokens.c.id == id)).one_or_none()
        token = None if row is None else _token(row)
        if token is not None:  # ids that do not exist are not remembered: there are too many of them
            self._remember(id, now, token)
        return token

    def _remember(self, id: str, now: float, token: Token) -> None:
        with self._lock:
            self._known[id] = (now, token)
            self._known.move_to_end(id)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)


def _token(row: Row[Any]) -> Token:
    return Token(row.id, row.secret_hash, row.project, row.scope, row.created_at, row.expires_at, row.revoked_at)
