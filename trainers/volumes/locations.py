"""From the texts of a configuration to places on disk: what is a pattern, and what is only spelt like one.

Signs of a pattern count only where the user wrote them in `path`: not in the root folder, not in the value of an
environment variable, not in the name of a folder that is there. A path that exists as it is written is that path.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from trainers.config.text import VARIABLE


def expand(text: str, root: Path) -> Path:
    """The path that a text names, relative to `root`, with `~` and environment variables.

    A name that is there in another Unicode form, as some systems write it, is that one.
    """
    path = Path(os.path.abspath(root / os.path.expanduser(os.path.expandvars(text))))
    return path if os.path.lexists(path) or str(path).isascii() else _as_stored(path)


def _as_stored(path: Path) -> Path:
    """The path with each name in the Unicode form that it has on disk; as it is where that leads nowhere."""
    found = Path(path.anchor)
    for name in path.parts[1:]:
        if not name.isascii() and not os.path.lexists(found / name):
            try:
                name = next(n for n in sorted(os.listdir(found)) if composed(n) == composed(name))
            except (OSError, StopIteration):
                return path
        found /= name
    return found


def composed(text: str) -> str:
    """One form of all that Unicode writes in several."""
    return unicodedata.normalize("NFC", text)


def pattern_of(text: str, root: Path) -> tuple[str, Path] | None:
    """The text as a pattern for `glob` and the folder above its first sign; None where it has no sign."""
    if not glob.has_magic(text):
        return None
    whole = VARIABLE.sub(lambda m: glob.escape(os.environ.get(m[1] or m[2], m[0])), text)
    if whole.startswith("~"):
        head, slash, tail = whole.partition("/")
        whole = glob.escape(os.path.expanduser(head)) + slash + tail
    if not os.path.isabs(whole):
        whole = f"{glob.escape(str(root))}/{whole}"
    base = Path("/")
    parts = [part for part in os.path.normpath(whole).split("/") if part]
    for number, part in enumerate(parts):
        if glob.has_magic(part) and not os.path.lexists(base / part):
            literal = _unescaped(part)
            if literal is None:
                base = base if os.path.lexists(base) else _as_stored(base)
                return f"{glob.escape(str(base))}/{'/'.join(parts[number:])}", base
            part = literal
        base = base / part
    return glob.escape(str(base)), base.parent


def _unescaped(part: str) -> str | None:
    """The name that an escaped text stands for; None where a sign of a pattern is left."""
    plain = re.sub(r"\[([*?[])\]", r"\1", part)
    return plain if glob.escape(plain) == part else None


class Exclude:
    """The user's `exclude`: which files it leaves out, how many, and which of its patterns never matched.

    A pattern is held against the file's name and its path: whole, and relative to the root or to the folder given.
    What it says of the folder given itself, or of those above, counts for nothing: that folder was asked for.
    A pattern without signs may also name a folder.
    """

    def __init__(self, patterns: Sequence[str], root: Path) -> None:
        self.counts = dict.fromkeys(patterns, 0)
        self._root = composed(str(root))

    def __call__(self, path: Path, base: Path) -> bool:
        if not self.counts:
            return False
        path, base = Path(composed(str(path))), Path(composed(str(base)))
        whole, given = str(path), str(base)
        below = _below(whole, given)
        places = [(whole, given)]
        if _below(given, self._root) is not None:
            places.append((_below(whole, self._root) or "", _below(given, self._root) or ""))
        folders = (below or "").split("/")[:-1]
        found = False
        for pattern in self.counts:
            bare = composed(pattern).removeprefix("./").rstrip("/")
            named = path.name == bare or bare in folders or fnmatch.fnmatch(path.name, bare)
            if (
                named
                or (below is not None and _means(bare, below, ""))
                or any(_means(bare, *place) for place in places)
            ):
                self.counts[pattern] += 1
                found = True
        return found

    @property
    def unused(self) -> list[str]:
        return [pattern for pattern, count in self.counts.items() if not count]


def _below(path: str, folder: str) -> str | None:
    """The path relative to the folder; None where it does not lie there."""
    if path == folder:
        return "."
    start = folder.rstrip("/") + "/"
    return path[len(start) :] if path.startswith(start) else None


def _means(pattern: str, text: str, given: str) -> bool:
    """Whether a pattern means a path for what lies below the folder given, not for that folder's own name."""
    if text == pattern or text.startswith(f"{pattern}/"):
        return not f"{given}/".startswith(f"{pattern}/")
    matched = fnmatch.fnmatch(text, pattern) or (text[:1] != "/" and fnmatch.fnmatch(f"./{text}", pattern))
    return matched and not fnmatch.fnmatch(f"{given}/", pattern)
