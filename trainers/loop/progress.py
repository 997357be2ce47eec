"""progress.json: where a run is, for a progress line in another process. Never in the way of training."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any


class ProgressFile:
    """Renewed at most every `seconds`, whole or not at all; a full disk is the checkpoint's affair."""

    def __init__(self, run_dir: Path, seconds: float) -> None:
        self._path, self._seconds = run_dir / "progress.json", seconds
        self._last = -math.inf

    def due(self) -> bool:
        return time.monotonic() - self._last >= self._seconds

    def write(self, body: dict[str, Any]) -> None:
        self._last = time.monotonic()
        beside = self._path.with_suffix(".tmp")
        with contextlib.suppress(OSError):
            beside.write_text(json.dumps(_plain(body) | {"at": time.time()}, allow_nan=False))
            os.replace(beside, self._path)


def read_progress(run_dir: str | Path) -> dict[str, Any] | None:
    """The last state written, or None if there is none yet. NaN comes back as null."""
    try:
        body: dict[str, Any] = json.loads((Path(run_dir) / "progress.json").read_text())
    except (OSError, ValueError):
        return None
    return body


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
