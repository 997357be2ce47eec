"""How torch, CUDA and Python say that there is no memory left."""

from __future__ import annotations

import errno

SIGNS = (
    "out of memory", "can't allocate memory", "Cannot allocate memory", "ALLOC_FAILED", "size calculation overflowed",
    "not enough memory", "bad_alloc", "cudaErrorMemoryAllocation",
)  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no memory left; torch on a CPU raises a bare `RuntimeError` for that."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)
    )
