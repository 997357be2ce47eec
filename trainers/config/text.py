"""Text files of the user, which must be UTF-8: what else they are is said, with the place and the cure."""

from __future__ import annotations

import codecs
from pathlib import Path

_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


class NoText(ValueError):
    """The file is not UTF-8: save it as that."""


def read_text(path: Path, *, utf16: bool = False) -> str:
    """The text without a byte order mark; `NoText` names the file, the line and the cure, `OSError` as it comes.

    utf16: whether UTF-16 with its mark will do, as spreadsheets write it.
    """
    raw = path.read_bytes()
    if utf16 and raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return raw.decode("utf-16", errors="replace")
    for mark, name in _MARKS.items():
        if raw.startswith(mark):
            raise NoText(f"{path} is {name}; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        where = f"byte 0x{raw[error.start]:02x} in line {line}"
        raise NoText(f"{path} is not UTF-8 ({where}: Latin-1, or no text at all?); save it as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise NoText(f"{path} is no text (byte 0x00 in line {line}: UTF-16 without its mark?); save it as UTF-8")
    return text
