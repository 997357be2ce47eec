"""What 2,000 half-open connections do to others: latencies with and without them, from their address and another.

The attack is a process of its own, goes to loopback alone, holds so many connections for so long, and ends by itself.
A quarter of them each: say nothing, send half a head, drip a head, send half a body.

    python -m tests.benchmarks.service --half-open 2000
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import httpx

from tests.benchmarks.shown import Row

BOUND = 0.5  # seconds, at the 99th percentile
BUSY = 3.0  # times the same quantile alone, where the machine is too busy for `BOUND`
SECONDS, PAUSE = 8.0, 0.02  # of one measurement; between two requests
OTHER, SAME = "127.0.0.2", "127.0.0.1"
_BODY = b"POST /v1/allocations HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
KINDS = ((b"", b""), (b"GET / HTTP/1.1\r\nHost: h", b""), (b"G", b"E"), (_BODY, b" "))  # at first, and each second


def rows(url: str, headers: Mapping[str, str], connections: int) -> list[Row]:
    """p50 and p99 of reads, alone and beside the attack."""
    alone = {source: latencies(url, headers, source) for source in (OTHER, SAME)}
    with attack(url, connections, 4 * SECONDS):
        beside = {source: latencies(url, headers, source) for source in (OTHER, SAME)}
    found: list[Row] = []
    for source, what in ((OTHER, "another address"), (SAME, "the same address")):
        p50, p99 = (quantile(beside[source], level) for level in (0.5, 0.99))
        was50, was99 = (quantile(alone[source], level) for level in (0.5, 0.99))
        figure = f"{1e3 * p50:.0f} / {1e3 * p99:.0f} ms (alone {1e3 * was50:.0f} / {1e3 * was99:.0f} ms, "
        figure += f"{p50 / was50:.1f} and {p99 / was99:.1f} times)"
        what = f"reads from {what} beside {connections:,} half-open connections, p50 / p99"
        bound = max(BOUND, BUSY * was99)
        found.append((what, figure, f"p99 < {1e3 * bound:.0f} ms", p99 < bound))
    return found


def latencies(url: str, headers: Mapping[str, str], source: str) -> list[float]:
    """Seconds of reads one after the other, every second one on a connection of its own; a failure counts as 60."""
    found, kept = [], httpx.Client(transport=httpx.HTTPTransport(local_address=source), headers=headers, timeout=60)
    until = time.perf_counter() + SECONDS
    with kept:
        for number in itertools.count():
            begun = time.perf_counter()
            if begun > until:
                return found
            new = httpx.Client(transport=httpx.HTTPTransport(local_address=source), headers=headers, timeout=60)
            with new if number % 2 else contextlib.nullcontext(kept) as client:
                try:
                    answered = client.get(f"{url}/v1/allocations?limit=1").status_code == 200
                except httpx.TransportError:
                    answered = False
            found.append(time.perf_counter() - begun if answered else 60.0)
            time.sleep(PAUSE)
    return found


def quantile(found: list[float], level: float) -> float:
    return sorted(found)[min(len(found) - 1, int(level * len(found)))]


@contextlib.contextmanager
def attack(url: str, connections: int, seconds: float) -> Iterator[None]:
    """Half-open connections for the time of the block, at most for `seconds`."""
    command = [sys.executable, "-m", __name__, str(urlsplit(url).port), str(connections), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("holding")
        yield
    finally:
        process.kill()
        process.communicate()


async def hold(port: int, connections: int, seconds: float) -> None:
    """As many as said; one that is ended begins anew after some seconds."""
    os.nice(10)  # elsewhere it would not take our cores
    source = random.Random(1)
    until, begun = time.monotonic() + seconds, [0]

    async def one(number: int) -> None:
        first, drip = KINDS[number % len(KINDS)]
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                begun[0] += 1
                writer.write(first)
                while time.monotonic() < until and not writer.transport.is_closing():
                    await asyncio.sleep(1)
                    writer.write(drip)
                writer.close()
            await asyncio.sleep(source.uniform(1, 5))

    async def say() -> None:
        while begun[0] < connections:
            await asyncio.sleep(0.05)
        print(f"holding {connections}", flush=True)

    await asyncio.gather(say(), *(one(number) for number in range(connections)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("port", int), ("connections", int), ("seconds", float)):
        parser.add_argument(name, type=kind)
    given = parser.parse_args()
    asyncio.run(hold(given.port, min(given.connections, 5000), min(given.seconds, 120.0)))
