"""Random numbers as a pure function of (seed, purpose, index): no state, any order, any process.

Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11), written over
arrays of counters, because one numpy generator for each draw would cost more than reading it.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_WORDS_PER_BLOCK = 4


def key_for(seed: int, *purpose: object) -> int:
    """A 64-bit key; different seeds or purposes give unrelated numbers."""
    text = repr((int(seed), *map(str, purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def philox(key: int, low: Words, high: Words) -> tuple[Words, Words, Words, Words]:
    """Four 32-bit words (in uint64) for each 128-bit counter made of `low` and `high`."""
    a, b, c, d = low & _LOW, low >> _HALF, high & _LOW, high >> _HALF
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(_ROUNDS):
        p, q = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = (q >> _HALF) ^ b ^ np.uint64(k0), q & _LOW, (p >> _HALF) ^ d ^ np.uint64(k1), p & _LOW
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return a, b, c, d


def words(key: int, index: Ints, count: int) -> npt.NDArray[np.uint32]:
    """`count` random 32-bit words for each of `index` (n,), as (n, count)."""
    blocks = -(-count // _WORDS_PER_BLOCK)
    low = np.arange(blocks, dtype=np.uint64)[np.newaxis]
    low, high = np.broadcast_arrays(low, index.astype(np.uint64)[:, np.newaxis])
    out = np.stack(philox(key, low, high), axis=-1)
    return out.reshape(len(index), blocks * _WORDS_PER_BLOCK)[:, :count].astype(np.uint32)


def orders(key: int, index: Ints, count: int) -> Ints:
    """A random order of 0 .. count-1 for each of `index` (n,), as (n, count)."""
    return np.argsort(words(key, index, count), axis=1, kind="stable").astype(np.int64)
