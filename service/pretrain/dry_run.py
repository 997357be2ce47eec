"""What a run would take: hours from a step measured here, disk, evaluation, refits. Writes only the cache's index."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

from service.config import Config
from service.pretrain.console import Console
from service.pretrain.lines import duration
from service.pretrain.looking import look, settle, tell
from trainers.loop.memory import memory_explained
from trainers.volumes.files import in_words

MEASURED_STEPS = 3
BYTES_PER_PARAMETER = 16  # weights, their moving average and two moments of AdamW, four bytes each
START_SECONDS = 40.0  # Ray, and the imports of its workers


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Of a run that has not been started. `seconds` is wall time, evaluation included."""

    seconds: float
    step_seconds: float
    device: str
    parameters: int
    cache_bytes: int
    checkpoint_bytes: int
    eval_crops: int
    refits: int


def dry_run(config: Config, console: Console) -> None:
    """Say what is wrong with the data and, if the run may start, what it would take; raises as `settle`."""
    verdict = look(config, console)
    tell(verdict, console)
    settle(config, verdict)
    estimate = measure(config, verdict.scan.bytes_needed)
    for line in describe(config, estimate):
        console.line(line)


def measure(config: Config, cache_bytes: int) -> Estimate:
    """Time a few steps of one worker's part of a batch, on random crops."""
    import torch

    from trainers.model.build import build_model, parameter_counts

    parameters = parameter_counts(config.model, config.data.crop)["total"]
    cuda = config.ray.use_gpu and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(config.ray.threads_per_worker)
    try:
        with memory_explained(config.train, config.model, config.data.crop, config.ray.most_workers, str(device)):
            model = build_model(config.model, config.data.crop, config.seed).to(device)
            step = _step_seconds(config, model, device)
    finally:
        torch.set_num_threads(threads)
    steps = config.budget // config.train.global_batch
    evaluation = 1 / (1 - config.train.eval_fraction)
    return Estimate(
        seconds=START_SECONDS + steps * step * evaluation,
        step_seconds=step,
        device=torch.cuda.get_device_name() if cuda else "one CPU core",
        parameters=parameters,
        cache_bytes=cache_bytes,
        checkpoint_bytes=parameters * BYTES_PER_PARAMETER,
        eval_crops=config.eval_crops(),
        refits=config.budget // config.interval,
    )


def describe(config: Config, estimate: Estimate) -> list[str]:
    """The estimate in words."""
    train, folder = config.train, config.runs_path
    free = shutil.disk_usage(_existing(folder)).free
    kept = train.keep_checkpoints + 1
    lines = [
        f"model {config.model.preset}: {estimate.parameters:,} parameters, crops of "
        f"{' x '.join(map(str, config.data.crop))} voxels",
        f"time: about {duration(estimate.seconds)} on {config.ray.most_workers} workers "
        f"({config.budget // train.global_batch:,} steps of {estimate.step_seconds:.3f} s, measured on "
        f"{estimate.device}; loading and other users of the machine come on top)",
        f"refits: {estimate.refits}, one every {config.interval:,} draws of {config.budget:,}",
        f"evaluation: {estimate.eval_crops} held-out crops of each of {len(config.domains)} domains at each refit, "
        f"at most {train.eval_fraction:.0%} of the compute",
        f"disk: {in_words(estimate.cache_bytes)} more for the cache in {config.data.cache_path}, "
        f"{in_words(kept * estimate.checkpoint_bytes)} for {kept} checkpoints in {folder} ({in_words(free)} free)",
    ]
    if config.ray.use_gpu and estimate.device == "one CPU core":
        lines.append("no GPU is seen here, so the time is that of CPUs; run --dry-run on a machine like the workers")
    return lines


def _step_seconds(config: Config, model: object, device: object) -> float:
    import torch

    assert isinstance(model, torch.nn.Module)
    assert isinstance(device, torch.device)
    shape = model.shape
    share = max(1, config.train.global_batch // config.ray.most_workers)
    part = min(share, config.train.micro_batch or share)
    image = torch.randn(part, 1, *config.data.crop, device=device)
    visible = torch.arange(shape.visible, device=device).expand(part, -1)  # type: ignore[union-attr, arg-type]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    times = []
    for _ in range(MEASURED_STEPS + 1):
        began = time.perf_counter()
        for _ in range(-(-share // part)):
            model(image, visible).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return sorted(times[1:])[MEASURED_STEPS // 2]


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
