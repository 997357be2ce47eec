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
from sqlalchemy.exc import IntegrityError

from service.journal import packing, schema, statements
from service.journal.catalog import Catalog
from service.journal.errors import AllocationExists, Archived, JournalDamaged, TooManyAllocations
from service.journal.event import Event, canonical, chain
from service.journal.store import Snapshot

_NEVER_LEFT_BEHIND = ("allocation", "mode", "rewind")  # what a person set does not come undone with the training


class Journal(Catalog):
    """Events of allocations on SQLite or PostgreSQL.

    Parameters
    ----------
    url:
        SQLAlchemy URL, for example ``sqlite:////runs/demo/journal.db``.
    clock:
        Seconds since 1970; an argument so that tests can set it.
    shared:
        Whether many read while one writes, as in the service; see `engine.open_engine`.

    Raises
    ------
    JournalError
        Where the store cannot be opened, read or written.
    """

    # -- allocations

    def create(
        self,
        allocation: str,
        spec: Mapping[str, Any],
        *,
        project: str | None = None,
        name: str | None = None,
        most: int | None = None,
    ) -> Event:
        """Begin an allocation, as `name` of `project` where it belongs to one: see `begin`."""
        return self.begin(allocation, spec, project=project, name=name, most=most)[0]

    def begin(
        self,
        allocation: str,
        spec: Mapping[str, Any],
        *,
        project: str | None = None,
        name: str | None = None,
        most: int | None = None,
    ) -> tuple[Event, bool]:
        """The allocation's first event, and whether this call wrote it: of many at once one does.

        The same spec again returns what is there; another raises `AllocationExists`. Raises `Archived` where the
        allocation takes nothing more, and `TooManyAllocations` where the project has `most` that are not archived.
        """
        text = canonical(spec)
        values = {"id": allocation, "spec": text, "project": project, "name": name}
        try:
            return self._create(values, most)
        except IntegrityError:  # somebody else was creating it just now
            return self._create(values, most)

    def archive(self, allocation: str, why: str = "") -> Event:
        """Take no more reports; what is there stays and can be read. Archived twice is archived once."""
        with self.writing() as connection:
            row = self._locked(connection, allocation)
            if row.archived_at is not None:
                taken = self._find(connection, allocation, "archived")
                if taken is not None:
                    return taken
            table = schema.allocations
            connection.execute(update(table).where(table.c.id == allocation).values(archived_at=self._clock()))
            return self._insert(
                connection, row, "archived", canonical({"why": why}), self._reached(connection, allocation), "archived"
            )

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
        snapshot: Snapshot | None = None,
    ) -> tuple[Event, bool]:
        """Commit one event; returns it and True, or the one that had taken `once` before and False.

        In the same transaction `instead_of` becomes inactive, and `snapshot` is kept. Raises `Fenced` where
        `epoch` is no longer the newest, `Archived` where the allocation takes nothing more.
        """
        text = canonical(body)
        state = None if snapshot is None else snapshot.canonical
        with self.writing() as connection:
            row = self._locked(connection, allocation, epoch)
            _check_open(row)
            taken = None if once is None else self._find(connection, allocation, once)
            if taken is not None:
                return taken, False
            if instead_of is not None:
                table = schema.events
                connection.execute(update(table).where(table.c.id == instead_of.id).values(active=False))
            if snapshot is not None and state is not None:
                self._keep(connection, allocation, snapshot, state)
            return self._insert(connection, row, kind, text, position, once), True

    def events(
        self,
        allocation: str,
        after: int = 0,
        kinds: Iterable[str] | None = None,
        *,
        active: bool = False,
        limit: int | None = None,
        before: int | None = None,
    ) -> list[Event]:
        """Events with an id above `after`, oldest first; with `active`, only those no rewind left behind.

        With `before`, the ones with an id below it, newest first.
        """
        if kinds is not None and active and limit is None and before is None:
            return self._after(allocation, after, list(kinds))
        table = schema.events
        query = select(table).where(table.c.allocation == allocation, table.c.id > after)
        query = query.order_by(table.c.id) if before is None else query.order_by(table.c.id.desc())
        if before is not None:
            query = query.where(table.c.id < before)
        if kinds is not None:
            query = query.where(table.c.kind.in_(list(kinds)))
        if active:
            query = query.where(table.c.active)
        if limit is not None:
            query = query.limit(limit)
        with self.reading() as connection:
            return [_event(row) for row in connection.execute(query)]

    def _after(self, allocation: str, after: int, kinds: list[str]) -> list[Event]:
        """What owners ask at each report."""
        with self.reading() as connection:
            found = connection.execute(statements.AFTER, {"of": allocation, "after": after, "kinds": kinds})
            return [_event(row) for row in found]

    def find(self, allocation: str, once: str) -> Event | None:
        """The active event that took `once`."""
        with self.reading() as connection:
            return self._find(connection, allocation, once)

    def find_all(self, allocation: str, names: Iterable[str]) -> dict[str, Event]:
        """The active events that took `names`, by name; those that nothing took are left out."""
        with self.reading() as connection:
            found = connection.execute(statements.ONCE, {"of": allocation, "names": list(names)})
            return {row.once: _event(row) for row in found}

    def last(self, allocation: str, kinds: Iterable[str]) -> Event | None:
        """The newest active event of one of `kinds`."""
        with self.reading() as connection:
            row = connection.execute(statements.LAST, {"of": allocation, "kinds": list(kinds)}).one_or_none()
            return None if row is None else _event(row)

    def rewind(self, allocation: str, position: int, *, epoch: int, why: str = "") -> Event:
        """Begin a new attempt at `position`: what lies behind it stays, but inactive.

        Asked again before anything else has happened, it is the same attempt.
        """
        table = schema.events
        with self.writing() as connection:
            row = self._locked(connection, allocation, epoch)
            _check_open(row)
            again = self._rewound(connection, allocation, position, why)
            if again is not None:
                return again
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

    def _create(self, values: Mapping[str, Any], most: int | None) -> tuple[Event, bool]:
        allocation, text = str(values["id"]), str(values["spec"])
        with self.writing() as connection:
            row = connection.execute(
                select(schema.allocations).where(schema.allocations.c.id == allocation)
            ).one_or_none()
            if row is None:
                self._check_room(connection, values["project"], most)
                start = {"created_at": self._clock(), "attempt": 0, "epoch": 0, "head": ""}
                connection.execute(insert(schema.allocations).values(**values, **start))
                first = self._insert(connection, self._locked(connection, allocation), "allocation", text, 0, None)
                return first, True
            same = json.loads(row.spec) == json.loads(text) and row.project == values["project"]
            if not same or row.name != values["name"]:
                raise AllocationExists(
                    f"allocation '{values['name'] or allocation}' exists with another specification; "
                    "choose another name"
                )
            _check_open(row)
            return self._first(connection, allocation), False

    def _check_room(self, connection: Connection, project: str | None, most: int | None) -> None:
        if most is None:
            return
        table = schema.allocations
        mine = select(func.count()).where(table.c.project == project, table.c.archived_at.is_(None))
        if connection.execute(mine).scalar_one() >= most:
            raise TooManyAllocations(
                f"project '{project}' has {most} allocations, the most it may have; archive those that are done"
            )

    def _reached(self, connection: Connection, allocation: str) -> int:
        """Position of the newest active report."""
        table = schema.events
        query = select(func.max(table.c.position)).where(
            table.c.allocation == allocation, table.c.kind == "report", table.c.active
        )
        return int(connection.execute(query).scalar_one() or 0)

    def _rewound(self, connection: Connection, allocation: str, position: int, why: str) -> Event | None:
        """The newest event, if it is this very rewind."""
        table = schema.events
        newest = select(table).where(table.c.allocation == allocation).order_by(table.c.id.desc()).limit(1)
        event = _event(connection.execute(newest).one())
        same = event.kind == "rewind" and (event.position, event.body["why"]) == (position, why)
        return event if same else None

    def _find(self, connection: Connection, allocation: str, once: str) -> Event | None:
        row = connection.execute(statements.ONCE, {"of": allocation, "names": [once]}).one_or_none()
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
        values |= {"once": once, **packing.columns("body", body), "at": at, "digest": digest}
        identity = connection.execute(statements.NEW_EVENT, values).inserted_primary_key
        connection.execute(statements.SET_HEAD, {"of": row.id, "to": digest})
        number = 0 if identity is None else int(identity[0])
        return Event(number, row.id, row.attempt, True, kind, position, json.loads(body), at, digest)


def _check_open(row: Row[Any]) -> None:
    if row.archived_at is not None:
        raise Archived(f"allocation '{row.name or row.id}' is archived; begin another one")


def _event(row: Row[Any]) -> Event:
    return Event(
        row.id,
        row.allocation,
        row.attempt,
        bool(row.active),
        row.kind,
        row.position,
        packing.read(row.body, row.packed),
        row.at,
        row.digest,
    )
