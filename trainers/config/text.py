"""Text files of the user: UTF-8, or UTF-16 with its mark. What else they are is said, with the place and the cure."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path

VARIABLE = re.compile(r"\$(\w+)|\$\{([^}]+)\}")

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


class NoText(ValueError):
    """The file is no text that is read here: save it as UTF-8."""


def read_text(path: Path, *, most_bytes: int | None = None) -> str:
    """The text without a byte order mark; `NoText` names the file, the place and the cure, `OSError` as it comes."""
    with path.open("rb") as file:
        raw = file.read() if most_bytes is None else file.read(most_bytes + 1)
    if most_bytes is not None and len(raw) > most_bytes:
        raise NoText(f"{path} is larger than {most_bytes >> 20} MiB, which no such file is; give the right one")
    if raw.startswith(_UTF32):
        raise NoText(f"{path} is UTF-32; save it as UTF-8")
    try:
        text = raw.decode("utf-16" if raw.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        where = f"byte 0x{raw[error.start]:02x} in line {line}, column {column}"
        guess = "UTF-16 without its mark" if b"\0" in raw else "Latin-1"
        raise NoText(f"{path} is not UTF-8 ({where}: {guess}, or no text at all?); save it as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise NoText(f"{path} is no text (byte 0x00 in line {line}: UTF-16 without its mark?); save it as UTF-8")
    return text


def unknown_in(text: str) -> str:
    """What in a path cannot be filled in here, in words with the cure; empty where nothing is."""
    unset = [name for plain, braced in VARIABLE.findall(text) if (name := plain or braced) not in os.environ]
    if unset:
        return f"the environment variable {unset[0]} is not set; set it, or write the path out"
    if text.startswith("~") and os.path.expanduser(text) == text:
        return f"the home folder {text.split('/')[0]} is not known here; write the path out"
    scheme = re.match(r"[a-zA-Z][a-zA-Z0-9+]+://", text)
    return f"{scheme[0]} begins an address, not a path; fetch or mount the data and give their folder" if scheme else ""
