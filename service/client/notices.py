"""What a run says of its steering: mixtures at INFO, trouble at WARNING, on the logger `isthmus`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from service.client.cures import REFUSALS, follows
from service.client.errors import BadValue, ClientError

log = logging.getLogger("isthmus")
AGAIN_SECONDS = 600.0  # a cause that goes on is said again after so long, with how often it came
MOST_CAUSES = 1_000  # remembered
UNSTEERED_AFTER = 3  # refusals in a row
SHOWN_CHANGE = 0.0005  # of a share; less does not show in a line with one decimal of a per cent
# The reasons that the service gives, in words.
_REASONS = {
    "start": "what the run begins with",
    "burn-in": "losses have not settled yet",
    "probe": "chosen to learn what a draw of each domain is worth",
    "refit": "the laws were fitted again, and the mixture follows their plan",
    "hold": "no answer came in time",
    "advise": "the policy only advises",
    "paused": "the policy is paused",
    "fixed": "fixed from the start",
    "offline": "the service has not been reached yet",
    "finished": "the budget is spent",
}


class Notices:
    """Each cause once, then at a pace; `rank` is named where several train together.

    `channel` also gets the lines at INFO where the logger `isthmus` shows them nowhere: a framework's own log.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.rank: int | None = None
        self.lead = True  # rank 0 alone says what goes well
        self.channel: Callable[[str], None] | None = None
        self._said: dict[str, tuple[float, int]] = {}  # by cause: when it was said last, how often it came
        self._refused = 0
        self._shown: dict[str, float] = {}

    def warn(self, error: Exception) -> None:
        """Something is wrong with the loop or the service."""
        name = type(error).__name__
        if isinstance(error, REFUSALS):
            self._refused += 1
        about = error.about if isinstance(error, ClientError) else str(error)
        if isinstance(error, BadValue) and not about:
            about = str(error).partition(" is ")[0]  # the same mistake with another value is the same
        lost = isinstance(error, BadValue)
        cure = "" if str(error).endswith(follows(error)) else f"; {follows(error)}"
        text = f"{error}{cure}" if lost else f"the mixture is kept: {name}: {error}{cure}"
        self.repeat(f"{name}:{about}", text)
        if self._refused == UNSTEERED_AFTER and isinstance(error, REFUSALS):
            self.repeat("unsteered", f"{self._refused} reports in a row were refused: THIS RUN IS NOT STEERED; {error}")

    def repeat(self, cause: str, text: str) -> None:
        """A warning, said once and then again at a pace."""
        last, times = self._said.get(cause, (-AGAIN_SECONDS, 0))
        times += 1
        if len(self._said) >= MOST_CAUSES:
            self._said.clear()
        if times == 1 or self._clock() - last >= AGAIN_SECONDS:
            last = self._clock()
            log.warning("%s%s%s", self._who(), text, "" if times == 1 else f" ({times} times so far)")
        self._said[cause] = last, times

    def works(self, text: str = "the service answers again; steering goes on") -> None:
        """What was wrong outside the loop is over, and may be said anew."""
        ended = [cause for cause in self._said if not cause.startswith(("BadValue", "UnknownName", "loop"))]
        if ended:
            self.line(text)
        for cause in ended:
            del self._said[cause]
        self._refused = 0

    def line(self, text: str) -> None:
        """One line at INFO, on rank 0."""
        if not self.lead:
            return
        log.info("%s", text)
        if self.channel is not None and not (log.isEnabledFor(logging.INFO) and log.hasHandlers()):
            self.channel(text)

    def mixture(self, position: int, weights: Mapping[str, float], reason: str, detail: str = "") -> None:
        """A line for a mixture that differs from the one shown last."""
        names = {**self._shown, **weights}
        if all(abs(weights.get(name, 0.0) - self._shown.get(name, 0.0)) < SHOWN_CHANGE for name in names):
            return
        self._shown = dict(weights)
        shares = ", ".join(f"{name} {share:.1%}" for name, share in weights.items())
        self.line(f"mixture from draw {position:,} on: {shares} ({in_words(reason, detail)})")

    def _who(self) -> str:
        return "" if self.rank is None else f"rank {self.rank}: "


def in_words(reason: str, detail: str = "") -> str:
    """'refit: the laws were fitted again, ...': the service's code, what it means, and its own sentence."""
    meaning = _REASONS.get(reason, "")
    return ": ".join([reason, "; ".join(part for part in (meaning, detail) if part)]).removesuffix(": ")
