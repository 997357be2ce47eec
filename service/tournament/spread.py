"""Jobs over the cores of this machine or of a cluster, as Ray tasks; outcomes come back as they are done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from service.config.model import ClusterConfig
from service.tournament.runs_table import RunsTable

J = TypeVar("J")
R = TypeVar("R")
AT_HAND = 3  # jobs a core has waiting, so that it never waits itself
# glibc gives arrays above 128 kB back to the kernel and asks for them again: with 20 domains an eighth of the CPU time.
KEPT = str(2**30)  # bytes
ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    **dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), KEPT),
}


@contextmanager
def cores(address: str | None) -> Iterator[int]:
    """How many cores there are; a Ray that runs in this process already is used and left running."""
    import ray

    from service.pretrain.cluster import connected

    with ExitStack() as stack:
        if not ray.is_initialized():
            stack.enter_context(connected(ClusterConfig(address=address, workers=1)))
        yield max(1, int(ray.cluster_resources().get("CPU", os.cpu_count() or 1)))


def spread(function: Callable[[J, Any], R], jobs: Sequence[J], table: RunsTable | None, workers: int) -> Iterator[R]:
    """`function(job, table)` of each job, in the order in which they end. A worker that is lost runs its job again."""
    import ray

    run: Any = ray.remote(num_cpus=1, max_retries=5, runtime_env={"env_vars": ENVIRONMENT})(function)
    shared = None if table is None else ray.put(table)
    waiting = list(reversed(jobs))
    pending: set[Any] = set()
    try:
        while waiting or pending:
            while waiting and len(pending) < AT_HAND * workers:
                pending.add(run.remote(waiting.pop(), shared))
            done, rest = ray.wait(list(pending))
            pending = set(rest)
            for task in done:
                yield ray.get(task)
    finally:
        _cancel(pending)


def _cancel(pending: set[Any]) -> None:
    """A tournament that stops early leaves no work behind on a cluster."""
    import ray

    for task in pending:
        ray.cancel(task, force=True)
