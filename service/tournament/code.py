"""A digest of the code that a cell depends on, so that no table mixes results of two versions."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import policies
from policies.rivals import RIVALS

# Parts of `policies` that every cell runs through, and those that only some policies do.
EVERYWHERE = (
    "bounds.py", "history.py", "intake.py", "policy.py", "records", "simple", "worlds", "laws/pools.py",
    "laws/rates.py", "tournament/cell.py", "tournament/plan30.py", "tournament/own_power.py", "tournament/result.py",
    "tournament/rollout.py",
)  # fmt: skip
RIVAL = ("rivals", "laws/solve.py")
LAW = ("laws", "allocation", "transfer_law")
SIMPLE = ("uniform", "proportional")


def digest_of(policy: str) -> str:
    """Digest of the source behind the cells of `policy`."""
    rival = any(policy == kind.name for kind in RIVALS)
    return _digest(EVERYWHERE + (() if policy in SIMPLE else RIVAL if rival else LAW))


@functools.cache
def _digest(parts: tuple[str, ...]) -> str:
    root = Path(policies.__file__).parent
    files = sorted({file for part in parts for file in _files(root / part)})
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.relative_to(root)}\0".encode())
        found.update(file.read_bytes())
    return found.hexdigest()[:12]


def _files(path: Path) -> list[Path]:
    return [path] if path.suffix == ".py" else list(path.rglob("*.py"))
