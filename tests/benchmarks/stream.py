"""What the stream costs: draws worked out per CPU-second, and samples read per CPU-second against a
plain torch DataLoader with a WeightedRandomSampler over the same crops.

Both readers run in turn, in an order that alternates, and are charged the CPU-seconds of all their
processes, so that a busy machine does not favour either. Run it as

    python tests/benchmarks/stream.py [--rounds N] [--samples N] [--crop EDGE] [--workers N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

from trainers.stream import LoaderPlan, SampleStream, StreamLoader
from trainers.volumes import PreparedData, PreparedDomain, PreparedVolume, read_crop

SHARES = {"ct": 0.4, "t1": 0.3, "t2": 0.15, "dwi": 0.1, "pet": 0.05}
BATCH = 32
VOLUMES, CROPS = 4, 8


def make_data(folder: Path, crop: int) -> PreparedData:
    """Five domains of small float16 volumes on disk."""
    rng, edge = np.random.default_rng(0), 2 * crop
    domains = {}
    for name in SHARES:
        volumes = []
        for i in range(VOLUMES):
            stem = folder / f"{name}{i}"
            np.save(f"{stem}.npy", rng.normal(size=(edge,) * 3).astype(np.float16))
            np.save(f"{stem}.places.npy", rng.integers(0, edge, (CROPS, 3)).astype(np.int32))
            box = ((0, edge), (0, edge), (0, edge))
            volumes.append(
                PreparedVolume(
                    stem.name, stem.name, "", f"{stem}.npy", f"{stem}.places.npy", CROPS, (edge,) * 3, box, 0.0
                )
            )
        domains[name] = PreparedDomain(name, "mr", tuple(volumes), ())
    return PreparedData(domains, (crop, crop, crop))


class PlainCrops(Dataset[tuple[torch.Tensor, int]]):
    """Every crop once, as a textbook would read it."""

    def __init__(self, data: PreparedData) -> None:
        self.crop = data.crop
        self.items = [
            (number, volume, crop)
            for number, domain in enumerate(data.domains.values())
            for volume in domain.train
            for crop in range(volume.crops)
        ]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        domain, volume, crop = self.items[index]
        return torch.from_numpy(read_crop(volume, crop, self.crop)), domain


def read_plain(data: PreparedData, samples: int, workers: int) -> int:
    crops = PlainCrops(data)
    shares = list(SHARES.values())
    weights = [shares[domain] for domain, _, _ in crops.items]
    sampler = WeightedRandomSampler(weights, samples, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(crops, BATCH, sampler=sampler, num_workers=workers)
    return sum(len(image) for image, _ in loader)


def read_stream(data: PreparedData, samples: int, workers: int) -> int:
    tokens = (data.crop[0] // 8) ** 3
    stream = SampleStream(data, seed=0, interval=64 * BATCH, weights=SHARES)
    loader = StreamLoader(stream, LoaderPlan(BATCH, tokens, tokens // 4, workers=workers))
    count = sum(len(batch) for batch in loader.batches(0, samples))
    loader.close()
    return count


def cpu_seconds(work: Callable[[], int]) -> float:
    """Of this process and of the children that ended meanwhile."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[i] - before[i] for i in range(4))


def compare(data: PreparedData, rounds: int, samples: int, workers: int) -> list[float]:
    """Samples per CPU-second, stream over plain, of each round, in order of size."""
    costs: dict[str, list[float]] = {"plain": [], "stream": []}
    readers = {"plain": read_plain, "stream": read_stream}
    for reader in readers.values():
        reader(data, 4 * BATCH, workers)
    for number in range(rounds):
        for name in sorted(readers, reverse=bool(number % 2)):
            costs[name].append(cpu_seconds(lambda name=name: readers[name](data, samples, workers)))  # type: ignore[misc]
    rates = {name: samples / statistics.median(values) for name, values in costs.items()}
    ratios = sorted(p / s for p, s in zip(costs["plain"], costs["stream"], strict=True))
    print(
        f"workers={workers}: stream {rates['stream']:,.0f} samples per CPU-second, plain DataLoader "
        f"{rates['plain']:,.0f}; ratio {statistics.median(ratios):.2f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
    return ratios


def resolve_rate(data: PreparedData) -> None:
    stream = SampleStream(data, seed=0, interval=64 * BATCH, weights=SHARES)
    stream.resolve(0, BATCH)
    began, draws = time.process_time(), 500_000
    for start in range(0, draws, BATCH):
        stream.resolve(start, start + BATCH)
    spent = time.process_time() - began
    began = time.process_time()
    SampleStream(data, seed=0, interval=64 * BATCH, weights=SHARES).served(10**7)
    walk = time.process_time() - began
    print(f"resolve: {draws / spent:,.0f} draws per CPU-second in batches of {BATCH}; 10,000,000 ahead in {walk:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, default=128 * BATCH)
    parser.add_argument("--crop", type=int, default=32)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1])
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(Path(folder), options.crop)
        resolve_rate(data)
        for workers in options.workers:
            compare(data, options.rounds, options.samples // BATCH * BATCH, workers)


if __name__ == "__main__":
    main()
