"""A policy that does as it is told, so that failures and slow fits can be staged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from policies import BasePolicy, Decision, Domain, LossReport
from policies.registry import POLICIES
from service.journal import Journal
from service.owner import Spec, Steering

NAMES = ("ct", "mr", "pet")


class Scripted(BasePolicy):
    """Gives the domain with the highest loss half of the draws; remembers every report."""

    name = "scripted"
    OPTIONS: ClassVar[dict[str, Any]] = {"break_at": ()}
    gate: ClassVar[threading.Event | None] = None
    fits: ClassVar[list[int]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.memory: list[int] = []

    def _decide(self, position: int) -> Decision:
        if self._last is None:
            return Decision(position, self.baseline, "start")
        type(self).fits.append(self._last.position)
        self.memory = [*self.memory, self._last.position]
        if self.gate is not None:
            assert self.gate.wait(20)
        if self._last.position in self.options["break_at"]:
            raise ZeroDivisionError("the law has no slope")
        self._refits += 1
        worst = max(self._last.eval_loss, key=lambda name: self._last.eval_loss[name])
        weights = {name: 0.5 if name == worst else 0.25 for name in self.names}
        return Decision(position, weights, "refit", detail=f"from {len(self.memory)} reports", refit=self._refits)

    def _dump_state(self) -> dict[str, Any]:
        return {"memory": self.memory}

    def _load_state(self, state: Any) -> None:
        self.memory = list(state["memory"])


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    monkeypatch.setitem(POLICIES, "scripted", Scripted)
    monkeypatch.setattr(Scripted, "fits", [])
    return Scripted


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        yield journal


def make_spec(policy: str = "scripted", mode: str = "act", pin: Any = None, **options: Any) -> Spec:
    domains = tuple(Domain(name, pool=1000) for name in NAMES)
    return Spec(domains, 400, 100, policy=policy, options=options, steering=Steering(mode, pin or {}))


def make_report(position: int, worst: str = "mr", scale: float = 1.0) -> LossReport:
    losses = {name: scale * (2.0 if name == worst else 1.0) for name in NAMES}
    return LossReport(position, dict.fromkeys(NAMES, position / 3), losses)
