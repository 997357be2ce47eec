"""What a person sees while it works: lines that stay, and on a terminal one line that moves."""

from __future__ import annotations

import shutil
import sys
import threading
from typing import TextIO

_CLEAR = "\r\x1b[2K"


class Console:
    """Lines go to `out`; `status` shows only on a terminal, so that a log file stays readable."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out if out is not None else sys.stdout
        self._moves = self._out.isatty()
        self._lock = threading.Lock()
        self._shown = False
        self._tenths: dict[str, int] = {}

    def line(self, text: str = "") -> None:
        with self._lock:
            self._wipe()
            self._out.write(f"{text}\n")
            self._out.flush()

    def status(self, text: str) -> None:
        """Replace the moving line; nothing where the output is no terminal."""
        if not self._moves:
            return
        with self._lock:
            width = shutil.get_terminal_size().columns - 1
            self._out.write(_CLEAR + text[:width])
            self._out.flush()
            self._shown = bool(text)

    def progress(self, done: int, total: int, what: str) -> None:
        """A count: each step on a terminal, every tenth in a log."""
        if self._moves:
            self.status(f"{what}: {done} of {total}")
            return
        tenth = 10 * done // max(1, total)
        if total > 20 and tenth > self._tenths.get(what, 0):
            self._tenths[what] = tenth
            self.line(f"{what}: {done} of {total}")

    def _wipe(self) -> None:
        if self._shown:
            self._out.write(_CLEAR)
            self._shown = False
