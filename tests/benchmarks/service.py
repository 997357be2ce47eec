"""`make service-bench`: 1,000 allocations on a running service, an open loop of reports and reads, then the rate at
which it can do no more; Optuna's RDB storage takes as many reports in the same run. Exits 1 if a bound is missed.

The service, its store and the clients share the machine. Latency counts from the instant a request was due.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy counts the cores

import psutil

from service.journal import Journal
from service.tokens import Vault
from tests.benchmarks import half_open, service_optuna
from tests.benchmarks.service_load import Done, Loader, Run, quantile
from tests.benchmarks.shown import Row, show
from tests.faults.service.courses import NAMES
from tests.faults.service.house import House, house
from tests.service import postgres

CHEAP = ("odm", "ado", "skill_it", "fixed", "uniform")
REPORT_BOUND, READ_BOUND = 0.25, 0.1  # seconds, at the 99th percentile
WARM_REPORTS = 6  # of an allocation that fits, before the clock runs
STEP_SECONDS = 15
STEPS = (30.0, 45.0, 60.0, 80.0, 100.0, 130.0, 170.0, 220.0)
PARTS = ("host", "replica", "controller")
TOKENS = 10  # clients have tokens of their own; each may send 100 requests a second


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-bench-")))
        stores = _stores(asked.store, folder, stack)
        service = stack.enter_context(house(folder, stores[0]))
        rows = asyncio.run(_measure(asked, service, stores[0]))
        if asked.half_open:
            with Journal(stores[0]) as journal:
                token = Vault(journal).create("bench", "read")[1]
            rows += half_open.rows(service.url, {"Authorization": f"Bearer {token}"}, asked.half_open)
        service.close()
        rows += _beside(asked, stores[1])
    title = f"python -m tests.benchmarks.service --store {asked.store} (load average {os.getloadavg()[0]:.1f})"
    return show(title, rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--allocations", type=int, default=1000)
    parser.add_argument("--fitting", type=int, default=50, help="of them with transfer_law")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20, help="reports a second")
    parser.add_argument("--reads", type=float, default=20, help="reads a second")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--half-open", type=int, default=2000, help="connections that are held; 0 leaves it out")
    parser.add_argument("--no-ramp", dest="ramp", action="store_false", help="leave the saturation out")
    return parser


def _stores(kind: str, folder: Path, stack: contextlib.ExitStack) -> tuple[str, str]:
    """For the service, and for Optuna."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'store.db'}", f"sqlite:///{folder / 'optuna.db'}"
    server = stack.enter_context(postgres.server())
    return server.url("store"), server.url("optuna").replace("postgresql:", "postgresql+psycopg:")


async def _measure(asked: argparse.Namespace, service: House, store: str) -> list[Row]:
    with Journal(store) as journal:
        tokens = [Vault(journal).create("bench", "report")[1] for _ in range(TOKENS)]
    loader = Loader(service.url, tokens, asked.seed)
    began = time.monotonic()
    runs = await _begin(asked, loader)
    rows: list[Row] = [(f"to begin {len(runs):,} allocations", f"{time.monotonic() - began:.0f} s", "", True)]
    before, busy = _memory(service), _busy(service)
    found = await loader.open_loop(runs, asked.seconds, asked.rate, asked.reads)
    busy = {part: used - busy[part] for part, used in _busy(service).items()}
    rows += _latencies(asked, found)
    rows += _resources(asked, found, busy, before, _memory(service))
    if asked.ramp:
        rows += await _ramp(loader, [run for run in runs if not run.fits])
        rows.append(("resident memory after that", _told(_memory(service)), "", True))
    await loader.close()
    return rows


async def _begin(asked: argparse.Namespace, loader: Loader) -> list[Run]:
    """Every 20th fits laws, by default; these get some reports beforehand, so that there is something to fit."""
    every = max(1, asked.allocations // max(1, asked.fitting))
    policies = ["transfer_law" if i % every == 0 else CHEAP[i % len(CHEAP)] for i in range(asked.allocations)]
    about = {"domains": list(NAMES), "budget": 1_000_000, "interval": 100, "seed": 1}
    bodies = [{"name": f"run-{i}", "policy": policy, **about} for i, policy in enumerate(policies)]
    begun = await loader.in_turn(bodies, "/v1/allocations")
    runs = [
        Run(f"/v1/allocations/{one['id']}", policy == "transfer_law")
        for one, policy in zip(begun, policies, strict=True)
    ]
    for run in runs:
        if run.fits:
            await loader.send(run, WARM_REPORTS)
    return runs


def _latencies(asked: argparse.Namespace, found: list[Done]) -> list[Row]:
    words = {
        "report": ("report without refit", REPORT_BOUND),
        "refit": ("report with refit", None),
        "read": ("read", READ_BOUND),
    }
    rows: list[Row] = []
    for kind, (what, bound) in words.items():
        p50, p95, p99 = (quantile(found, kind, level) for level in (0.5, 0.95, 0.99))
        count = sum(one.kind == kind for one in found)
        figure = f"{1e3 * p50:.0f} / {1e3 * p95:.0f} / {1e3 * p99:.0f} ms ({count:,})"
        said = f"p99 < {1e3 * bound:.0f} ms" if bound else ""
        rows.append((f"{what}, p50 / p95 / p99 (count)", figure, said, bound is None or p99 < bound))
    wrong = [one.status for one in found if one.status != 200]
    what = f"errors of {len(found):,} requests at {asked.rate:g} reports and {asked.reads:g} reads a second"
    rows.append((what, f"{len(wrong)}{f' {sorted(set(wrong))}' if wrong else ''}", "0", not wrong))
    return rows


def _resources(
    asked: argparse.Namespace,
    found: list[Done],
    busy: dict[str, float],
    before: dict[str, float],
    after: dict[str, float],
) -> list[Row]:
    grown = sum(after.values()) - sum(before.values())
    return [
        (
            f"CPU-seconds in {asked.seconds:.0f} s of that load",
            ", ".join(f"{part} {used:.1f}" for part, used in busy.items()),
            "",
            True,
        ),
        ("CPU-milliseconds a request", f"{1e3 * sum(busy.values()) / len(found):.1f}", "", True),
        ("resident memory at the start", _told(before), "", True),
        ("resident memory at the end", _told(after), "< 300 MB more", grown < 300),
    ]


async def _ramp(loader: Loader, runs: list[Run]) -> list[Row]:
    """Reports without refit and no reads, faster and faster, until they are late or fail."""
    best, told = 0.0, []
    for rate in STEPS:
        began = time.perf_counter()
        found = await loader.open_loop(runs, STEP_SECONDS, rate, 0)
        seconds = max(STEP_SECONDS, time.perf_counter() - began)
        reached = len(found) / seconds
        p99 = quantile(found, "report", 0.99)
        wrong = sum(one.status != 200 for one in found)
        told.append(f"{rate:g}/s: {reached:.0f} answered a second, p99 {1e3 * p99:.0f} ms, {wrong} errors")
        best = max(best, reached)
        if wrong or p99 > 2 or seconds > 1.1 * STEP_SECONDS:
            break
    return [(f"saturation, steps of {STEP_SECONDS} s", f"{best:.0f} reports a second; " + "; ".join(told), "", True)]


def _beside(asked: argparse.Namespace, store: str) -> list[Row]:
    reports = int(asked.seconds * asked.rate)
    found = service_optuna.measure(store, asked.allocations, reports, asked.rate, asked.seed)
    p50, p95, p99 = (quantile(found.done, "report", level) for level in (0.5, 0.95, 0.99))
    what = f"Optuna RDBStorage, in process, {reports:,} reports at {asked.rate:g} a second, p50 / p95 / p99"
    return [
        (what, f"{1e3 * p50:.0f} / {1e3 * p95:.0f} / {1e3 * p99:.0f} ms", "", True),
        ("the same, CPU-milliseconds a report", f"{1e3 * found.busy / reports:.1f}", "", True),
        ("the same, as fast as 64 threads go", f"{found.most:.0f} reports a second", "", True),
    ]


def _processes(service: House) -> list[psutil.Process]:
    return [*service.tree(), psutil.Process(service.process.pid)]


def _memory(service: House) -> dict[str, float]:
    """MB by part of the service."""
    found: dict[str, float] = {}
    for part in PARTS:
        found[part] = sum(process.memory_info().rss for process in service.role(part)) / 1e6
    return found


def _busy(service: House) -> dict[str, float]:
    """CPU-seconds so far, by part."""
    parts = {part: service.role(part) for part in PARTS}
    named = {process.pid for processes in parts.values() for process in processes}
    parts["rest of Ray"] = [process for process in _processes(service) if process.pid not in named]
    return {part: sum(_used(process) for process in processes) for part, processes in parts.items()}


def _used(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        used = process.cpu_times()
        return float(used.user + used.system)
    return 0.0


def _told(memory: dict[str, float]) -> str:
    return ", ".join(f"{part} {size:.0f} MB" for part, size in memory.items())


if __name__ == "__main__":
    sys.exit(main())
