"""What an allocation is called in its store."""

from __future__ import annotations

import hashlib


def allocation_id(project: str, name: str) -> str:
    """The same name in the same project is the same allocation, so that whoever begins it may ask twice."""
    return f"a-{hashlib.sha256(f'{project}/{name}'.encode()).hexdigest()[:16]}"
