"""Errors named after what the caller should do next."""

from __future__ import annotations


class BadData(ValueError):
    """The data cannot be used as described: mend the configuration or the files, then start again."""


class NoRoom(OSError):
    """The disk cannot hold the cache: free space or point `data.cache` elsewhere, then start again."""


class VolumeUnreadable(RuntimeError):
    """A cached volume cannot be read: quarantine the item `key` and go on without it.

    The message holds only names that may be shown (see `PreparedVolume.name`). It survives pickling,
    so it can cross from a loader worker to the trainer.
    """

    def __init__(self, key: str, name: str, cause: str) -> None:
        super().__init__(key, name, cause)
        self.key, self.name, self.cause = key, name, cause

    def __str__(self) -> str:
        return f"volume '{self.name}' (key {self.key}) cannot be read: {self.cause}"
