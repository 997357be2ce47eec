"""Large bodies on their way to the disk: the numbers apart from the text around them, both compressed.

A law of sixty domains is eleven thousand numbers between as many names. As JSON text such a body takes three
to five times the space it needs: names repeat, and digits are a poor way to write binary fractions. So the
floating-point numbers go into one array, the eight bytes of each into eight planes (of rounded numbers the low
planes are nought), and what is left of the text has 0.0 in the place of each. Read back, it is the same text to
the last digit: the chain of digests is over that text and knows nothing of this.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from array import array
from collections.abc import Mapping
from typing import Any

from service.journal.event import canonical

LEAST_TEXT = 4_096  # characters; shorter bodies stay text, which people can read
LEAST_NUMBERS = 128  # fewer are not what makes a body large
_FORMAT = 1  # first byte of what is packed
_HEAD = struct.Struct("<BI")  # format, length of the compressed text
_BYTES = 8  # of a number
_LEVEL = 1  # of zlib; higher ones take twice the time for 3 % of the size


def pack(text: str) -> bytes | None:
    """The canonical JSON `text` of a body, packed; None where it is better left as it is."""
    if len(text) < LEAST_TEXT:
        return None
    numbers = array("d")

    def take(token: str) -> float:
        numbers.append(float(token))
        return 0.0

    left = json.loads(text, parse_float=take)
    if len(numbers) < LEAST_NUMBERS:
        return None
    if sys.byteorder == "big":
        numbers.byteswap()
    raw = numbers.tobytes()
    planes = b"".join(raw[plane::_BYTES] for plane in range(_BYTES))
    words = zlib.compress(canonical(left).encode("ascii"), _LEVEL)
    return _HEAD.pack(_FORMAT, len(words)) + words + zlib.compress(planes, _LEVEL)


def unpack(packed: bytes) -> Any:
    """The body that `pack` was given the text of; `ValueError` for a format of a newer version."""
    found, length = _HEAD.unpack_from(packed)
    if found != _FORMAT:
        raise ValueError(f"a body of the journal has format {found}, which this version of Isthmus does not know")
    words = zlib.decompress(packed[_HEAD.size : _HEAD.size + length])
    planes = zlib.decompress(packed[_HEAD.size + length :])
    raw, count = bytearray(len(planes)), len(planes) // _BYTES
    for plane in range(_BYTES):
        raw[plane::_BYTES] = planes[plane * count : (plane + 1) * count]
    numbers = array("d")
    numbers.frombytes(bytes(raw))
    if sys.byteorder == "big":
        numbers.byteswap()
    left = iter(numbers)
    return json.loads(words, parse_float=lambda _: next(left))


def columns(name: str, text: str) -> dict[str, Any]:
    """What a row holds of `text`: in the column `name`, or packed."""
    packed = pack(text)
    return {name: text if packed is None else "", "packed": packed}


def read(text: str, packed: bytes | None) -> Mapping[str, Any]:
    """The body of a row that `columns` made, or of one from before there were any."""
    body: Mapping[str, Any] = json.loads(text) if packed is None else unpack(packed)
    return body
