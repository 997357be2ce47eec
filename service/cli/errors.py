"""Exit codes: 0 done, 2 wrong input, 1 a failure during the work; one sentence on stderr, never a traceback."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

DONE, FAILED, WRONG_INPUT = 0, 1, 2
LONGEST = 1500  # characters; an error that carries a traceback of another process has no end
DEBUG_VARIABLE = "ISTHMUS_DEBUG"

log = logging.getLogger(__name__)


@contextmanager
def reported() -> Iterator[None]:
    """Turn what a command raises into one sentence and an exit code; ISTHMUS_DEBUG=1 shows the traceback too."""
    try:
        yield
    except KeyboardInterrupt:
        fail("stopped", FAILED)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            log.exception("the command failed")
        fail(sentence(error), exit_code(error))


def exit_code(error: BaseException) -> int:
    """2 where mending the input helps (`ValueError`: configuration, data, model, report, plan), else 1.

    Checkpoints that are all damaged are 2 as well: nothing was begun, and trying again does not help.
    """
    from trainers.loop.errors import CheckpointsDamaged, ResumeRefused

    return WRONG_INPUT if isinstance(error, ValueError | ResumeRefused | CheckpointsDamaged) else FAILED


def sentence(error: BaseException) -> str:
    """The error in one line; an error that nobody wrote a sentence for is named by its type."""
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    written = type(error).__module__.split(".")[0] in ("policies", "trainers", "service")
    if isinstance(error, OSError) and error.strerror and not written:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        return f"{text}; what was written before is kept"
    return text if written and text else f"{type(error).__name__}: {text}"


def fail(text: str, code: int) -> None:
    print(f"isthmus: {text}", file=sys.stderr)
    raise SystemExit(code)
