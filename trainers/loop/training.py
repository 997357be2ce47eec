"""The training loop, top to bottom. Every rank runs it; only rank 0 talks to the advisor and writes files."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from policies.records import BadSetup, LossReport
from policies.records.checks import json_mapping
from trainers.faults import reach
from trainers.loop.checkpoint import Checkpoints
from trainers.loop.clock import Clock
from trainers.loop.comm import Comm, broadcast_json
from trainers.loop.consult import Consultation, Pending
from trainers.loop.ema import Ema
from trainers.loop.errors import NonFiniteLoss
from trainers.loop.heldout import Examiner, HeldOutLosses
from trainers.loop.job import TrainJob, TrainResult
from trainers.loop.ledger import Ledger
from trainers.loop.line import AdvisorLine
from trainers.loop.memory import memory_of
from trainers.loop.parallel import Learner
from trainers.loop.progress import ProgressFile
from trainers.loop.quarantine import Quarantine
from trainers.loop.rate import learning_rate
from trainers.loop.trace import TraceWriter
from trainers.model.build import build_model
from trainers.model.shape import resolve_shape
from trainers.stream import Batch, LoaderPlan, SampleStream, StreamLoader

log = logging.getLogger(__name__)

SKIPS_IN_A_ROW = 10
LAST_WORDS_SECONDS = (60.0, 5.0)  # to wait for the advisor to take the last notes: at the end, after an error

OnCheckpoint = Callable[[Path, int], None]


def run(job: TrainJob, comm: Comm, on_checkpoint: OnCheckpoint | None = None) -> TrainResult:
    """Train from the newest checkpoint, or from nothing, to the end of the budget.

    `on_checkpoint(path, position)` is called on all ranks after each checkpoint.

    Raises
    ------
    RunStopped
        On all ranks alike, where going on or starting again would not help.
    ValueError
        Where the job does not fit together.
    """
    with memory_of(job, comm):
        return _run(job, comm, on_checkpoint)


def _run(job: TrainJob, comm: Comm, on_checkpoint: OnCheckpoint | None) -> TrainResult:
    training = Training(job, comm, on_checkpoint)
    finished = False
    try:
        training.begin()
        with contextlib.closing(training.loader):
            training.train()
        result = training.finish()
        finished = True
    finally:
        training.close(finished)
    return result


@dataclasses.dataclass
class Standing:
    """What a checkpoint stores besides tensors, stream and ledger. `streak`: steps skipped in a row."""

    position: int = 0
    lr_sum: float = 0.0
    skipped: int = 0
    streak: int = 0
    losses: HeldOutLosses | None = None


class Training:
    """One attempt at a run on one rank."""

    def __init__(self, job: TrainJob, comm: Comm, on_checkpoint: OnCheckpoint | None) -> None:
        self.job, self.comm, self.on_checkpoint = job, comm, on_checkpoint
        self.run_dir = Path(job.run_dir)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.learner = Learner(build_model(job.model, job.data.crop, job.seed), job.train, comm)
        self.ema = Ema(self.learner.model, job.train.ema)
        self.ledger = Ledger(job.domains, comm.device)
        self.examiner = Examiner(job, comm)
        self.quarantine = Quarantine(job.data, comm, job.train.max_missing)
        self.checkpoints = Checkpoints(job, comm, self.learner, self.ema)
        self.line = self._line() if comm.rank == 0 else None
        self.trace = TraceWriter(self.run_dir, comm.rank, job.domains) if job.train.trace else None
        self.progress = ProgressFile(self.run_dir, job.train.progress_seconds) if comm.rank == 0 else None
        self.standing = Standing()
        self.resumed_from = 0

    def begin(self) -> None:
        """Take up the newest checkpoint and ask its open question again, or start with the first mixture."""
        loaded = self.checkpoints.load(log.warning)
        if loaded is None:
            weights = self._first_mixture()
            stream = SampleStream(self.job.data, seed=self.job.seed, interval=self.job.interval, weights=weights)
            state: dict[str, Any] = {}
        else:
            state = loaded.state
            stream = SampleStream.from_dict(self.job.data, state["stream"])
            self._restore(state)
            if self.standing.position < self.job.budget:
                self._note("resumed", self.standing.position, {"workers": self.comm.world})
        self.stream = stream
        self.consultation = Consultation(self.job, self.comm, stream, self.line)
        if state.get("pending") is not None:
            self.consultation.ask(Pending.from_dict(state["pending"]))
        self.loader = StreamLoader(stream, loader_plan(self.job, self.comm))
        self.clock = Clock(self.comm.device)

    def train(self) -> None:
        steps = self._steps()
        while self.standing.position < self.job.budget:
            self.consultation.settle(self.standing.position)
            self._step(next(steps))
            position = self.standing.position
            if self._report_due(position):
                self._report(position)
            if self._checkpoint_due(position):
                self._checkpoint()

    def finish(self) -> TrainResult:
        """Hear the answer to the last report, and say what came out."""
        self.consultation.await_last()
        result = self._result()
        self._say_progress(finished=True)
        body = {"eval_loss": json_mapping(result.eval_loss), "eval_share": result.eval_share, "draws": result.draws}
        self._note("finished", result.position, body | {"checkpoint": result.checkpoint})
        return result

    def close(self, finished: bool) -> None:
        if self.trace is not None:
            self.trace.flush()
        if self.line is not None:
            self.line.close(LAST_WORDS_SECONDS[0 if finished else 1])

    def _step(self, parts: list[Batch]) -> None:
        """One optimiser step; the position moves on whether it was taken or not."""
        reach("step")
        standing, position = self.standing, self.standing.position
        if position and self.stream.schedule.stage_at(position).position == position:
            reach("stage.change")
        rate = learning_rate(self.job.train, self.job.budget, position)
        if self.trace is not None:
            self.trace.add(parts, self.stream.schedule)
        self.quarantine.add(parts)
        batches = [part.to(self.comm.device) for part in parts]
        losses, taken = self.learner.step(batches, rate)
        standing.position += self.job.train.global_batch
        standing.lr_sum += rate
        if taken:
            self.ema.update()
            self.ledger.add(batches, losses)
            standing.streak = 0
        else:
            self._skipped()
        if self.progress is not None and self.progress.due():
            self._say_progress()

    def _skipped(self) -> None:
        standing = self.standing
        standing.skipped += 1
        standing.streak += 1
        self._note("skipped", standing.position, {"steps": standing.skipped, "in_a_row": standing.streak})
        if standing.streak >= SKIPS_IN_A_ROW:
            raise NonFiniteLoss(standing.position, standing.streak, self.checkpoints.folder.newest_name())

    def _report(self, position: int) -> None:
        """Evaluate on all ranks, send the report from rank 0, and go on."""
        with self.clock.evaluating():
            losses = self.examiner.losses(self.learner, self.ema)
            products = self.examiner.products(self.learner, self.ema) if self.job.train.gradient_products else None
        self.standing.losses = losses
        self.ledger.settle(self.comm)
        report = LossReport(
            position=position,
            draws=self.ledger.draws(),
            eval_loss=losses.mean,
            eval_sem=losses.sem,
            train_loss=self.ledger.loss(),
            train_count=self.ledger.count(),
            lr_sum=self.standing.lr_sum,
            grad_dot=products,
        )
        self.ledger.begin()
        boundary = -(-position // self.job.interval) * self.job.interval
        before = self.stream.excluded
        excluded = self.quarantine.agree(before)
        self._note("throughput", position, self._throughput(losses))
        if new := self.quarantine.describe(before, excluded):
            self._note("quarantine", boundary, {"domains": new})
        self.quarantine.check(excluded)
        self.consultation.ask(Pending(report, boundary, excluded))

    def _checkpoint(self) -> None:
        self.ledger.settle(self.comm)
        if self.trace is not None:
            self.trace.flush()
        score = None if self.standing.losses is None else self.standing.losses.score
        path = self.checkpoints.save(self.standing.position, self._state(), score)
        self._note("checkpoint", self.standing.position, {"path": str(path), "score": score})
        if self.on_checkpoint is not None:
            self.on_checkpoint(path, self.standing.position)

    def _state(self) -> dict[str, Any]:
        standing, pending = dataclasses.asdict(self.standing), self.consultation.pending
        standing["losses"] = None if self.standing.losses is None else self.standing.losses.to_dict()
        return {
            "standing": standing,
            "ledger": self.ledger.to_dict(),
            "stream": self.stream.to_dict(),
            "schedule_digest": self.stream.schedule.digest(),
            "pending": None if pending is None else pending.to_dict(),
            "journal_digest": None if self.line is None else self.line.journal_digest,
            "world": self.comm.world,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        standing = dict(state["standing"])
        losses = standing.pop("losses")
        self.standing = Standing(**standing, losses=None if losses is None else HeldOutLosses.from_dict(losses))
        self.ledger.load(state["ledger"])
        self.resumed_from = self.standing.position

    def _first_mixture(self) -> dict[str, float]:
        """From the advisor, on all ranks; a refusal is a `BadSetup` on all of them."""
        answer: dict[str, Any] = {}
        if self.line is not None:
            try:
                answer = {"weights": dict(self.line.start(self.job.domains).weights)}
            except ValueError as error:
                answer = {"refused": str(error)}
        answer = broadcast_json(self.comm, answer)
        if "refused" in answer:
            raise BadSetup(answer["refused"])
        weights: dict[str, float] = answer["weights"]
        return weights

    def _line(self) -> AdvisorLine:
        train = self.job.train
        limit = None if train.deterministic else train.advisor_timeout_seconds
        return AdvisorLine(self.job.advisor, limit, self.job.journal_digest)

    def _steps(self) -> Iterator[list[Batch]]:
        """This rank's batches, step by step."""
        parts: list[Batch] = []
        for batch in self.loader.batches(self.standing.position, self.job.budget):
            parts.append(batch)
            if batch.last:
                yield parts
                parts = []

    def _report_due(self, position: int) -> bool:
        lag, interval = self.job.train.lag(self.job.interval), self.job.interval
        if position > self.job.budget - interval:
            return position == self.job.budget
        return (position + lag) % interval == 0

    def _checkpoint_due(self, position: int) -> bool:
        every = self.job.train.checkpoint_every
        if position == self.job.budget or every is None:
            return self._report_due(position)
        return position // every > (position - self.job.train.global_batch) // every

    def _result(self) -> TrainResult:
        standing = self.standing
        seconds = self.comm.sum(self.clock.seconds()).tolist()
        losses = standing.losses or HeldOutLosses({}, {}, {})
        return TrainResult(
            position=standing.position,
            eval_loss=losses.mean,
            eval_sem=losses.sem,
            draws=self.ledger.draws(),
            skipped_steps=standing.skipped,
            masked_draws=self.ledger.masked(),
            schedule=self.stream.schedule.to_dict(),
            checkpoint=str(self.checkpoints.folder.path(standing.position)),
            resumed_from=self.resumed_from,
            train_seconds=seconds[0],
            eval_seconds=seconds[1],
        )

    def _throughput(self, losses: HeldOutLosses) -> dict[str, Any]:
        wall = self.clock.wall_seconds
        return {
            "samples_per_second": (self.standing.position - self.resumed_from) / max(wall, 1e-9),
            "eval_share": self.clock.eval_share,
            "workers": self.comm.world,
            "lr": learning_rate(self.job.train, self.job.budget, self.standing.position),
            "skipped_steps": self.standing.skipped,
            "masked_draws": math.fsum(self.ledger.masked().values()),
            "held_out_missing": losses.missing,
        }

    def _say_progress(self, finished: bool = False) -> None:
        if self.progress is None:
            return
        done = self.standing.position - self.resumed_from
        speed = done / max(self.clock.wall_seconds, 1e-9)
        self.progress.write(
            {
                "position": self.standing.position,
                "budget": self.job.budget,
                "train_loss": self.ledger.own_loss(),
                "eval_loss": {} if self.standing.losses is None else self.standing.losses.mean,
                "weights": dict(self.stream.schedule.stage_at(max(0, self.standing.position - 1)).weights),
                "samples_per_second": speed,
                "seconds_left": (self.job.budget - self.standing.position) / speed if done else math.nan,
                "workers": self.comm.world,
                "finished": finished,
            }
        )

    def _note(self, kind: str, position: int, body: dict[str, Any]) -> None:
        if self.line is not None:
            self.line.note(kind, position, body)


def loader_plan(job: TrainJob, comm: Comm) -> LoaderPlan:
    shape = resolve_shape(job.model, job.data.crop)
    return LoaderPlan(
        global_batch=job.train.global_batch,
        tokens=shape.tokens,
        visible=shape.visible,
        rank=comm.rank,
        world=comm.world,
        micro_batch=job.train.micro_batch,
        workers=job.train.loader_workers,
        prefetch_factor=job.train.prefetch_factor,
        flip_axes=job.train.flip_axes,
        pin_memory=comm.device.type == "cuda",
    )
