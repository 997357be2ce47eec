"""From the axes of an array to three extents and a number of frames."""

from __future__ import annotations

from collections.abc import Sequence

from trainers.volumes.refused import Refused


def three(extents: Sequence[int], what: str) -> tuple[tuple[int, int, int], int]:
    """Extents and frames of an array of 2 to 5 axes; trailing axes of one are no axes."""
    extents = tuple(int(n) for n in extents)
    text = "x".join(map(str, extents))
    if any(n < 1 for n in extents):
        raise Refused(f"shape {text}", "its extents must be positive; mend the header")
    while len(extents) > 3 and extents[-1] == 1:
        extents = extents[:-1]
    text = "x".join(map(str, extents))
    if len(extents) < 3 or 1 in extents[:3]:
        raise Refused(f"shape {text}", "one slice is no volume; leave it out or join the slices")
    if len(extents) > 4:
        raise Refused(f"shape {text}", f"{what} with vectors for voxels; give a scalar volume")
    return (extents[0], extents[1], extents[2]), extents[3] if len(extents) == 4 else 1
