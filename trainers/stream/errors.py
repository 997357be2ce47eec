"""Errors named after what the caller should do next."""

from __future__ import annotations


class BadStage(ValueError):
    """A stage does not fit the stream: mend its position, its mixture or its list of volumes."""


class StageTooLate(BadStage):
    """Draws at or after the stage were already handed out: start it at a later boundary."""


class StreamMismatch(ValueError):
    """The stored stream was made from other data or settings: resume with those, or start a new run."""
