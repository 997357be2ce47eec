"""Allocations that are worth looking at: simulated trainings steered through the HTTP interface."""

from __future__ import annotations

import dataclasses
from typing import Any

import httpx

from policies import make_world

NAMES = ("ct_thorax", "t1", "flair", "pet", "dwi", "us_heart", "mra", "ct_head")


@dataclasses.dataclass(frozen=True)
class Run:
    """A training of a simulated world, up to `part` of its budget."""

    name: str
    world: str
    domains: int
    part: float = 1.0
    policy: str = "transfer_law"
    seed: int = 1


def train(client: httpx.Client, run: Run) -> str:
    """Make the run through the service; the id of its allocation."""
    world = make_world(run.world, run.domains, seed=run.seed, noise=0.005)
    called = dict(zip([domain.name for domain in world.domains], NAMES, strict=False))
    body: dict[str, Any] = {"name": run.name, "policy": run.policy, "budget": world.budget, "interval": world.interval}
    body["domains"] = [{**domain.to_dict(), "name": called[domain.name]} for domain in world.domains]
    begun = client.post("/v1/allocations", json=body)
    assert begun.status_code == 201, begun.text
    decision, id = begun.json()["decision"], str(begun.json()["id"])
    while world.position < run.part * world.budget:
        report = world.advance({d: decision["weights"][name] for d, name in called.items()}, world.interval).to_dict()
        for field in ("draws", "eval_loss", "eval_sem", "train_loss", "train_count", "grad_dot"):
            if isinstance(report.get(field), dict):
                report[field] = _renamed(report[field], called)
        answer = client.post(f"/v1/allocations/{id}/reports", json=report)
        assert answer.status_code == 200, answer.text
        decision = answer.json()["decision"]
    return id


def _renamed(body: dict[str, Any], called: dict[str, str]) -> dict[str, Any]:
    """The same with other names, also one level down."""
    return {
        called.get(name, name): _renamed(value, called) if isinstance(value, dict) else value
        for name, value in body.items()
    }
