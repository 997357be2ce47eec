"""Why a run stopped. None of these is cured by starting the workers again, so none is retried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class RunStopped(RuntimeError):
    """The run cannot go on as it is; its last good checkpoint is kept. Raised on all ranks alike."""

    def __reduce__(self) -> tuple[Any, ...]:
        """By its sentence, so that it crosses from a worker to the driver whatever its arguments were."""
        return _rebuild, (type(self), str(self))


def _rebuild(kind: type[RunStopped], message: str) -> RunStopped:
    error = kind.__new__(kind)
    RuntimeError.__init__(error, message)
    return error


class NonFiniteLoss(RunStopped):
    """Ten steps in a row gave a loss or gradient that is not finite: lower the learning rate or look at the data."""

    def __init__(self, position: int, steps: int, checkpoint: str | None) -> None:
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint yet"
        super().__init__(
            f"{steps} steps in a row up to draw {position} had a loss or gradient that is not finite; {kept}. "
            "Lower train.lr or train.clip, or set train.precision to fp32"
        )


class TooMuchMissing(RunStopped):
    """More of a domain than `max_missing` turned out unreadable: mend the files and prepare the data again."""

    def __init__(self, domain: str, part: float, limit: float, names: Sequence[str]) -> None:
        super().__init__(
            f"{part:.0%} of the crops of domain '{domain}' cannot be read, above train.max_missing = {limit:.0%}: "
            f"{', '.join(names)}. Mend these files, or raise max_missing, and resume"
        )


class CheckpointFailed(RunStopped):
    """A checkpoint could not be written: free space (or mend the disk) and resume."""

    def __init__(self, folder: str, cause: str, kept: str | None) -> None:
        last = f"the last good checkpoint is {kept}" if kept else "there is no earlier checkpoint"
        super().__init__(f"cannot write a checkpoint in {folder}: {cause}; {last}. Free space there and resume")


class CheckpointsDamaged(RunStopped):
    """No checkpoint can be read, though there are some: put one back, or say that the run may begin again."""

    def __init__(self, folder: str, damaged: Sequence[str]) -> None:
        super().__init__(
            f"no checkpoint in {folder} can be taken up: {'; '.join(damaged)}. Put one of them back from a copy, "
            "or begin at draw 0 again with: isthmus pretrain --resume RUN --from-start"
        )


class ResumeRefused(RunStopped):
    """The checkpoints belong to another run: set the value back, or give the run another name."""

    def __init__(self, field: str, before: object, now: object) -> None:
        super().__init__(
            f"cannot resume: {field} was {before} when the run was started and is {now} now; "
            "set it back, or start a run with another name"
        )


class OutOfMemory(RunStopped):
    """Batch, crop and model do not fit the memory: set what the sentence says, and resume."""


class ScheduleDiffers(RuntimeError):
    """The ranks hold different schedules: a fault of the program; a restart reads it from the checkpoint again."""


class AdvisorSilent(RuntimeError):
    """Nobody gave a first mixture: see to the advisor; a restart asks again."""
