"""Training volumes that turn out unreadable while training goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from trainers.loop.comm import Comm
from trainers.loop.errors import TooMuchMissing
from trainers.stream.batch import Batch
from trainers.volumes.crops import read_crop
from trainers.volumes.errors import VolumeUnreadable
from trainers.volumes.records import PreparedData, PreparedVolume

Excluded = Mapping[str, tuple[str, ...]]


class Quarantine:
    """Volumes this rank could not read, until all ranks agree to leave them out."""

    def __init__(self, data: PreparedData, comm: Comm, max_missing: float) -> None:
        self.data, self.comm, self.max_missing = data, comm, max_missing
        self._volumes = [(name, v) for name, domain in data.domains.items() for v in domain.train]
        self._found: set[tuple[str, str]] = set()

    def add(self, parts: Iterable[Batch]) -> None:
        """Only what was drawn counts, not what was read ahead, so that a rerun finds the same at the same draw."""
        for part in parts:
            self._found.update((failure.domain, failure.key) for failure in part.failures)

    def agree(self, excluded: Excluded) -> dict[str, tuple[str, ...]]:
        """All volumes to leave out from the next stage on: `excluded`, and what any rank has found since."""
        flags = [(name, volume.key) in self._found for name, volume in self._volumes]
        found = self.comm.max(torch.tensor(flags, dtype=torch.uint8)).bool().tolist()
        gone = {name: set(keys) for name, keys in excluded.items()}
        for (name, volume), bad in zip(self._volumes, found, strict=True):
            if bad:
                gone.setdefault(name, set()).add(volume.key)
        return {name: tuple(sorted(keys)) for name, keys in gone.items()}

    def check(self, excluded: Excluded) -> None:
        """Raise `TooMuchMissing` if more than `max_missing` of a domain's crops is gone."""
        for name, keys in excluded.items():
            domain = self.data.domains[name]
            part = 1 - domain.without(keys).pool / domain.pool
            if part > self.max_missing:
                raise TooMuchMissing(name, part, self.max_missing, [v.name for v in self._of(name, keys)])

    def describe(self, before: Excluded, after: Excluded) -> dict[str, Any]:
        """What is newly left out, by domain: volumes with names and causes, and the pool that is left."""
        body = {}
        for name, keys in after.items():
            new = set(keys) - set(before.get(name, ()))
            if new:
                volumes = [
                    {"key": v.key, "name": v.name, "cause": find_cause(v, self.data.crop)} for v in self._of(name, new)
                ]
                body[name] = {"volumes": volumes, "pool": self.data.domains[name].without(keys).pool}
        return body

    def _of(self, name: str, keys: Iterable[str]) -> list[PreparedVolume]:
        wanted = set(keys)
        return [v for v in self.data.domains[name].train if v.key in wanted]


def find_cause(volume: PreparedVolume, size: Sequence[int]) -> str:
    """Why a volume cannot be read, seen from here; another rank may have seen something else."""
    try:
        for crop in range(volume.crops):
            read_crop(volume, crop, size)
    except VolumeUnreadable as error:
        return error.cause
    return "it could not be read by a worker, but it can be now"
