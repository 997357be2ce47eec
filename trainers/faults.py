"""Where a test may kill this process: `reach(point)` does nothing unless the environment asks for it.

``ISTHMUS_FAULT="point:count:marker"`` kills the process with SIGKILL once it has reached `point`
`count` times: the file `marker` is made first, with the process id in it, and nobody dies while it
exists. A test that removes it has the next process die that passes. Several faults are separated by ``;``.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

VARIABLE = "ISTHMUS_FAULT"
_reached: Counter[str] = Counter()


def reach(point: str) -> None:
    """Die here if the environment says so."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    _reached[point] += 1
    for fault in wanted.split(";"):
        name, count, marker = fault.split(":", 2)
        if name == point and _reached[point] >= int(count) and _claim(marker):
            os.kill(os.getpid(), signal.SIGKILL)


def _claim(marker: str) -> bool:
    """Make the marker file; False if it is there already. Atomic, so that of several ranks only one dies."""
    try:
        handle = os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    os.write(handle, str(os.getpid()).encode())
    os.close(handle)
    return True
