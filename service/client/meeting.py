"""Where ranks meet: each brings what it has, its place in the loop, and what went wrong with it."""

from __future__ import annotations

import contextlib
import re
import threading
from typing import Any

from service.client.errors import ClientError, RankFailed, RanksApart
from service.client.group import Group

LEAVE_SECONDS = 3.0  # a rank that closes waits so long for the others to do so
LEFT = "close"
MOST_SHOWN = 200  # characters of a launcher's own words


class Meeting:
    """One gather for everything, so that no rank waits for another that has met an error or has gone.

    `apart` says why the ranks do not meet any more; it stays None while they do.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self.rank, self.size = group.rank, group.size
        self.apart: str | None = None

    def gather(self, place: str, value: Any, wrong: Exception | None = None) -> list[Any]:
        """What every rank brought, by rank. `place`: the call that this rank is in, the same on all.

        Raises, on every rank: this rank's own `wrong`; `RankFailed` for another's; `RanksApart` where a rank is
        elsewhere or has gone.
        """
        if self.apart is not None:
            raise RanksApart(self.apart)
        if self.size == 1:
            if wrong is not None:
                raise wrong
            return [value]
        try:
            seen = self._group.gather((place, None if wrong is None else _said(wrong), value))
        except Exception as error:  # gloo says that a peer has gone, or has not come in time, in many ways
            # gloo's own words begin with a place in its source and end with guesses.
            cause = re.sub(r"^\[[^]]*\] *", "", " ".join(str(error).split())).split(". ")[0][:MOST_SHOWN]
            raise self._part(f"another rank has gone, or does not answer: {cause}") from error
        left = [rank for rank, (there, _, _) in enumerate(seen) if there == LEFT]
        failed = [(rank, cause) for rank, (_, cause, _) in enumerate(seen) if cause is not None]
        if left:
            why = "".join(f"; rank {rank}: {cause}" for rank, cause in failed[:1])
            raise self._part(f"rank {left[0]} has closed its callback, and rank {self.rank} is in {place}{why}")
        if len({there for there, _, _ in seen}) > 1:
            other = next(rank for rank, (there, _, _) in enumerate(seen) if there != place)
            where = f"rank {other} is in {seen[other][0]}, and rank {self.rank} in {place}"
            raise self._part(f"{where}; every rank must make the same calls")
        if wrong is not None:
            raise wrong
        if failed:
            raise RankFailed(*failed[0])
        return [value for _, _, value in seen]

    def leave(self, why: BaseException | None = None) -> None:
        """This rank goes; others that go on hear of it where they meet next, and do not wait.

        Waits a moment for those that go, too; not where an exception is on its way.
        """
        if self.size == 1 or self.apart is not None:
            return
        self.apart = "this callback is closed"
        cause = None if why is None else _said(why)
        thread = threading.Thread(target=self._answer_once, args=(cause,), name="isthmus-leave", daemon=True)
        thread.start()
        thread.join(LEAVE_SECONDS if why is None else 0.1)

    def _answer_once(self, cause: str | None) -> None:
        with contextlib.suppress(Exception):  # the others are gone already
            self._group.gather((LEFT, cause, None))

    def _part(self, why: str) -> RanksApart:
        self.apart = f"{why}; the mixture stays as it is and is not steered any more"
        return RanksApart(self.apart)


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, ClientError) else f"{type(error).__name__}: {error}"
