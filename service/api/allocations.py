"""Allocations: begin, list, look at, archive."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.concurrency import run_in_threadpool

from policies import BadSetup
from policies.records import check_apart, check_name
from service.api.answers import Answer
from service.api.bodies import NewAllocation
from service.api.decoding import BoundedRoute
from service.api.documents import CREATED, LISTED, STATUS, answers
from service.api.paging import Cursor, Limit, page, read_cursor
from service.api.service import Admin, Reader, Reporter
from service.journal import Entry, Journal
from service.journal.names import allocation_id
from service.owner import Spec
from service.owner.status import domains, status

router = APIRouter(route_class=BoundedRoute, prefix="/v1/allocations", tags=["allocations"])
Id = Annotated[str, Path(json_schema_extra={"pattern": "^a-[0-9a-f]{16}$"}, description="Of an allocation.")]


@router.post("", responses=answers(201, CREATED, 200, 409, writes=True), status_code=201)
async def create(body: NewAllocation, call: Reporter) -> Answer:
    """Begin an allocation. The same body again answers 200 with the same id; another body under the name is a 409.

    Of several at once one answers 201. The name of an archived allocation is a 409.
    """
    project, id = call.token.project, allocation_id(call.token.project, body.name)
    spec = await run_in_threadpool(_spec, body, call, id)
    most = call.service.settings.allocations
    found = await call.ask("create", id, spec.to_dict(), project, body.name, most)
    fresh = found.pop("fresh")
    headers = {"Location": f"/v1/allocations/{id}"}
    return Answer({"id": id, "name": body.name, **found}, status_code=201 if fresh else 200, headers=headers)


@router.get("", responses=answers(200, LISTED))
def list_allocations(call: Reader, limit: Limit = 50, cursor: Cursor = None, archived: bool = False) -> Answer:
    """The project's allocations, the newest first; with `archived`, also those that are."""
    journal = call.service.journal
    after = None if cursor is None else tuple(read_cursor(cursor, (float, str)))
    found = journal.entries(call.token.project, after=after, limit=limit + 1, archived=archived)
    reached = journal.reached([entry.id for entry in found[:limit]])
    return Answer(
        page(found, limit, lambda entry: [entry.created_at, entry.id], lambda entry: _item(entry, reached[entry.id]))
    )


@router.get("/{id}", responses=answers(200, STATUS, 404))
def look(id: Id, call: Reader) -> Answer:
    """Where the allocation stands."""
    return Answer(described(call.service.journal, call.entry(id)))


@router.delete("/{id}", responses=answers(200, STATUS, 404))
async def archive(id: Id, call: Admin) -> Answer:
    """Take no more reports. Nothing is erased: it can be read as before."""
    await run_in_threadpool(call.entry, id)
    await call.ask("archive", id, f"by token {call.token.id}")
    return Answer(await run_in_threadpool(lambda: described(call.service.journal, call.entry(id))))


def described(journal: Journal, entry: Entry) -> dict[str, Any]:
    """One allocation with its status."""
    spec = Spec.from_dict(entry.spec)
    now = status(journal, entry.id, spec)
    now.pop("allocation")
    known = domains(journal, entry.id, spec)
    about = {"policy": spec.policy, "objective": spec.objective, "interval": spec.interval, "seed": spec.seed}
    about |= {"domains": [domain.to_dict() for domain in known], "targets": spec.targets, "baseline": spec.baseline}
    return {**_item(entry, int(now["position"])), **about, **now}


def _item(entry: Entry, position: int) -> dict[str, Any]:
    spec = entry.spec
    return {
        "id": entry.id,
        "name": entry.name,
        "policy": spec["policy"],
        "budget": spec["budget"],
        "position": position,
        "attempt": entry.attempt,
        "created_at": entry.created_at,
        "archived_at": entry.archived_at,
    }


def _spec(body: NewAllocation, call: Reporter, id: str) -> Spec:
    """What the owner will be made from; raises `BadSetup` where no policy can be made from it.

    An allocation that is there keeps the names it was begun with, also those that a new one may not have.
    """
    journal = call.service.journal
    values = body.model_dump(exclude={"domains", "name"})
    about = {"name": body.name, "project": call.token.project}
    known = {domain["name"] for domain in journal.spec(id)["domains"]} if journal.exists(id) else set()
    spec = Spec(domains=call.domains(body.domains, known), about=about, **values)
    if not known:
        _check_targets(spec)
    try:
        spec.build().propose()
    except BadSetup:
        raise
    except Exception as error:  # an option of the wrong kind may break anything in a policy
        raise BadSetup(f"policy '{body.policy}' cannot be made from this: {type(error).__name__}: {error}") from error
    return spec


def _check_targets(spec: Spec) -> None:
    """Names of targets follow the rule for domains, with which they share the series."""
    for name in spec.targets or {}:
        check_name(name, "target")
    try:
        check_apart([*(domain.name for domain in spec.domains), *(spec.targets or {})])
    except BadSetup as error:  # the domains alone were looked at before
        raise BadSetup(f"targets: {str(error).removeprefix('domains ')}") from None
