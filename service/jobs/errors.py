"""What can go wrong with a job, named after what to do next."""

from __future__ import annotations


class BadJob(ValueError):
    """What was asked for does not fit: name another job or run, or stop the one that is there."""


class JobEnded(RuntimeError):
    """The job ended before it had begun to work: see to the cause, then submit again."""


class JobsUnreachable(RuntimeError):
    """The cluster's Jobs server does not answer: see to the Ray head or to the address, then ask again."""
