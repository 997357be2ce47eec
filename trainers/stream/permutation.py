"""A random order of a pool in O(1) memory: where place p of epoch e lies, without a list of the pool."""

from __future__ import annotations

import numpy as np

from trainers.stream.counter import Ints, Words

_ROUNDS = 12
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SALT = 0xD1342543DE82EF95


def permute(place: Ints, pool: Ints, epoch: Ints, key: Words) -> Ints:
    """Element of the pool at `place`, all arguments (n,); a bijection of [0, pool) for each (key, epoch).

    A Feistel network over Z_a x Z_b with a b the least cover of the pool, a about its root; places
    that it sends beyond the pool are sent on until they fall into it (cycle walking), which takes
    no more than a step or two because a b < pool + a.
    """
    rows = np.ceil(np.sqrt(pool.astype(np.float64))).astype(np.int64)
    columns = -(-pool // rows)
    keys = _mix(key + _GOLDEN * epoch.astype(np.uint64))
    out = np.empty_like(place)
    todo, at = np.arange(len(place)), place
    while len(todo):
        at = _feistel(at, rows[todo], columns[todo], keys[todo])
        inside = at < pool[todo]
        out[todo[inside]] = at[inside]
        todo, at = todo[~inside], at[~inside]
    return out


def _feistel(value: Ints, rows: Ints, columns: Ints, keys: Words) -> Ints:
    left, right = value // columns, value % columns
    for number in range(0, _ROUNDS, 2):
        left = (left + _round(keys, number, right, rows)) % rows
        right = (right + _round(keys, number + 1, left, columns)) % columns
    out: Ints = left * columns + right
    return out


def _round(keys: Words, number: int, half: Ints, size: Ints) -> Ints:
    """A number in [0, size) that depends on the key, the round and the other half."""
    salt = np.uint64((number + 1) * _SALT % 2**64)
    return (_mix((keys ^ salt) + _GOLDEN * half.astype(np.uint64)) % size.astype(np.uint64)).astype(np.int64)


def _mix(x: Words) -> Words:
    """The finaliser of SplitMix64: every bit of the result depends on every bit of `x`."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
