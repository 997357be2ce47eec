"""A digest of the code that a cell depends on, so that no table mixes results of two versions."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import policies
from policies.rivals import RIVALS

# Parts of `policies` that only some policies run through, and those that only judge finished cells. A file that is
# named nowhere here counts for every cell: so a new one is never forgotten.
RIVAL = ("rivals", "laws/solve.py")
LAW = ("laws", "allocation", "transfer_law")
WORLDS = ("laws/pools.py", "laws/rates.py")  # parts of the laws that worlds are built of
JUDGES = ("conformance.py", *(f"tournament/{name}.py" for name in (
    "__init__", "ahead", "calibration", "figures", "goals", "paired", "resample", "static", "table",
)))  # fmt: skip
SIMPLE = ("uniform", "proportional")


def digest_of(policy: str) -> str:
    """Digest of the source behind the cells of `policy`."""
    rival = any(policy == kind.name for kind in RIVALS)
    return _digest(() if policy in SIMPLE else RIVAL if rival else LAW)


@functools.cache
def _digest(own: tuple[str, ...]) -> str:
    root = Path(policies.__file__).parent
    others = _files(root, RIVAL + LAW + JUDGES) - _files(root, WORLDS)
    found = hashlib.sha256()
    for file in sorted(set(root.rglob("*.py")) - others | _files(root, own)):
        found.update(f"{file.relative_to(root)}\0".encode())
        found.update(file.read_bytes())
    return found.hexdigest()[:12]


def _files(root: Path, parts: tuple[str, ...]) -> set[Path]:
    """The source files that `parts` are or hold."""
    return {file for part in parts for file in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))}
