"""The stream of samples: a pure function of (seed, schedule, global draw index).

Within a stage draws come in blocks of fixed size. A block's draws are shared out over the domains in
whole numbers (`shares`), put in a random order, and the n-th draw of a domain takes place n in a
random order of its pool (`permutation`), a new one each epoch. So any range of the stream can be
worked out anywhere, at any time, from the seed and the schedule.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from policies.records import BadSetup, MixtureSchedule
from policies.records.checks import check_mixture
from trainers.stream.counter import key_for, orders
from trainers.stream.draws import Draws
from trainers.stream.errors import BadStage, StageTooLate, StreamMismatch
from trainers.stream.items import Excluded, ItemList, item_lists, items_digest
from trainers.stream.lot import Lot, place_draws
from trainers.stream.shares import StageWalk, Standing, block_size
from trainers.volumes.records import PreparedData, digest_of

FORMAT = 1
_DRAWS_AT_ONCE = 4096
_KEPT_RANGES = 32


class SampleStream:
    """Which crop of which volume is draw number g, for every g >= 0.

    Parameters
    ----------
    data:
        The prepared domains; their order numbers them in `Draws.domain`.
    seed:
        Fixes every random choice.
    interval:
        Draws between possible changes of the mixture; stages begin at its multiples.
    weights:
        The first mixture, by domain.
    excluded:
        Keys of volumes left out from the start, by domain.

    Raises
    ------
    BadStage
        If a share is given to a domain without volumes, or the names do not match the data.
    """

    def __init__(
        self,
        data: PreparedData,
        *,
        seed: int,
        interval: int,
        weights: Mapping[str, float],
        excluded: Excluded | None = None,
    ) -> None:
        if interval < 1:
            raise BadStage(f"interval is {interval}; it must be at least 1 draw")
        self.data, self.seed, self.interval = data, int(seed), int(interval)
        self.names = tuple(data.domains)
        self.block = block_size(interval)
        self.handed_out = 0
        self._order_key = key_for(seed, "order in block")
        self._ranges: OrderedDict[tuple[int, int], Draws] = OrderedDict()
        excluded = _frozen(excluded or {})
        lists = self._lists(weights, excluded)
        self.schedule = MixtureSchedule.start(self._ordered(weights), items_digest(lists))
        self._excluded = [excluded]
        self._lots = [Lot.first(self.seed, lists)]
        self._walks = [self._walk(Standing(np.zeros(len(self.names), np.int64), np.zeros(len(self.names))))]

    def extend(self, position: int, weights: Mapping[str, float], excluded: Excluded | None = None) -> None:
        """From draw `position` on use `weights` and leave out the volumes in `excluded`.

        `excluded` holds every volume to be left out, by domain, not only new ones; None keeps the
        list as it is. A domain whose list changes starts over on the new one, in the next epoch.
        A stage that changes nothing, or that is there already, is accepted and adds nothing.

        Raises
        ------
        StageTooLate
            If draws at or after `position` were handed out, or a later stage exists.
        BadStage
            If `position` is not a multiple of the interval, or the mixture does not fit.
        """
        if position % self.interval or position < 0:
            near = -(-max(position, 0) // self.interval) * self.interval
            raise BadStage(f"a stage at draw {position} is not on a multiple of {self.interval} draws; use {near}")
        gone = self._excluded[-1] if excluded is None else _frozen(excluded)
        lists = self._lists(weights, gone)
        stages = self.schedule.stages
        same = stages[-1].weights == self._ordered(weights) and stages[-1].items == items_digest(lists)
        if same and position >= stages[-1].position:
            return
        if position <= stages[-1].position or position < self.handed_out:
            first = max(self.handed_out, stages[-1].position + 1)
            raise StageTooLate(
                f"a stage at draw {position} comes too late: draws up to {self.handed_out} were handed out and the "
                f"last stage begins at {stages[-1].position}; use {-(-first // self.interval) * self.interval}"
            )
        before = self._standing(len(stages) - 1, position // self.block)
        self.schedule = self.schedule.append(position, self._ordered(weights), items_digest(lists))
        self._excluded.append(gone)
        self._lots.append(self._lots[-1].follow(before.served, lists))
        self._walks.append(self._walk(before))

    def hand_out(self, start: int, stop: int) -> Draws:
        """As `resolve`, and from now on no stage may begin before `stop`."""
        self.handed_out = max(self.handed_out, stop)
        return self.resolve(start, stop)

    def resolve(self, start: int, stop: int) -> Draws:
        """Draws `start` up to but not including `stop`."""
        if not 0 <= start < stop:
            raise ValueError(f"draws {start} to {stop} were asked for; give 0 <= start < stop")
        parts, at = [], start
        while at < stop:
            number = self._stage_number(at)
            end = min(stop, self._stage_end(number, stop))
            span = max(1, _DRAWS_AT_ONCE // self.block) * self.block
            first = self.schedule.stages[number].position
            chunk = (at - first) // span
            draws, offset = self._chunk(number, chunk, span), first + chunk * span
            end = min(end, offset + span)
            parts.append(draws.take(slice(at - offset, end - offset)))
            at = end
        return parts[0] if len(parts) == 1 else Draws.join(parts)

    def served(self, position: int) -> dict[str, int]:
        """Draws of each domain among the first `position`."""
        number = self._stage_number(max(position - 1, 0))
        block, rest = divmod(position, self.block)
        counts = self._standing(number, block).served
        if rest:
            tail = self.resolve(position - rest, position).domain
            counts = counts + np.bincount(tail, minlength=len(self.names))
        return dict(zip(self.names, counts.tolist(), strict=True))

    def epochs(self, position: int) -> dict[str, float]:
        """How often each domain's present pool was used up by `position`, in passes of the list in force."""
        lot, served = self._lots[self._stage_number(max(position - 1, 0))], self.served(position)
        return lot.epochs(np.array([served[name] for name in self.names]), self.names)

    @property
    def excluded(self) -> dict[str, tuple[str, ...]]:
        """Volumes left out by the last stage."""
        return dict(self._excluded[-1])

    def pool(self, name: str) -> int:
        """Distinct draws of a domain under the last stage."""
        return self._lots[-1].lists[name].pool

    @property
    def digest(self) -> str:
        """Equal on all ranks that hold the same stream."""
        return digest_of(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """All that is needed, besides the data and one position, to go on."""
        stages = [
            stage.to_dict() | {"excluded": {name: list(keys) for name, keys in gone.items()}}
            for stage, gone in zip(self.schedule.stages, self._excluded, strict=True)
        ]
        return {"format": FORMAT, "seed": self.seed, "interval": self.interval, "stages": stages}

    @classmethod
    def from_dict(cls, data: PreparedData, body: Mapping[str, Any]) -> Self:
        """The stored stream on the same data; raises `StreamMismatch` if the data is another."""
        if body["format"] != FORMAT:
            raise StreamMismatch(f"the stored stream has format {body['format']}; this version reads {FORMAT}")
        first, *rest = body["stages"]
        try:
            stream = cls(
                data,
                seed=body["seed"],
                interval=body["interval"],
                weights=first["weights"],
                excluded=first["excluded"],
            )
            for stage in rest:
                stream.extend(stage["position"], stage["weights"], stage["excluded"])
        except BadStage as error:
            raise StreamMismatch(f"the stored stream does not fit the data: {error}") from None
        stream._check_items([stage["items"] for stage in body["stages"]])
        return stream

    def _check_items(self, stored: list[str]) -> None:
        found = [stage.items for stage in self.schedule.stages]
        if found != stored:
            raise StreamMismatch(
                "the training volumes are not those the stream was made from; "
                "restore the data of the run, or start a new run under another name"
            )

    def _ordered(self, weights: Mapping[str, float]) -> dict[str, float]:
        return {name: float(weights[name]) for name in self.names}

    def _lists(self, weights: Mapping[str, float], excluded: Excluded) -> dict[str, ItemList]:
        try:
            check_mixture(weights, self.names)
        except BadSetup as error:
            raise BadStage(str(error)) from None
        lists = item_lists(self.data, excluded)
        for name, share in weights.items():
            if share > 0 and lists[name].pool == 0:
                raise BadStage(f"share of '{name}' is {share:.4g}, but no volume of it is left; set its share to 0")
        return lists

    def _walk(self, start: Standing) -> StageWalk:
        weights = np.array(list(self.schedule.stages[-1].weights.values()))
        return StageWalk(weights, self.block, start)

    def _stage_number(self, position: int) -> int:
        return bisect.bisect_right(self.schedule.stages, position, key=lambda stage: stage.position) - 1

    def _stage_end(self, number: int, otherwise: int) -> int:
        stages = self.schedule.stages
        return stages[number + 1].position if number + 1 < len(stages) else otherwise

    def _standing(self, number: int, block: int) -> Standing:
        first = self.schedule.stages[number].position // self.block
        return self._walks[number].standing(block - first)

    def _chunk(self, number: int, chunk: int, span: int) -> Draws:
        """A range of a stage, as if the stage went on for ever; kept, since batches come one by one."""
        if (number, chunk) not in self._ranges:
            self._ranges[number, chunk] = self._work_out(number, chunk * (span // self.block), span // self.block)
            if len(self._ranges) > _KEPT_RANGES:
                self._ranges.popitem(last=False)
        return self._ranges[number, chunk]

    def _work_out(self, number: int, first: int, blocks: int) -> Draws:
        walk = self._walks[number]
        counts, before = walk.counts(first, first + blocks), walk.standing(first).served
        start = self.schedule.stages[number].position + first * self.block
        order = orders(self._order_key, start // self.block + np.arange(blocks), self.block)
        domain, nth = place_draws(counts, before, order)
        item, crop, epoch = self._lots[number].locate(domain, nth, self.names)
        return Draws(self.names, np.arange(start, start + blocks * self.block), domain, item, crop, epoch)


def _frozen(excluded: Excluded) -> dict[str, tuple[str, ...]]:
    """In one canonical form, so that equal exclusions have equal digests."""
    return {name: tuple(sorted(set(keys))) for name, keys in sorted(excluded.items()) if keys}
