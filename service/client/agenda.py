"""When a run reports and when it takes an answer, in draws over all ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NEVER = -1


class Agenda:
    """Positions at which something has to happen; all ranks hold the same.

    A report is due where an interval is full, where the budget is reached, and where the next step would pass it: a
    loop may end there, or after it. Beyond the budget there is one report, at the budget.
    """

    def __init__(self, budget: int, interval: int, lag: int) -> None:
        self.budget, self.interval, self.lag = budget, interval, lag
        self.next_report, self.reported_at = min(interval, budget), NEVER
        self.take_at = NEVER
        self.look_at = NEVER  # where it is looked whether the service has answered the start

    def due(self, position: int, step: float) -> bool:
        here = min(position, self.budget)
        if here <= max(self.reported_at, 0):
            return False
        return here >= self.next_report or position + step > self.budget

    def spent(self, position: int) -> bool:
        """The budget was reported; there is nothing more to say."""
        return position > self.budget and self.reported_at >= self.budget

    def event(self, step: float) -> float:
        """The next position at which ranks have to meet."""
        last_whole = self.budget - step + 1
        report = min(self.next_report, last_whole if self.reported_at < last_whole else self.budget)
        wanted: list[float] = [at for at in (self.take_at, self.look_at) if at != NEVER]
        if self.reported_at < self.budget:
            wanted.append(report)
        return min(wanted, default=float("inf"))

    def reported(self, position: int) -> None:
        self.reported_at = position
        self.next_report = min((position // self.interval + 1) * self.interval, self.budget)
        self.take_at = position + self.lag

    def state(self) -> dict[str, int]:
        return {"next_report": self.next_report, "take_at": self.take_at, "reported_at": self.reported_at}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.next_report, self.take_at = min(int(state["next_report"]), self.budget), int(state["take_at"])
        # A checkpoint of an earlier version holds the next report alone.
        self.reported_at = int(state.get("reported_at", max(int(state["next_report"]) - self.interval, NEVER)))
