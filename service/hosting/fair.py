"""A queue in which nobody waits for the length of another's row: projects take turns, then their allocations.

What one allocation asks for keeps its order.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")
_REMEMBERED = 1000  # projects whose last turn is known; one that is forgotten counts as new


class FairQueue(Generic[T]):
    """The project whose last turn is longest ago comes next; of it, the allocation at the head of its round.

    Not safe for threads by itself.
    """

    def __init__(self) -> None:
        self._rows: dict[str, OrderedDict[str, deque[T]]] = {}
        self._served: OrderedDict[str, int] = OrderedDict()
        self._turns = itertools.count(1)

    def __len__(self) -> int:
        return sum(self.of(project) for project in self._rows)

    def of(self, project: str) -> int:
        """How many of that project wait."""
        return sum(len(row) for row in self._rows.get(project, {}).values())

    def push(self, project: str, allocation: str, item: T) -> None:
        self._rows.setdefault(project, OrderedDict()).setdefault(allocation, deque()).append(item)

    def pop(self) -> T | None:
        """The next in turn; None where nobody waits."""
        if not self._rows:
            return None
        project = min(self._rows, key=lambda name: self._served.get(name, 0))
        rows = self._rows[project]
        allocation, row = next(iter(rows.items()))
        item = row.popleft()
        rows.move_to_end(allocation)
        if not row:
            del rows[allocation]
        if not rows:
            del self._rows[project]
        self._has_had(project)
        return item

    def clear(self) -> list[T]:
        """All that waited, in turn."""
        found = []
        while (item := self.pop()) is not None:
            found.append(item)
        return found

    def _has_had(self, project: str) -> None:
        self._served[project] = next(self._turns)
        self._served.move_to_end(project)
        if len(self._served) > _REMEMBERED:
            self._served.popitem(last=False)
