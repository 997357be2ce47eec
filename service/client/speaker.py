"""What the blocking and the asyncio client have in common: settings, queue, and whom they speak of."""

from __future__ import annotations

import os

from service.client.conversation import Conversation
from service.client.outbox import Outbox
from service.client.settings import Settings


class Speaker:
    """Knows the service, the allocation and what waits to be sent; how it is sent is the subclass's."""

    def __init__(self, settings: Settings, allocation: str | None, queue: str | os.PathLike[str] | None) -> None:
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

    def _let_go(self) -> None:
        """Of the queue file; what waits stays in it."""
        if self._outbox is not None:
            self._outbox.close()
