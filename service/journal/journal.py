"""The journal of all allocations in one store.

Invariants: an event is on disk before the call that wrote it returns; events are never changed
or erased (a rewind only marks them inactive); one allocation has one writer, the owner that
opened it last; a read never waits for a fit, since no transaction stays open during one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from service.journal import schema
from service.journal.errors import AllocationExists, JournalDamaged
from service.journal.event import Event, canonical, chain
from service.journal.store import Store

_NEVER_LEFT_BEHIND = ("allocation", "mode", "rewind")  # what a person set does not come undone with the training


class Journal(Store):
    """Events of allocations on SQLite or PostgreSQL.

    Parameters
    ----------
    url:
        SQLAlchemy URL, for example ``sqlite:////runs/demo/journal.db``.
    clock:
        Seconds since 1970; an argument so that tests can set it.

    Raises
    ------
    JournalError
        Where the store cannot be opened, read or written.
    """

    # -- allocations

    def create(self, allocation: str, spec: Mapping[str, Any]) -> Event:
        """Begin an allocation. The same spec again returns what is there; another raises `AllocationExists`."""
        text = canonical(spec)
        with self._write() as connection:
            row = connection.execute(
                select(schema.allocations).where(schema.allocations.c.id == allocation)
            ).one_or_none()
            if row is None:
                now = self._clock()
                connection.execute(
                    insert(schema.allocations).values(
                        id=allocation, spec=text, created_at=now, attempt=0, epoch=0, head=""
                    )
                )
                return self._insert(connection, self._locked(connection, allocation), "allocation", text, 0, None)
            if json.loads(row.spec) != json.loads(text):
                raise AllocationExists(
                    f"allocation '{allocation}' exists with another specification; choose another name"
                )
            return self._first(connection, allocation)

    def allocations(self) -> list[str]:
        """Names of all allocations, oldest first."""
        with self._read() as connection:
            query = select(schema.allocations.c.id).order_by(schema.allocations.c.created_at, schema.allocations.c.id)
            return list(connection.execute(query).scalars())

    def spec(self, allocation: str) -> dict[str, Any]:
        with self._read() as connection:
            return dict(json.loads(self._row(connection, allocation).spec))

    def attempt(self, allocation: str) -> int:
        with self._read() as connection:
            return int(self._row(connection, allocation).attempt)

    def head(self, allocation: str) -> str:
        """Digest of the last event; a checkpoint keeps it, to know later which journal it belongs to."""
        with self._read() as connection:
            return str(self._row(connection, allocation).head)

    def open(self, allocation: str) -> int:
        """Become the owner; returns the epoch to write with. Whoever owned it before is fenced out."""
        with self._write() as connection:
            epoch = int(self._locked(connection, allocation).epoch) + 1
            connection.execute(
                update(schema.allocations).where(schema.allocations.c.id == allocation).values(epoch=epoch)
            )
            return epoch

    # -- events

    def append(
        self,
        allocation: str,
        kind: str,
        body: Mapping[str, Any],
        *,
        epoch: int,
        position: int = 0,
        once: str | None = None,
        instead_of: Event | None = None,
    ) -> tuple[Event, bool]:
        """Commit one event; returns it and True, or the one that had taken `once` before and False.

        `instead_of` becomes inactive in the same transaction. Raises `Fenced` where `epoch` is no longer the newest.
        """
        text = canonical(body)
        with self._write() as connection:
            row = self._locked(connection, allocation, epoch)
            taken = None if once is None else self._find(connection, allocation, once)
            if taken is not None:
                return taken, False
            if instead_of is not None:
                table = schema.events
                connection.execute(update(table).where(table.c.id == instead_of.id).values(active=False))
            return self._insert(connection, row, kind, text, position, once), True

    def events(
        self,
        allocation: str,
        after: int = 0,
        kinds: Iterable[str] | None = None,
        *,
        active: bool = False,
        limit: int | None = None,
    ) -> list[Event]:
        """Events with an id above `after`, oldest first; with `active`, only those no rewind left behind."""
        table = schema.events
        query = select(table).where(table.c.allocation == allocation, table.c.id > after).order_by(table.c.id)
        if kinds is not None:
            query = query.where(table.c.kind.in_(list(kinds)))
        if active:
            query = query.where(table.c.active)
        if limit is not None:
            query = query.limit(limit)
        with self._read() as connection:
            return [_event(row) for row in connection.execute(query)]

    def find(self, allocation: str, once: str) -> Event | None:
        """The active event that took `once`."""
        with self._read() as connection:
            return self._find(connection, allocation, once)

    def last(self, allocation: str, kinds: Iterable[str]) -> Event | None:
        """The newest active event of one of `kinds`."""
        table = schema.events
        query = (
            select(table)
            .where(table.c.allocation == allocation, table.c.kind.in_(list(kinds)), table.c.active)
            .order_by(table.c.id.desc())
            .limit(1)
        )
        with self._read() as connection:
            row = connection.execute(query).one_or_none()
            return None if row is None else _event(row)

    def rewind(self, allocation: str, position: int, *, epoch: int, why: str = "") -> Event:
        """Begin a new attempt at `position`: what lies behind it stays, but inactive."""
        table = schema.events
        with self._write() as connection:
            row = self._locked(connection, allocation, epoch)
            attempt = int(row.attempt) + 1
            mine = table.c.allocation == allocation
            connection.execute(
                update(table)
                .where(mine, table.c.position > position, table.c.kind.not_in(_NEVER_LEFT_BEHIND))
                .values(active=False)
            )
            last = connection.execute(select(func.max(table.c.id)).where(mine, table.c.active)).scalar_one()
            connection.execute(
                schema.snapshots.delete().where(
                    schema.snapshots.c.allocation == allocation, schema.snapshots.c.position > position
                )
            )
            connection.execute(
                update(schema.allocations).where(schema.allocations.c.id == allocation).values(attempt=attempt)
            )
            body = canonical({"position": position, "attempt": attempt, "kept_event": last, "why": why})
            return self._insert(connection, self._locked(connection, allocation), "rewind", body, position, None)

    def verify(self, allocation: str) -> int:
        """Recompute the chain of digests; returns the number of events, `JournalDamaged` where it breaks."""
        before = ""
        stored = self.events(allocation)
        for event in stored:
            digest = chain(before, event.kind, event.attempt, event.position, canonical(event.body), event.at)
            if digest != event.digest:
                raise JournalDamaged(
                    f"event {event.id} of '{allocation}' does not match its digest; restore the store from a backup"
                )
            before = digest
        if before != self.head(allocation):
            raise JournalDamaged(f"events are missing at the end of '{allocation}'; restore the store from a backup")
        return len(stored)

    # -- inside a transaction

    def _find(self, connection: Connection, allocation: str, once: str) -> Event | None:
        table = schema.events
        query = select(table).where(table.c.allocation == allocation, table.c.once == once, table.c.active)
        row = connection.execute(query).one_or_none()
        return None if row is None else _event(row)

    def _first(self, connection: Connection, allocation: str) -> Event:
        table = schema.events
        query = select(table).where(table.c.allocation == allocation).order_by(table.c.id).limit(1)
        return _event(connection.execute(query).one())

    def _insert(
        self, connection: Connection, row: Row[Any], kind: str, body: str, position: int, once: str | None
    ) -> Event:
        at = self._clock()
        digest = chain(row.head, kind, row.attempt, position, body, at)
        values = {"allocation": row.id, "attempt": row.attempt, "active": True, "kind": kind, "position": position}
        values |= {"once": once, "body": body, "at": at, "digest": digest}
        identity = connection.execute(insert(schema.events).values(**values)).inserted_primary_key
        connection.execute(update(schema.allocations).where(schema.allocations.c.id == row.id).values(head=digest))
        number = 0 if identity is None else int(identity[0])
        return Event(number, row.id, row.attempt, True, kind, position, json.loads(body), at, digest)


def _event(row: Row[Any]) -> Event:
    return Event(
        row.id,
        row.allocation,
        row.attempt,
        bool(row.active),
        row.kind,
        row.position,
        json.loads(row.body),
        row.at,
        row.digest,
    )
