"""One run on a connected cluster: owner and tracker as actors, training on workers, progress in words."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from typing import Any

import ray

from policies import Decision
from service.actor import OwnerAddress, stop_actor
from service.pretrain.begin import Run
from service.pretrain.console import Console
from service.pretrain.lines import mixture
from service.pretrain.watch import Watch
from service.report import write_report
from service.tracking import TrackSettings, describe
from service.tracking.actor import reach_tracker, stop_tracker
from trainers.loop import TrainJob, TrainResult
from trainers.ray_train import fit

log = logging.getLogger(__name__)

GRACE_SECONDS = 30.0
KILLED_FLUSH_SECONDS = 10.0


class Stopped(RuntimeError):
    """A person or a supervisor ended the run; it can be resumed."""


def train(run: Run, console: Console, *, resume: str = "", steer: bool = False) -> TrainResult | None:
    """Train to the end of the budget, then write the report; None if that had been done before.

    `resume` is what to type to go on with a run that is stopped; `steer` has the configuration's
    mode and pins put in force in mid-run.

    However it ends, the tracker sends what it can, and neither actor outlives the call.

    Raises
    ------
    Stopped
        On SIGINT or SIGTERM.
    RunStopped, WorkersLost
        As `trainers.ray_train.fit`.
    """
    address = OwnerAddress.here(run.journal.url, run.allocation)
    tracker = _Tracking(run, address, console)
    result, status = None, "FAILED"
    try:
        if not run.finished:
            console.line(f"run '{run.name}' in {run.folder.path}: {run.config.budget:,} draws on {_workers(run)}")
            result = _fit(run, address, tracker, console, steer)
        status = "FINISHED"
        write_report(run.journal, run.allocation, run.folder.report)
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise Stopped(
            f"stopped; go on with: isthmus pretrain --resume {resume or shlex.quote(str(run.folder.path))}"
        ) from None
    finally:
        stop_actor("owner", address.url, address.allocation)
        tracker.finish(status, console)
    return result


def _fit(run: Run, address: OwnerAddress, tracker: _Tracking, console: Console, steer: bool) -> TrainResult:
    stop_actor("owner", address.url, address.allocation)  # one left by a driver that was killed may be of older code
    config, advisor = run.config, address.advisor()
    first = advisor.start()
    if steer:
        advisor.ask("set_mode", config.policy.mode, config.policy.pin)
        pins = f", pinned {mixture(config.policy.pin)}" if config.policy.pin else ""
        console.line(f"from the next decision on the mode is {config.policy.mode}{pins}")
    console.line(_where(run, first))
    job = TrainJob(
        name=run.name,
        run_dir=str(run.folder.path),
        seed=config.seed,
        budget=config.budget,
        interval=config.interval,
        train=config.train,
        model=config.model,
        data=run.data,
        advisor=address.advisor,
        mlflow_run_id=tracker.run_id(),
        journal_digest=address.digest,
    )
    with Watch(run.journal, run.allocation, str(run.folder.path), config.budget, console, tracker.beat):
        return fit(job, config.ray)


def _where(run: Run, first: Decision) -> str:
    if run.checkpoint is None:
        return f"starts with {mixture(first.weights)} ({first.reason})"
    return f"goes on from the checkpoint at draw {run.checkpoint:,}"


def _workers(run: Run) -> str:
    workers = run.config.ray.workers
    count = str(workers) if isinstance(workers, int) else f"{workers[0]} to {workers[1]}"
    return f"{count} {'GPU' if run.config.ray.use_gpu else 'CPU'} workers, policy {run.config.policy.name}"


class _Tracking:
    """The tracker, or nothing where tracking is switched off. Nothing it does raises here."""

    def __init__(self, run: Run, address: OwnerAddress, console: Console) -> None:
        self._console, self._said = console, False
        self._seconds = run.config.tracking.flush_seconds
        self._actor: Any = None
        self._address = address
        if run.config.tracking.enabled:
            self.settings: TrackSettings = describe(run.config, run.folder.path)
            stop_tracker(address)
            self._actor = reach_tracker(address, self.settings)

    def beat(self) -> None:
        if self._actor is not None:
            self._say(str(ray.get(self._actor.beat.remote(), timeout=GRACE_SECONDS)["error"]))

    def _say(self, error: str) -> None:
        """Once that tracking fails, as soon as it is known; and once that it works again."""
        if error and not self._said:
            self._console.line(f"tracking fails ({error}); training goes on, and what is missing is sent later")
        elif self._said and not error:
            self._console.line("tracking works again, and has sent what was missing")
        self._said = bool(error)

    def run_id(self) -> str | None:
        """The MLflow run where it is known already; a slow server is not waited for."""
        found = self._quietly(lambda: ray.get(self._actor.beat.remote(), timeout=1.0)["run_id"])
        return None if found is None else str(found)

    def finish(self, status: str, console: Console) -> None:
        if self._actor is None:
            return
        seconds = KILLED_FLUSH_SECONDS if status == "KILLED" else self._seconds
        sent = self._quietly(
            lambda: ray.get(self._actor.finish.remote(status, seconds), timeout=seconds + GRACE_SECONDS)
        )
        if sent is None or not sent["sent"]:
            why = "" if sent is None else f" ({sent['error']})"
            console.line(
                f"tracking is behind{why}; the journal has it all, and what is missing is sent by: "
                f"isthmus pretrain --resume {shlex.quote(self.settings.run_dir)}"
            )
        stop_tracker(self._address)

    def _quietly(self, call: Callable[[], Any]) -> Any:
        if self._actor is None:
            return None
        try:
            return call()
        except Exception as error:
            log.debug("the tracker did not answer: %s", error)
            return None
