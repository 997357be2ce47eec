"""Which allocations a store holds, whose they are, and who may write to them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select, tuple_

from service.journal import schema, statements
from service.journal.store import Store


@dataclasses.dataclass(frozen=True)
class Entry:
    """One allocation as the store lists it.

    `project` and `name` are None for a run of `isthmus pretrain`. `head` is the digest of its last
    event: equal heads mean that nothing has happened in between. Times are seconds since 1970, UTC.
    """

    id: str
    project: str | None
    name: str | None
    spec: dict[str, Any]
    created_at: float
    archived_at: float | None
    attempt: int
    head: str


class Catalog(Store):
    """Allocations, without their events. See `Journal` for the parameters."""

    def allocations(self) -> list[str]:
        """Names of all allocations, oldest first."""
        with self.reading() as connection:
            query = select(schema.allocations.c.id).order_by(schema.allocations.c.created_at, schema.allocations.c.id)
            return list(connection.execute(query).scalars())

    def exists(self, allocation: str) -> bool:
        with self.reading() as connection:
            query = select(schema.allocations.c.id).where(schema.allocations.c.id == allocation)
            return connection.execute(query).first() is not None

    def entry(self, allocation: str) -> Entry:
        with self.reading() as connection:
            return _entry(self._row(connection, allocation))

    def entries(
        self,
        project: str | None,
        *,
        after: tuple[float, str] | None = None,
        limit: int = 50,
        archived: bool = False,
    ) -> list[Entry]:
        """Allocations of a project, the newest first; those after the one with (created_at, id) `after`."""
        table = schema.allocations
        query = select(table).where(table.c.project == project).order_by(table.c.created_at.desc(), table.c.id.desc())
        if not archived:
            query = query.where(table.c.archived_at.is_(None))
        if after is not None:
            query = query.where(tuple_(table.c.created_at, table.c.id) < after)
        with self.reading() as connection:
            return [_entry(row) for row in connection.execute(query.limit(limit))]

    def reached(self, allocations: Sequence[str]) -> dict[str, int]:
        """Position of the newest active report of each; 0 where there is none."""
        events, rows = schema.events.c, schema.allocations.c
        newest = (
            select(events.position)
            .where(events.allocation == rows.id, events.kind == "report", events.active)
            .order_by(events.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        with self.reading() as connection:
            found = connection.execute(select(rows.id, newest).where(rows.id.in_(list(allocations))))
            return {id: int(position or 0) for id, position in found}

    def spec(self, allocation: str) -> dict[str, Any]:
        with self.reading() as connection:
            return dict(json.loads(self._row(connection, allocation).spec))

    def attempt(self, allocation: str) -> int:
        with self.reading() as connection:
            return int(self._row(connection, allocation).attempt)

    def head(self, allocation: str) -> str:
        """Digest of the last event; a checkpoint keeps it, to know later which journal it belongs to."""
        with self.reading() as connection:
            return str(self._row(connection, allocation).head)

    def open(self, allocation: str) -> int:
        """Become the owner; returns the epoch to write with. Whoever owned it before is fenced out."""
        with self.writing() as connection:
            epoch = int(self._locked(connection, allocation).epoch) + 1
            connection.execute(statements.SET_EPOCH, {"of": allocation, "to": epoch})
            return epoch

    def owned(self, allocation: str, epoch: int) -> bool:
        """Whether the owner that opened with `epoch` is still the newest."""
        with self.reading() as connection:
            return int(self._row(connection, allocation).epoch) == epoch

    def count(self) -> int:
        """How many allocations are open (not archived), over all projects."""
        table = schema.allocations
        with self.reading() as connection:
            return int(connection.execute(select(func.count()).where(table.c.archived_at.is_(None))).scalar_one())


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        row.id,
        row.project,
        row.name,
        json.loads(row.spec),
        row.created_at,
        row.archived_at,
        int(row.attempt),
        row.head,
    )
