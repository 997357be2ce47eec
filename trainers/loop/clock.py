"""Where the compute goes: training or held-out evaluation."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch


class Clock:
    """CPU seconds of this process on a CPU (a busy machine does not change them), wall seconds on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._now = time.process_time if device.type == "cpu" else time.perf_counter
        self._start, self._wall = self._now(), time.perf_counter()
        self.eval_seconds = 0.0

    @property
    def train_seconds(self) -> float:
        return self._now() - self._start - self.eval_seconds

    @property
    def wall_seconds(self) -> float:
        return time.perf_counter() - self._wall

    @property
    def eval_share(self) -> float:
        return self.eval_seconds / max(self._now() - self._start, 1e-9)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        self._finish_queued_work()
        start = self._now()
        yield
        self._finish_queued_work()
        self.eval_seconds += self._now() - start

    def _finish_queued_work(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def seconds(self) -> torch.Tensor:
        """(2,) train and eval seconds, ready to be summed over ranks."""
        return torch.tensor([self.train_seconds, self.eval_seconds], dtype=torch.float64)
