"""What the blocking and the asyncio client have in common: settings, queue, and whom they speak of."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from service.client.conversation import Conversation
from service.client.errors import ClientError, WrongSettings
from service.client.outbox import Outbox
from service.client.settings import Settings


class Speaker:
    """Knows the service, the allocation and what waits to be sent; how it is sent is the subclass's."""

    def __init__(self, settings: Settings, allocation: str | None, queue: str | os.PathLike[str] | None) -> None:
        self._process = os.getpid()
        self._outbox = None if queue is None else Outbox(None if queue == ":memory:" else queue)
        self._talk = Conversation(settings, allocation, self._outbox)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._talk.settings.url!r})"

    @property
    def allocation(self) -> str:
        """Id of the allocation that is spoken of; raises `WrongSettings` before there is one."""
        return self._talk.allocation

    @property
    def queued(self) -> int:
        """Reports that wait to be acknowledged."""
        return 0 if self._outbox is None else len(self._outbox)

    @property
    def ready(self) -> bool:
        """A report can be sent, or queued."""
        return self._talk.ready

    def use(self, allocation: str) -> None:
        """Speak of another allocation from now on."""
        self._talk.use(allocation)

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._talk.settings.url

    @property
    def path(self) -> str | None:
        """The queue file; None where reports wait in memory, or do not wait."""
        return None if self._outbox is None or self._outbox.path is None else str(self._outbox.path)

    @property
    def trouble(self) -> ClientError | None:
        """Why the service could not be reached when it last could not."""
        return self._talk.trouble

    @property
    def deadline(self) -> float:
        """Seconds that a call may take with all its retries."""
        return self._talk.settings.deadline

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Calls made in here give up after `seconds`, if not before."""
        self._talk.limit = seconds
        try:
            yield
        finally:
            self._talk.limit = None

    def _here(self) -> bool:
        return os.getpid() == self._process

    def _check_process(self) -> None:
        """A forked child shares connections and the queue file with its parent, and must touch neither."""
        if not self._here():
            raise WrongSettings(
                f"this client was made by process {self._process} and is used in process {os.getpid()}, which was "
                f"forked from it; make a client in the process that uses it, with a queue file of its own"
            )

    def _let_go(self) -> None:
        """Of the queue file; what waits stays in it."""
        if self._outbox is not None:
            self._outbox.close()
