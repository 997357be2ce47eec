"""Mixtures within bounds: nearest to a wish, under ceilings, and carried over to another set of domains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from policies.records import Domain


def within_bounds(shares: Mapping[str, float], domains: Sequence[Domain]) -> dict[str, float]:
    """The mixture nearest to `shares` (least squares) that keeps each domain's share bounds."""
    low, high = -1.0, 1.0
    bounds = [(shares[d.name], d.min_share, d.max_share) for d in domains]
    if all(lo <= share <= hi for share, lo, hi in bounds):
        return dict(shares)

    def clipped(shift: float) -> list[float]:
        return [min(max(share + shift, lo), hi) for share, lo, hi in bounds]

    for _ in range(200):  # bisection on the one multiplier of the projection
        middle = 0.5 * (low + high)
        low, high = (middle, high) if math.fsum(clipped(middle)) < 1 else (low, middle)
    moved = clipped(0.5 * (low + high))
    total = math.fsum(moved)
    return {domain.name: share / total for domain, share in zip(domains, moved, strict=True)}


def pour(shares: Mapping[str, float], most: Mapping[str, float]) -> dict[str, float]:
    """A mixture as near in ratios to `shares` as the ceilings `most` (which sum to 1 or more) allow."""
    fixed: dict[str, float] = {}
    while True:
        free = {name: share for name, share in shares.items() if name not in fixed}
        room, total = 1.0 - math.fsum(fixed.values()), math.fsum(free.values())
        if total <= 0:  # what is left has no share to go by: fill the ceilings alike
            open_room = {name: most[name] - share for name, share in fixed.items()} | {n: most[n] for n in free}
            spare = math.fsum(open_room.values())
            return {name: fixed.get(name, 0.0) + room * open_room[name] / max(spare, 1e-300) for name in shares}
        over = {name: most[name] for name, share in free.items() if share / total * room > most[name]}
        if not over:
            return {name: fixed[name] if name in fixed else shares[name] / total * room for name in shares}
        fixed.update(over)


def carry_over(shares: Mapping[str, float], domains: Sequence[Domain]) -> dict[str, float]:
    """`shares` over a new set of domains: newcomers get 1/K each, the others keep their ratios."""
    names = [domain.name for domain in domains]
    stay = {name: shares[name] for name in names if name in shares}
    newcomers, kept = len(names) - len(stay), math.fsum(stay.values())
    room = 1.0 - newcomers / len(names)
    if kept <= 0:
        return within_bounds(dict.fromkeys(names, 1.0 / len(names)), domains)
    mixed = {name: stay[name] / kept * room if name in stay else 1.0 / len(names) for name in names}
    return within_bounds(mixed, domains)
