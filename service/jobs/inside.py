"""What a job runs on the cluster: `isthmus pretrain`, begun again where it dies.

A run is resumed by its name, so doing the same again is all that a supervisor has to do, whether it is
this one, a person, or KubeRay's `backoffLimit`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from service.cli.errors import DONE, FAILED, WRONG_INPUT, reported
from service.config import Config, load_config, save_config
from service.jobs.package import PACKAGES
from service.pretrain.begin import settle_name
from service.pretrain.console import Console

BEGUN = "code from"  # the first words of a job that has begun to work
PAUSE_SECONDS = 10.0  # between attempts: Ray needs a moment to see that workers and actors are gone


def on_this_cluster(config: Config) -> Config:
    """The configuration with the cluster that the job runs on in place of any other, and that one's token check."""
    auth = os.environ.get("RAY_AUTH_MODE") or config.ray.auth
    return config.model_copy(update={"ray": config.ray.model_copy(update={"address": "auto", "auth": auth})})


def supervise(command: Callable[[], Sequence[str]], attempts: int, console: Console, pause: float) -> int:
    """Run the command until it ends well, its input is wrong, it was stopped, or the attempts are used up.

    Returns the exit code of the last attempt, 1 where a signal ended it. SIGTERM is not passed on: Ray sends
    it to every process of the job, and a second one would disturb a run that is ending in order.
    """
    stopped: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    code = FAILED
    try:
        for attempt in range(1, attempts + 1):
            code = subprocess.Popen(command()).wait()
            if stopped or code in (DONE, WRONG_INPUT):
                break
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            console.line(f"attempt {attempt} of {attempts} ended {how}")
            time.sleep(pause if attempt < attempts else 0.0)
            if stopped:
                break
    finally:
        signal.signal(signal.SIGTERM, before)
    return FAILED if code < 0 else code


def own_code(folder: Path) -> None:
    """Go on in `folder`, with a copy of the code in it for the processes that are started from here.

    Ray unpacks a job's folder anew for each node, and where two of them share a machine (or its agent is
    restarted) it does so under the feet of the job that is running in it.
    """
    home, copy = Path(__file__).resolve().parents[2], folder / "code"
    for name in PACKAGES:
        shutil.copytree(home / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(copy), *([before] if before else [])])
    os.chdir(folder)


def pretrain_command(settled: Path, config: Config, compare: str | None) -> list[str]:
    """A run that was begun is gone on with by its folder: a finished one would otherwise be begun anew."""
    run = config.runs_path / config.name
    resume = ["--resume", str(run)] if (run / "config.yaml").is_file() else []
    more = [] if compare is None else ["--compare", compare]
    return [sys.executable, "-m", "service.cli", "pretrain", str(settled), *resume, *more]


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point of a job; runs in its working folder."""
    parser = argparse.ArgumentParser(prog="isthmus job")
    parser.add_argument("config", type=Path)
    parser.add_argument("--attempts", type=int, default=1)
    parser.add_argument("--compare")
    parser.add_argument("--pause", type=float, default=PAUSE_SECONDS, help="seconds between attempts")
    asked = parser.parse_args(arguments)
    console = Console()
    console.line(f"{BEGUN} {Path(__file__).resolve().parents[2]}")
    with reported():
        config = on_this_cluster(settle_name(load_config(asked.config), console))
    with tempfile.TemporaryDirectory(prefix="isthmus-job-") as folder:
        settled = Path(folder) / "config.yaml"
        save_config(config, settled)
        own_code(Path(folder))
        return supervise(lambda: pretrain_command(settled, config, asked.compare), asked.attempts, console, asked.pause)


def end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(FAILED)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    raise SystemExit(main())
