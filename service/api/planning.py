"""What-if: other budgets and other pools, from the newest law of an allocation."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from service.api.allocations import Id
from service.api.answers import Answer
from service.api.bodies import Plan, read_domains
from service.api.decoding import BoundedRoute
from service.api.documents import PLANS, answers
from service.api.service import Reader
from service.plan import PlanRow, plan_story
from service.story import read_story

router = APIRouter(route_class=BoundedRoute, prefix="/v1/allocations", tags=["planning"])


@router.post("/{id}/plan", responses=answers(200, PLANS, 404, writes=True))
async def plan(id: Id, body: Plan, call: Reader) -> Answer:
    """The best mixture of a new run for each budget, what it would reach (90 % intervals), and what limits it.

    `pool_value` is the fall of the objective for one more distinct draw in a domain's pool: the advice which
    data to collect next. Nothing is changed or recorded.
    """
    await run_in_threadpool(call.entry, id)

    def planned() -> dict[str, Any]:
        story = read_story(call.service.journal, id)
        names = {domain.name for domain in story.domains}
        domains = None if body.domains is None else read_domains(body.domains, names)
        table = plan_story(story, body.budgets, body.objective, domains)
        return {"plans": [_row(row, table.objective) for row in table.rows]}

    return Answer(await call.think(planned))


def _row(row: PlanRow, objective: str) -> dict[str, Any]:
    return {
        "budget": row.budget,
        "objective": objective,
        "mixture": dict(row.weights),
        "predicted": {name: value.to_dict() for name, value in row.predicted.items()},
        "predicted_baseline": {name: value.to_dict() for name, value in row.predicted_baseline.items()},
        "gain": row.gain.to_dict(),
        "probability_of_gain": row.better,
        "pool_value": {name: value.to_dict() for name, value in row.pool_value.items()},
        "binding": list(row.binding),
        "caution": row.caution,
    }
