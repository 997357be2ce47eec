"""Tables on a terminal take its width; in a log file they take what they need."""

from __future__ import annotations

import sys

from rich.console import Console

LOG_WIDTH = 160


def screen(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(width=None if stream.isatty() else LOG_WIDTH, stderr=stderr)
