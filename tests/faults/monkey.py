"""Kills a run as planned, starts it again where the driver died, and watches it come back."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from service.journal import Journal
from tests.faults.driver import Driver
from tests.faults.instants import POINTS, Kill
from tests.faults.tree import running, sigkill
from trainers.loop import read_progress

POLL_SECONDS, PATIENCE_SECONDS = 0.05, 600.0
CLOSE_LOOK_SECONDS = 0.002  # a checkpoint is written within some 50 ms


class Gone(AssertionError):
    """The run did not do what it must: the message says what, with the end of its log."""


class Monkey:
    """One run of `config` under `kills`, from its first start to its end."""

    def __init__(self, config: Path, kills: list[Kill]) -> None:
        self.config, self.kills = config, kills
        self.name, self.log = config.stem, config.with_suffix(".log")
        self.run_dir = config.parent / "runs" / self.name
        self.markers = config.parent / f"{self.name}-markers"
        self.drivers: list[Driver] = []
        self.silent_from = 0.0

    def run(self) -> float:
        """Returns the seconds it took; every kill is filled in."""
        began = time.monotonic()
        self._lay_markers()
        try:
            self._start()
            for kill in self.kills:
                close = CLOSE_LOOK_SECONDS if kill.point == "checkpoint being written" else POLL_SECONDS
                self._wait_until(
                    lambda kill=kill: self._due(kill), f"{kill.kind} at {kill.instant} was due", poll=close
                )
                before = self._victims(kill)
                self._strike(kill)
                struck = time.monotonic()
                self._wait_until(lambda k=kill, b=before: self._is_back(k, b), f"it came back after {kill.instant}")
                kill.resumed = time.monotonic() - struck
                print(f"  {self.name}: {kill.kind} at {kill.instant} (draw {kill.at:,}), back in {kill.resumed:.0f} s")
            self._wait_until(lambda: not self.driver.alive(), "it ended")
            if self.driver.process.returncode != 0:
                raise Gone(f"exit code {self.driver.process.returncode}: {self._tail()}")
            self._check_no_orphans()
        finally:
            for driver in self.drivers:
                driver.clean_up()
        return time.monotonic() - began

    @property
    def driver(self) -> Driver:
        return self.drivers[-1]

    # -- driver

    def _start(self) -> None:
        """By each way to go on with a run in turn."""
        ways = ([str(self.config)], ["--resume", str(self.run_dir)], [str(self.config), "--resume", self.name])
        way = ways[len(self.drivers) % len(ways)] if (self.run_dir / "config.yaml").exists() else ways[0]
        faults = ";".join(f"{k.point}:1:{self._marker(k)}" for k in self.kills if k.point in POINTS)
        self.drivers.append(Driver(way, self.log, {"ISTHMUS_FAULT": faults}))

    # -- one kill

    def _due(self, kill: Kill) -> bool:
        if kill.point == "config written":
            return (self.run_dir / "config.yaml").exists()
        if kill.point == "first decision":
            return self._last_event("decision") > 0
        if kill.point == "finished":
            return self._last_event("finished") > 0
        if self._position() < kill.planned:
            return False
        if kill.point == "checkpoint being written":
            return self._half_checkpoint()
        return len(self.driver.role("worker")) == 2 and len(self.driver.role("owner")) == 1

    def _half_checkpoint(self) -> bool:
        return any((self.run_dir / "checkpoints").glob(".writing-*"))

    def _strike(self, kill: Kill) -> None:
        kill.at = max(0, self._position())
        if kill.point in POINTS:
            self._marker(kill).unlink()  # from now on the victim dies where it passes the point
            self._wait_until(lambda: self._died_at(kill) > 0, f"{kill.kind} died at {kill.point}")
            kill.pids, kill.at = (self._died_at(kill),), max(0, self._position())
        elif kill.kind in ("driver", "all"):
            kill.pids = tuple(self.driver.kill(everything=kill.kind == "all"))
            assert self.driver.process.returncode == -9
        else:
            victim = random.Random(kill.seed).choice(self.driver.role(kill.kind))
            kill.pids = (victim.pid,) if sigkill(victim) else ()
        self.silent_from = time.time()
        self._wait_until(
            lambda: not any(psutil.pid_exists(p) and running(psutil.Process(p)) for p in kill.pids),
            f"{kill.kind} {kill.pids} was dead",
            30,
        )
        kill.half_written = self._half_checkpoint()
        if kill.kind in ("driver", "all"):
            self._start()

    def _victims(self, kill: Kill) -> set[int]:
        """Who must have a successor: all workers, since they are restarted together; the owner; both."""
        roles = {"worker": ["worker"], "owner": ["owner"]}.get(kill.kind, ["worker", "owner"])
        return {process.pid for role in roles for process in self.driver.role(role)}

    def _is_back(self, kill: Kill, before: set[int]) -> bool:
        """Successors are at work and the run is beyond where it was; or all is done."""
        if not self.driver.alive():
            return self.driver.process.returncode == 0 and self._last_event("finished") > 0
        if kill.point == "finished":
            return False
        if kill.point == "config written":  # nothing had begun
            return self._last_event("decision") > 0
        if self._position() <= kill.at:
            return False
        now = self._victims(kill)
        return bool(now) and not now & before

    # -- what can be seen of the run

    def _position(self) -> int:
        """The draw that training is at; -1 where nothing was said since the last kill."""
        progress = read_progress(self.run_dir)
        return int(progress["position"]) if progress is not None and progress["at"] > self.silent_from else -1

    def _last_event(self, kind: str) -> int:
        """Id of the newest event of this kind; 0 before there is one."""
        if not (self.run_dir / "journal.db").exists():
            return 0
        with Journal(f"sqlite:///{self.run_dir / 'journal.db'}") as journal:
            event = journal.last(self.name, [kind])
            return 0 if event is None else event.id

    def _marker(self, kill: Kill) -> Path:
        return self.markers / f"{self.kills.index(kill):02d}-{kill.point}"

    def _died_at(self, kill: Kill) -> int:
        """The process that made the marker before it died; 0 before that."""
        marker = self._marker(kill)
        return int(marker.read_text() or 0) if marker.exists() else 0

    def _lay_markers(self) -> None:
        """A fault whose marker exists sleeps; all do at first."""
        self.markers.mkdir()
        for kill in self.kills:
            if kill.point in POINTS:
                self._marker(kill).write_text("asleep")

    def _check_no_orphans(self) -> None:
        left = [process for driver in self.drivers for process in driver.orphans()]
        if left:
            raise Gone(f"processes outlived their driver: {[(p.pid, p.name()) for p in left]}")

    def _wait_until(
        self,
        found: Callable[[], bool],
        what: str,
        seconds: float = PATIENCE_SECONDS,
        poll: float = POLL_SECONDS,
    ) -> None:
        deadline = time.monotonic() + seconds
        while not found():
            if time.monotonic() > deadline:
                raise Gone(f"not within {seconds:.0f} s: {what}\n{self._tail()}")
            if not self.driver.alive() and self.driver.process.returncode != -9:
                raise Gone(f"it ended with {self.driver.process.returncode} before {what}\n{self._tail()}")
            time.sleep(poll)

    def _tail(self) -> str:
        return self.log.read_text()[-4000:] if self.log.exists() else ""
