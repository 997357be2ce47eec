"""One process, and one client in it, per queue file."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import BinaryIO

from service.client.errors import QueueInUse

_HELD: set[str] = set()
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class FileLock:
    """Held until `release` or the end of the process; raises `QueueInUse` where somebody else has it, and `OSError`
    where the file cannot be made.

    A record lock of the process, not of the open file: worker processes that a data loader forks must not keep it
    when their parent dies.
    """

    def __init__(self, path: Path) -> None:
        self._name, self._owner = str(path.resolve()), os.getpid()
        if self._name in _HELD:
            raise QueueInUse(f"queue '{path}' is in use by another client of this process; name another file")
        self._file: BinaryIO = path.open("ab")
        try:
            _lock(self._file)
        except OSError as error:
            self._file.close()
            if error.errno not in _TAKEN:
                raise
            raise QueueInUse(f"queue '{path}' is in use by another process; name another file") from None
        _HELD.add(self._name)

    def release(self) -> None:
        if not self._file.closed and self._owner == os.getpid():
            _HELD.discard(self._name)
            self._file.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
