"""Questions that every report asks, built once: building one takes SQLAlchemy longer than SQLite takes to answer it."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select, update

from service.journal import schema

_allocations, _events, _snapshots = schema.allocations.c, schema.events.c, schema.snapshots.c
_mine = _events.allocation == bindparam("of")

ALLOCATION = select(schema.allocations).where(_allocations.id == bindparam("of"))
LOCKED = ALLOCATION.with_for_update()
SET_EPOCH = update(schema.allocations).where(_allocations.id == bindparam("of")).values(epoch=bindparam("to"))
SET_HEAD = update(schema.allocations).where(_allocations.id == bindparam("of")).values(head=bindparam("to"))

ONCE = select(schema.events).where(_mine, _events.once.in_(bindparam("names", expanding=True)), _events.active)
LAST = (
    select(schema.events)
    .where(_mine, _events.kind.in_(bindparam("kinds", expanding=True)), _events.active)
    .order_by(_events.id.desc())
    .limit(1)
)
AFTER = (
    select(schema.events)
    .where(_mine, _events.id > bindparam("after"), _events.kind.in_(bindparam("kinds", expanding=True)), _events.active)
    .order_by(_events.id)
)
NEW_EVENT = insert(schema.events)

NEWEST_SNAPSHOT = (
    select(schema.snapshots).where(_snapshots.allocation == bindparam("of")).order_by(_snapshots.id.desc()).limit(1)
)
NEW_SNAPSHOT = insert(schema.snapshots)
_oldest_kept = (
    select(_snapshots.id)
    .where(_snapshots.allocation == bindparam("of"))
    .order_by(_snapshots.id.desc())
    .offset(bindparam("most"))
    .limit(1)
    .scalar_subquery()
)
DROP_SNAPSHOTS = schema.snapshots.delete().where(
    _snapshots.allocation == bindparam("of"), _snapshots.id <= _oldest_kept
)
