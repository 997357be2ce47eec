"""What the journal stands on: transactions, the writer's epoch, snapshots and watermarks."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

from sqlalchemy import Connection, Row, insert, select
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.journal import packing, schema, statements
from service.journal.engine import is_sqlite, open_engine, single_reads
from service.journal.errors import Fenced, JournalDamaged, NoSuchAllocation, StoreLost, is_damage, said
from service.journal.event import canonical

_KEPT_SNAPSHOTS = 3
_LARGE_SNAPSHOT = 250_000  # bytes; of such only the newest is kept, and a longer way back is replayed


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A policy's dump, taken after it had seen every event up to and including `event`; `text` is its canonical JSON,
    where whoever took it has that already."""

    event: int
    position: int
    state: Mapping[str, Any]
    text: str | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def canonical(self) -> str:
        return canonical(self.state) if self.text is None else self.text


@dataclasses.dataclass(frozen=True)
class Watermark:
    """How far a consumer has read, and what it needs to go on."""

    event: int
    state: Mapping[str, Any]


class Store:
    """Everything that is kept beside the events. See `Journal` for the parameters."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time, shared: bool = False) -> None:
        self.url = url
        self._clock = clock
        self._engine = open_engine(url, shared=shared)
        # SQLite lets one write at a time and makes the others look again, in no order; a lock has them queue.
        self._turn = threading.Lock() if is_sqlite(url) else None
        self._writer = self._engine.execution_options(write=True)
        self._reader = self._engine.execution_options(**single_reads(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._engine.dispose()

    def save_snapshot(self, allocation: str, snapshot: Snapshot, *, epoch: int) -> None:
        """Keep a policy's dump; older ones than the last few are dropped, since the events can rebuild them."""
        text = snapshot.canonical
        with self.writing() as connection:
            self._locked(connection, allocation, epoch)
            self._keep(connection, allocation, snapshot, text)

    def latest_snapshot(self, allocation: str) -> Snapshot | None:
        with self.reading() as connection:
            row = connection.execute(statements.NEWEST_SNAPSHOT, {"of": allocation}).one_or_none()
            return None if row is None else Snapshot(row.event, row.position, packing.read(row.state, row.packed))

    def snapshot(self, allocation: str) -> Mapping[str, Any] | None:
        """The newest dump of the policy, for `policies.load_policy`; None before the first refit."""
        latest = self.latest_snapshot(allocation)
        return None if latest is None else latest.state

    def watermark(self, consumer: str, allocation: str) -> Watermark:
        """Where `consumer` stopped reading; the beginning if it never read."""
        table = schema.watermarks
        query = select(table).where(table.c.consumer == consumer, table.c.allocation == allocation)
        with self.reading() as connection:
            row = connection.execute(query).one_or_none()
            return Watermark(0, {}) if row is None else Watermark(row.event, json.loads(row.state))

    def set_watermark(self, consumer: str, allocation: str, mark: Watermark) -> None:
        table = schema.watermarks
        mine = (table.c.consumer == consumer) & (table.c.allocation == allocation)
        with self.writing() as connection:
            connection.execute(table.delete().where(mine))
            connection.execute(
                insert(table).values(
                    consumer=consumer, allocation=allocation, event=mark.event, state=canonical(mark.state)
                )
            )

    # -- inside a transaction

    def reading(self) -> _Transaction:
        """For single reads: each sees what was committed by then, without the two words to begin and end it."""
        return _Transaction(self._reader.begin, "read")

    def writing(self) -> _Transaction:
        """A transaction that writes; on SQLite it has the file to itself."""
        return _Transaction(self._writer.begin, "written", self._turn)

    def _keep(self, connection: Connection, allocation: str, snapshot: Snapshot, state: str) -> None:
        values: dict[str, Any] = {"allocation": allocation, "event": snapshot.event, "position": snapshot.position}
        values |= packing.columns("state", state)
        size = len(values["packed"] or state)
        before = 0 if size > _LARGE_SNAPSHOT else _KEPT_SNAPSHOTS - 1
        connection.execute(statements.DROP_SNAPSHOTS, {"of": allocation, "most": before})  # first: its room is reused
        connection.execute(statements.NEW_SNAPSHOT, values)

    def _row(self, connection: Connection, allocation: str) -> Row[Any]:
        row = connection.execute(statements.ALLOCATION, {"of": allocation}).one_or_none()
        if row is None:
            raise NoSuchAllocation(f"no allocation '{allocation}' in this store")
        return row

    def _locked(self, connection: Connection, allocation: str, epoch: int | None = None) -> Row[Any]:
        """The allocation's row, held until the transaction ends; checks that `epoch` is the newest."""
        row = connection.execute(statements.LOCKED, {"of": allocation}).one_or_none()
        if row is None:
            raise NoSuchAllocation(f"no allocation '{allocation}' in this store")
        if epoch is not None and row.epoch != epoch:
            raise Fenced(
                f"'{allocation}' was taken over by a newer owner (epoch {row.epoch}, ours {epoch}); this one stops"
            )
        return row


class _Transaction:
    """A transaction whose failure is a `JournalError` in one sentence (a full disk, a lost server)."""

    def __init__(self, begin: Callable[[], Any], done: str, turn: AbstractContextManager[Any] | None = None) -> None:
        self._begin, self._done, self._turn = begin, done, turn or nullcontext()

    def __enter__(self) -> Connection:
        self._turn.__enter__()
        try:
            self._context = self._begin()
            connection: Connection = self._context.__enter__()
        except BaseException as error:
            self._turn.__exit__(None, None, None)
            if _is_lost(error):
                raise StoreLost(f"the journal cannot be reached: {said(error)}") from error
            raise
        return connection

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self._context.__exit__(kind, error, trace)
        except Exception as failure:
            if _is_lost(failure):
                raise StoreLost(f"the journal could not be {self._done}: {said(failure)}") from failure
            raise
        finally:
            self._turn.__exit__(None, None, None)
        if is_damage(error):
            raise JournalDamaged(f"the journal is damaged: {said(error)}; restore the store from a backup") from error
        if _is_lost(error):
            raise StoreLost(f"the journal could not be {self._done}: {said(error)}") from error


def _is_lost(error: object) -> bool:
    """Whether the database, not the request, is at fault: a lost server, a full disk, no connection to be had."""
    if isinstance(error, OperationalError | InterfaceError | InternalError | PendingRollbackError | PoolTimeout):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated
