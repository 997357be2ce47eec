"""Does training work on the GPUs here: nccl, bf16, compile, and resuming? ``python -m trainers.gpu_check``

Exit code 0: all of it works; 1: something does not, and it is said what; 3: there is no GPU here,
so nothing was checked.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing.spawn as processes

from policies.records import MixtureSchedule, Stage
from trainers.advisor import RecordedAdvisor
from trainers.config.model import ModelConfig
from trainers.config.training import TrainConfig
from trainers.loop.comm import DistComm
from trainers.loop.job import TrainJob, TrainResult
from trainers.loop.training import run
from trainers.volumes.records import HeldOutCrop, PreparedData, PreparedDomain, PreparedVolume

NO_GPU = 3
EDGE, CROP, INTERVAL, BUDGET, BATCH = 48, 32, 256, 1024, 16
LOSS_TOLERANCE = 0.05  # bf16 and compiled kernels against fp32, relative


def main() -> int:
    if not torch.cuda.is_available():
        print("no GPU here: nccl, bf16, compile and resuming on a GPU were not checked")
        return NO_GPU
    ranks = torch.cuda.device_count()
    print(f"{ranks} x {torch.cuda.get_device_name(0)}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    with tempfile.TemporaryDirectory() as folder:
        processes.spawn(_rank, args=(ranks, Path(folder)), nprocs=ranks)  # type: ignore[no-untyped-call]  # torch's own
    print("all checks passed")
    return 0


def _rank(rank: int, ranks: int, folder: Path) -> None:
    device = torch.device("cuda", rank)
    torch.cuda.set_device(device)
    store = dist.FileStore(str(folder / "meeting"), ranks)  # type: ignore[attr-defined]
    dist.init_process_group("nccl", store=store, rank=rank, world_size=ranks)
    comm = DistComm(device)
    try:
        _check(folder, comm)
    finally:
        dist.destroy_process_group()


def _check(folder: Path, comm: DistComm) -> None:
    """Every way of training ends near plain fp32, and a resumed run near one that was not interrupted."""
    if comm.rank == 0:
        _write_data(folder)
    comm.sum(torch.zeros(1))
    plain = _train(folder, comm, "nccl, fp32", TrainConfig(global_batch=BATCH))
    ways = {
        "bf16": TrainConfig(global_batch=BATCH, precision="bf16"),
        "bf16, compiled": TrainConfig(global_batch=BATCH, precision="bf16", compile=True),
        "fsdp, bf16": TrainConfig(global_batch=BATCH, precision="bf16", sharding="fsdp", micro_batch=4),
        "loader processes": TrainConfig(global_batch=BATCH, loader_workers=2),
    }
    for name, train in ways.items():
        _expect_near(name, _train(folder, comm, name, train), plain)
    _check_resuming(folder, comm, plain)


def _check_resuming(folder: Path, comm: DistComm, plain: TrainResult) -> None:
    """Take away the last checkpoint of a finished run and train its end again."""
    job = _job(folder, "resumed", TrainConfig(global_batch=BATCH))
    run(job, comm)
    if comm.rank == 0:
        (job.checkpoint_dir / f"draw-{BUDGET:012d}" / "model.pt").unlink()
    comm.sum(torch.zeros(1))
    result = run(job, comm)
    if not 0 < result.resumed_from < BUDGET:
        raise RuntimeError(f"resuming: it began at draw {result.resumed_from}")
    _expect_near("resuming", result, plain)


def _train(folder: Path, comm: DistComm, name: str, train: TrainConfig) -> TrainResult:
    start = time.perf_counter()
    result = run(_job(folder, name, train), comm)
    if comm.rank == 0:
        speed = BUDGET / (time.perf_counter() - start)
        losses = ", ".join(f"{domain} {loss:.4f}" for domain, loss in result.eval_loss.items())
        print(f"{name}: {speed:.0f} draws/s with start-up, held-out loss {losses}", flush=True)
    return result


def _expect_near(name: str, result: TrainResult, plain: TrainResult) -> None:
    for domain, loss in plain.eval_loss.items():
        if not abs(result.eval_loss[domain] / loss - 1) <= LOSS_TOLERANCE:
            raise RuntimeError(f"{name}: loss of '{domain}' is {result.eval_loss[domain]:.4f}, with fp32 {loss:.4f}")


def _job(folder: Path, name: str, train: TrainConfig) -> TrainJob:
    schedule = MixtureSchedule((Stage(0, {"a": 0.5, "b": 0.5}), Stage(2 * INTERVAL, {"a": 0.2, "b": 0.8})))
    return TrainJob(
        name=name,
        run_dir=str(folder / name.replace(", ", "-")),
        seed=0,
        budget=BUDGET,
        interval=INTERVAL,
        train=train,
        model=ModelConfig(preset="small"),
        data=_data(folder),
        advisor=functools.partial(RecordedAdvisor, schedule, INTERVAL),
    )


def _data(folder: Path) -> PreparedData:
    def domain(name: str) -> PreparedDomain:
        box = ((0, EDGE), (0, EDGE), (0, EDGE))
        volume = PreparedVolume(
            name, name, "", str(folder / f"{name}.npy"), str(folder / "places.npy"), 64, (EDGE,) * 3, box, 0.0
        )
        held_out = dataclasses.replace(volume, key=f"{name}-held", file=str(folder / f"{name}-held.npy"))
        crops = tuple(HeldOutCrop(held_out, (20, 20, 16 + i)) for i in range(8))
        return PreparedDomain(name, "other", (volume,), crops)

    return PreparedData({name: domain(name) for name in ("a", "b")}, (CROP, CROP, CROP))


def _write_data(folder: Path) -> None:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(0, np.pi, EDGE)] * 3, indexing="ij"))
    for name in ("a", "a-held", "b", "b-held"):
        waves = [np.sin((rng.integers(1, 6, 3)[:, None, None, None] * grid).sum(0)) for _ in range(6)]
        np.save(folder / f"{name}.npy", np.sum(waves, axis=0).astype(np.float32))
    np.save(folder / "places.npy", rng.integers(16, EDGE - 16, (64, 3)).astype(np.int32))


if __name__ == "__main__":
    sys.exit(main())
