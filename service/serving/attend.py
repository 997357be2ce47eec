"""Whether the Ray that the service stands on still lives: without it nothing answers, and nothing else would notice.

Ray's own calls wait minutes for a cluster that is gone. So the process ends itself at once, for a
supervisor to start it again; all that was answered is in the store.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.5
SAID = (
    "isthmus: the Ray that the service runs on is gone; what was answered is in the store. "
    "Start the service again, on its cluster once that is back"
)


@contextmanager
def attended(raylet: str, leave: Callable[[], None] | None = None) -> Iterator[None]:
    """For the time of a `with` block, `leave` (by default: exit code 1) when nothing listens at the socket `raylet`."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            if not listens(raylet):
                (leave or _end)()
                return

    thread = threading.Thread(target=look, name="attend", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def listens(path: str) -> bool:
    """Whether a process listens at the Unix socket; one that is too busy to answer does."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(2)
        try:
            one.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True


def _end() -> None:
    print(SAID, file=sys.stderr, flush=True)
    os._exit(1)  # an orderly end would ask Ray, and wait for it
