"""What domains of one group (a modality, a site) have in common: a prior on transfer, learnt from the targets.

With K domains there are K (K - 1) transfers, more than a run can show. Where a person has said which domains are of
one group, the logarithm of transfer has a mean by pair of groups beside that by giving domain:

    log tau_ij = source_j + between_ab + a deviation,   a, b the groups of i and j

between_aa starts higher than between_ab: a draw is expected to be worth more within its group.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.int64]

WITHIN = (2.0, 0.7)  # before data, how much more a draw is worth within its group: median, sd of the logarithm
BETWEEN_SD = 0.5  # of the logarithm, of one pair of groups about what all pairs have in common
NO_GROUP = -1


def numbered(groups: list[str | None]) -> Places | None:
    """(K,) groups by number, `NO_GROUP` where there is none; None where they tell no pair of domains from another."""
    names = sorted({group for group in groups if group is not None})
    if len(set(groups)) < 2 or all(groups.count(name) < 2 for name in names):
        return None
    return np.array([NO_GROUP if group is None else names.index(group) for group in groups], dtype=np.int64)


@dataclasses.dataclass(frozen=True)
class Kinship:
    """Groups of the domains (K,) and of the targets (M,), which are those of the domains of that name."""

    domains: Places
    targets: Places

    @classmethod
    def of(cls, groups: Places | None, own: Places) -> Kinship | None:
        """None where there are no groups. own (M,): the target's place among the domains, -1 where it is none."""
        if groups is None:
            return None
        return cls(groups, np.where(own >= 0, groups[own], NO_GROUP))

    def hand_set(self, own: Places) -> Array:
        """(M, K) mean of log transfer beyond the giving domain's, before any data: all others together give a target
        what they would without groups."""
        within = np.where(self._pairs()[0], np.log(WITHIN[0]), 0.0)
        others = own[:, None] != np.arange(self.domains.size)
        total = np.where(others, np.exp(within), 0.0).sum(axis=1) / np.maximum(others.sum(axis=1), 1)
        return np.asarray(within - np.log(np.where(total > 0, total, 1.0))[:, None])

    def learnt(self, own: Places, apart: Array, load: Array) -> Array:
        """(M, K) the same given log transfers less their domain's mean, `apart`, which count by `load`."""
        base = self.hand_set(own)
        _, grouped = self._pairs()
        count = int(self.domains.max()) + 1
        block = np.where(grouped, self.targets[:, None] * count + self.domains, count * count)
        weight = np.bincount(block.ravel(), load.ravel(), count * count + 1)
        found = np.bincount(block.ravel(), (load * (apart - base)).ravel(), count * count + 1)
        diagonal = np.arange(count) * (count + 1)
        known = diagonal[weight[diagonal] > 0]
        sure = 1.0 / (1.0 / weight[known] + BETWEEN_SD**2)
        within = (sure * found[known] / weight[known]).sum() / (sure.sum() + WITHIN[1] ** -2)
        common = np.zeros(weight.size)
        common[diagonal] = within
        shift = (found + common / BETWEEN_SD**2) / (weight + BETWEEN_SD**-2)
        shift[-1] = 0.0
        return np.asarray(base + shift[block])

    def _pairs(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(M, K): of one group; both of some group."""
        grouped = (self.targets[:, None] != NO_GROUP) & (self.domains != NO_GROUP)
        return grouped & (self.targets[:, None] == self.domains), grouped
