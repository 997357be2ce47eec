"""The mixture schedule of an allocation, read from its decisions."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Mapping

from policies import MixtureSchedule
from policies.records.schedule import Stage
from service.journal import Event, Journal
from service.owner.spec import Spec

KEPT = 2000  # allocations whose schedule is remembered; the others are read again
_PAGE = 500


@dataclasses.dataclass
class _Read:
    """What was read of one allocation: the last decision for each boundary, up to event `seen`."""

    attempt: int
    seen: int = 0
    last: int = -1  # boundary of the latest decision
    mixtures: dict[int, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    made: MixtureSchedule | None = None
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)


class Schedules:
    """Schedules of many allocations; each call reads only the decisions that came since the one before.

    Where several decisions are for one boundary the newest holds, as for the owner itself. A domain that
    joined later has the share 0 before, one that left 0 after.
    """

    def __init__(self, journal: Journal, kept: int = KEPT) -> None:
        self._journal, self._kept = journal, kept
        self._known: OrderedDict[str, _Read] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, allocation: str) -> MixtureSchedule:
        """The schedule as it stands; before any decision, the mixture that the allocation would start with."""
        known = self._page(allocation, self._journal.attempt(allocation))
        with known.lock:
            more = True
            while more:
                events = self._journal.events(allocation, known.seen, ["decision"], active=True, limit=_PAGE)
                more = len(events) == _PAGE
                for event in events:
                    _take(known, event)
            if known.made is None:
                known.made = _schedule(known.mixtures or {0: self._before(allocation)})
            return known.made

    def _page(self, allocation: str, attempt: int) -> _Read:
        """A rewind makes decisions inactive, so another attempt is read from the start."""
        with self._lock:
            known = self._known.get(allocation)
            if known is None or known.attempt != attempt:
                known = self._known[allocation] = _Read(attempt)
            self._known.move_to_end(allocation)
            while len(self._known) > self._kept:
                self._known.popitem(last=False)
            return known

    def _before(self, allocation: str) -> Mapping[str, float]:
        return Spec.from_dict(self._journal.spec(allocation)).build().propose().weights


def _take(known: _Read, event: Event) -> None:
    position, weights = int(event.body["position"]), dict(event.body["weights"])
    known.mixtures[position], known.seen = weights, event.id
    made, known.made, last = known.made, None, known.last
    known.last = max(position, last)
    if made is not None and set(made.domains) == weights.keys() and position > last:
        known.made = made.append(position, {name: weights[name] for name in made.domains})


def _schedule(mixtures: Mapping[int, Mapping[str, float]]) -> MixtureSchedule:
    """Stages in order of position, over all domains that ever were; made at once, since a long run has thousands."""
    names = dict.fromkeys(name for weights in mixtures.values() for name in weights)
    stages: list[Stage] = []
    for position, weights in sorted(mixtures.items()):  # the decision for 0 is always the first
        whole = {name: weights.get(name, 0.0) for name in names}
        if not stages or whole != stages[-1].weights:
            stages.append(Stage(position, whole))
    return MixtureSchedule(tuple(stages))
