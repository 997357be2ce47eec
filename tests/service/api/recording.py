"""A conversation of an old client with the service, and how it is held again.

Recorded are method, path, body, status and answer, with a clock that ticks by itself. What a newer service adds
to an answer is no difference; what it leaves out or changes is one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.service.serving import NAMES, new_body, report_body

FILE = Path(__file__).parent / "recorded" / "v1.json"
NOT_COMPARED = ("seconds", "wall_seconds")  # of a fit, on this machine; nor the figures in a decision's sentence
PATH = "/v1/allocations/a-560bdd5104e9893d"  # project `brains`, name `first`


def ticking() -> Iterator[float]:
    return (1_700_000_000.0 + step for step in itertools.count())


def requests() -> Iterator[tuple[str, str, Any]]:
    """What the old client sends: every call of version 1, and the errors it may meet."""
    pools: dict[str, Any] = {name: {"pool": 400, "max_epochs": 2.5} for name in NAMES}
    yield "POST", "/v1/allocations", new_body(policy="transfer_law", domains=pools)
    yield "POST", "/v1/allocations", new_body(policy="transfer_law", domains=pools)
    yield "POST", "/v1/allocations", new_body(policy="odm")
    yield "POST", "/v1/allocations", new_body(polcy="odm")
    yield "POST", "/v1/allocations", new_body("second", policy="odm", targets={"ct": 2, "brain": 1}, seed=7)
    yield "GET", "/v1/allocations?limit=1", None
    yield "POST", f"{PATH}/reports", report_body(60)
    yield "POST", f"{PATH}/reports", report_body(60)
    yield "POST", f"{PATH}/reports", report_body(60, draws=dict.fromkeys(NAMES, 1.0))
    yield "POST", f"{PATH}/reports", [report_body(160, lr_sum=0.5), report_body(260, lr_sum=0.75)]
    yield "POST", f"{PATH}/reports", report_body(360, eval_loss={"ct": None, "mr": 1.25, "pet": 1.5})
    yield "POST", f"{PATH}/reports", report_body(300)
    yield "POST", f"{PATH}/reports", report_body(460, eval_loss={"ct": 1.0, "mr": -1.0, "pet": 1.0})
    yield "GET", PATH, None
    yield "GET", f"{PATH}/schedule", None
    yield "GET", f"{PATH}/decisions?limit=2", None
    yield "GET", f"{PATH}/law", None
    yield "POST", f"{PATH}/plan", {"budgets": [0]}
    yield "POST", f"{PATH}/mode", {"mode": "advise", "pin": {"ct": 0.5}}
    yield "POST", f"{PATH}/reports", report_body(460)
    yield "POST", f"{PATH}/mode", {"mode": "act", "pin": {}}
    yield "POST", f"{PATH}/domains", {"domains": ["ct", "mr", "pet", {"name": "us", "pool": 90}]}
    yield "POST", f"{PATH}/rewind", {"position": 160, "why": "loss spike"}
    yield "GET", f"{PATH}/decisions?inactive=true", None
    yield "DELETE", PATH, None
    yield "POST", f"{PATH}/reports", report_body(560)
    yield "GET", "/v1/allocations/a-0000000000000000", None
    yield "GET", "/v1/allocations?cursor=none", None


def hold(client: httpx.Client) -> list[dict[str, Any]]:
    """The whole conversation, as it is now."""
    found = []
    for method, path, body in requests():
        answer = client.request(method, path, json=body)
        found.append(
            {"method": method, "path": path, "body": body, "status": answer.status_code, "answer": answer.json()}
        )
    return found


def difference(old: Any, new: Any, place: str = "") -> str | None:
    """Where `new` breaks what `old` had promised; None where it does not."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        missing = [name for name in old if name not in new]
        if missing:
            return f"{place}: {missing[0]} is missing"
        left_out = (*NOT_COMPARED, "detail") if "reason" in old else NOT_COMPARED
        inner = (difference(old[name], new[name], f"{place}.{name}") for name in old if name not in left_out)
        return next(filter(None, inner), None)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        inner = (difference(a, b, f"{place}[{index}]") for index, (a, b) in enumerate(zip(old, new, strict=True)))
        return next(filter(None, inner), None)
    if isinstance(old, float) and isinstance(new, int | float) and math.isclose(old, new, rel_tol=1e-4, abs_tol=1e-7):
        return None
    return None if old == new else f"{place}: {old!r} was promised, {new!r} came"
