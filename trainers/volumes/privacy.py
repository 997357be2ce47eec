"""Subjects without their names.

Inside, a subject is the hash of its id, so that two files of one patient meet and the split is the same on
every machine. What leaves the machine (manifest, tracker, report, log) shows that hash keyed once more with
a project key, which cannot be undone by trying all patient numbers. The key is the environment's
ISTHMUS_PROJECT_KEY, or else a random one made once and kept beside the cache (`project.key`, mode 0600).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from trainers.volumes.files import make_folder, write_atomic
from trainers.volumes.subjects import canonical

KEY_VARIABLE = "ISTHMUS_PROJECT_KEY"


def subject_hash(subject: str, dataset: str = "") -> str:
    """The subject as it is known inside: 16 hex digits, the same everywhere; `dataset` is its name space."""
    space = f"{canonical(dataset)}\0" if dataset else ""
    return hashlib.sha256(f"isthmus subject {space}{subject}".encode()).hexdigest()[:16]


def project_key(cache: Path) -> bytes:
    """The secret that hides subjects in all that leaves the machine; made on first use."""
    given = os.environ.get(KEY_VARIABLE)
    if given:
        return given.encode()
    file = make_folder(cache) / "project.key"
    if not file.exists():
        write_atomic(file, secrets.token_hex(32).encode(), mode=0o600)
    return file.read_bytes()


def shown_subject(subject: str, key: bytes) -> str:
    """A subject hash as it may be shown: 8 hex digits under the project key."""
    return hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()[:8]


def scrub(text: str, words: list[str], instead: str = "_") -> str:
    """`text` with every one of `words` (two characters or more, in any case) replaced."""
    for word in sorted(filter(lambda w: len(w) > 1, words), key=len, reverse=True):
        text = re.sub(re.escape(word), instead, text, flags=re.IGNORECASE)
    return text
