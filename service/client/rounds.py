"""From step to step: when ranks meet, what they settle there, when a report goes out and when its answer is taken.

A step ends where the loop reads something after it has counted. All ranks make the same steps, whatever each of them
drew; what they have to agree on is agreed at a step whose number all of them know.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.client.agenda import NEVER, Agenda
from service.client.cures import REFUSALS
from service.client.desk import Desk
from service.client.errors import BadValue, RankFailed, RanksApart, UnknownName, WrongSettings, about
from service.client.evaluation import Reading, joined, report_of
from service.client.group import Group, find_group
from service.client.ledger import Ledger
from service.client.meeting import Meeting
from service.client.notices import Notices

SILENT_REPORTS = 3  # a target that was measured in none of so many is named


class Rounds:
    """The part of a callback that ranks have in common. `strict`: raise what goes wrong.

    Parameters
    ----------
    terms:
        What every rank must have been given alike, by name.
    """

    def __init__(
        self,
        desk: Desk,
        ledger: Ledger,
        agenda: Agenda,
        notices: Notices,
        *,
        terms: Mapping[str, Any],
        group: Group | None,
        patience: float,
        strict: bool,
    ) -> None:
        self.desk, self.ledger, self.agenda, self.notices = desk, ledger, agenda, notices
        self._terms, self._group, self._patience, self._strict = dict(terms), group, patience, strict
        self._meeting: Meeting | None = None
        self._process: int | None = None  # that has started; a forked child is another
        self._thread = 0  # that counts; a loader's may read the mixture and ends no step
        self._counted, self._steps, self._closed = False, 0, False
        self._wrong: Exception | None = None  # this rank's, which the others do not know yet
        self._silent: Counter[str] = Counter()  # reports without this target
        self._reports = 0

    # -- the start

    @property
    def ranks(self) -> Group:
        """Rank and size, before the start, too."""
        if self._group is None:
            self._group = find_group()
        return self._group

    @property
    def started(self) -> bool:
        return self._process is not None

    @property
    def forked(self) -> bool:
        """This is a child of the process that trains: it can read the mixture and must do nothing else."""
        return self._process not in (None, os.getpid())

    def start(self) -> None:
        """Rank 0 gets or creates the allocation, all ranks begin with its answer; raises the same on all."""
        meeting = Meeting(self.ranks)
        self.notices.rank = meeting.rank if meeting.size > 1 else None
        self.notices.lead = meeting.rank == 0
        _check_same(meeting.gather("start", self._terms))
        failure: Exception | None = None
        if meeting.rank == 0:
            try:
                self.desk.open()
            except Exception as error:  # the other ranks wait for whatever came of it
                failure = error
        state = meeting.gather("start", self.desk.state(), failure)[0]
        self.desk.restore(state, resend=False)
        self.desk.begun = bool(state["begun"])
        self.ledger.ranks = meeting.size
        self._meeting, self._process = meeting, os.getpid()
        self._look_again()

    # -- steps

    def counted(self) -> None:
        """This rank has drawn something in this step."""
        self._counted, self._thread = True, threading.get_ident()

    def failed(self, error: Exception) -> None:
        """This rank's loop is wrong; where it is strict, the others hear of it at the next meeting."""
        if self._strict and self.ranks.size > 1:
            self._wrong = error

    def end_step(self) -> None:
        """Done by whatever reads after `counted`: meet where it is time, take an answer where it is time."""
        if not self._counted or self._closed or self.forked or self._thread != threading.get_ident():
            return
        meeting = self._met()
        self._counted, self._steps = False, self._steps + 1
        self.ledger.end_step()
        if meeting.size == 1:
            self._begin_late(self.desk.late_start())
        elif self._near_event():
            late = self.desk.late_start() if meeting.rank == 0 else None
            self._begin_late(self._settle(f"step {self._steps}", late)[0])
            self._look_again()
        if NEVER < self.agenda.take_at <= self.ledger.position:
            self.take(self._patience)
        self._check_reported()

    @property
    def steps(self) -> int:
        """That this process has made so far."""
        return self._steps

    @property
    def due(self) -> bool:
        apart = self._meeting is not None and self._meeting.apart is not None
        return not (apart or self.forked) and self.agenda.due(self.ledger.position, self.ledger.step or 0.0)

    # -- reports and answers

    def report(
        self, eval_loss: Any, eval_sem: Any, lr_sum: Any, names: Callable[[], tuple[Sequence[str], Sequence[str]]]
    ) -> None:
        """Read the evaluation, meet, send. `names`: targets of every report, and those that may be in one."""
        if self.agenda.take_at != NEVER:
            self.take(self._patience)
        meeting = self._met()
        targets, known = names()
        read = Reading.of(eval_loss, eval_sem, lr_sum, known, first=meeting.size == 1)
        for error in [*read.diverged, *([] if self._strict else read.wrong)]:
            self.notices.warn(error)
        wrong = read.wrong[0] if read.wrong and self._strict else None
        readings, counted = self._settled(f"report after step {self._steps}", read, wrong)
        if self.agenda.spent(self.ledger.position):
            return
        whole = joined(readings)
        position, draws = self.ledger.within(self.agenda.budget)
        counted = self.ledger.bounded(counted, draws)
        self.agenda.reported(position)
        self.ledger.begin_interval(draws)
        if meeting.rank == 0:
            self._check_measured(whole, targets, said=any(each.wrong for each in readings))
            measured = [*targets, *(name for name in whole.loss if name not in targets)]
            # The service's names: a site that joined or left has changed them.
            self.desk.send(report_of(whole, position, draws, counted, (self.desk.names, measured)))
        if self.agenda.lag == 0:
            self.take(None)

    def take(self, seconds: float | None) -> None:
        """Rank 0 hears what the service said, and all ranks follow; nothing heard keeps the mixture."""
        self.agenda.take_at = NEVER
        meeting = self._met()
        word: dict[str, Any] | None = None
        failures: list[Exception] = []
        if meeting.rank == 0:
            try:
                word, failures = self.desk.hear(seconds)
            except Exception as error:  # the other ranks wait for whatever came of it
                failures = [error]
        # A site that left the allocation is no fault of the loop's: it is said, and strict does not mind.
        troubles = [str(error) for error in failures if not isinstance(error, UnknownName)]
        word, troubles = meeting.gather(f"answer at step {self._steps}", (word, troubles))[0]
        if word is not None:
            self.notices.works()
            self.desk.follow(word)
        for failure in failures:
            if not self._strict or isinstance(failure, UnknownName):
                self.notices.warn(failure)
        if troubles and self._strict:
            raise next((failure for failure in failures if str(failure) == troubles[0]), RankFailed(0, troubles[0]))

    # -- checkpoints and the end

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, the same on every rank; changes nothing.

        Where a rank has gone a checkpoint is needed all the more: then this one takes the others for its like.
        """
        mine, meeting = {"share": self.ledger.share(), "desk": self.desk.state()}, self._met()
        try:
            values = meeting.gather(f"state_dict after step {self._steps}", mine)
        except RanksApart as error:
            if self._strict:
                raise
            self.notices.warn(error)
            values = [mine] * meeting.size
        merged = self.ledger.merged(value["share"] for value in values)
        desk = {key: values[0]["desk"][key] for key in ("weights", "reason", "pending")}
        return {"version": 1, "counts": merged, "reported": self.ledger.reported, **self.agenda.state(), **desk}

    def load(self, state: Mapping[str, Any]) -> None:
        meeting = self._met()
        self.ledger.restore(state, meeting.size, meeting.rank)
        self.agenda.restore(state)
        self._counted = False
        self.desk.restore(state, resend=meeting.rank == 0 and self.agenda.take_at != NEVER)
        self._look_again()
        self.notices.line(f"going on from a checkpoint at draw {self.ledger.position:,}")
        self.notices.mixture(self.ledger.position, self.desk.weights, self.desk.reason)

    def close(self, why: BaseException | None) -> None:
        """Let the other ranks know, deliver what waits; warns of what was refused, or raises it where strict."""
        if self.forked or self._closed:
            return
        self._closed = True
        if self._meeting is not None:
            self._meeting.leave(why)
        failures = self.desk.close()
        for error in failures:
            if self._strict and why is None and isinstance(error, REFUSALS):
                raise error
            self.notices.warn(error)

    # -- inside

    def _met(self) -> Meeting:
        assert self._meeting is not None, "start() comes first"
        return self._meeting

    def _settle(self, place: str, value: Any, wrong: Exception | None = None) -> list[Any]:
        return self._settled(place, value, wrong)[0]

    def _settled(self, place: str, value: Any, wrong: Exception | None = None) -> tuple[list[Any], dict[str, Any]]:
        """All ranks add up their counts; what each brought with it, and the counts with their training losses."""
        wrong, self._wrong = self._wrong or wrong, None
        values = self._met().gather(place, {"share": self.ledger.share(), "value": value}, wrong)
        merged = self.ledger.merged(each["share"] for each in values)
        self.ledger.met(merged)
        return [each["value"] for each in values], merged

    def _begin_late(self, word: Mapping[str, Any] | None) -> None:
        if word is not None:
            self.notices.works()
            self.desk.follow(word)

    def _near_event(self) -> bool:
        """Half a step early rather than one late: with unequal counts the position is an estimate until ranks meet."""
        step = self.ledger.step
        return step is None or self.ledger.position + step / 2 >= self.agenda.event(step)

    def _look_again(self) -> None:
        """While the service has not answered the start, ranks meet each quarter of an interval to ask rank 0."""
        every = max(1, self.agenda.interval // 4)
        self.agenda.look_at = NEVER if self.desk.begun else self.ledger.position + every

    def _check_reported(self) -> None:
        """A loop that never reports is not steered, and nothing else would say so."""
        position, wanted = self.ledger.position, self.agenda.next_report
        if position >= wanted + self.agenda.interval and self.agenda.reported_at < self.agenda.budget:
            text = (
                f"draw {position:,} is reached and the report due at {wanted:,} has not come: evaluate and report when "
            )
            self.notices.repeat("loop:unreported", f"{text}`due`; without reports the mixture is not steered")

    def _check_measured(self, whole: Reading, targets: Sequence[str], *, said: bool) -> None:
        """A target that nobody measures steers nothing, and says so nowhere else.

        `said`: something in this evaluation was named as wrong already.
        """
        self._reports += 1
        for name in targets:
            self._silent[name] = 0 if name in whole.loss else self._silent[name] + 1
        if self._reports == 1 and not said:
            missing = [name for name in targets if name not in whole.given]
            if missing and whole.given:
                names = ", ".join(f"'{name}'" for name in missing)
                text = f"eval_loss of {names} is missing in the first report; it counts as not measured"
                self.notices.repeat(f"loop:missing:{names}", text)
        silent = [name for name in targets if self._silent[name] >= SILENT_REPORTS]
        if silent:
            names = ", ".join(f"'{name}'" for name in silent)
            text = f"{names} was not measured in {SILENT_REPORTS} reports or more; such a target steers nothing"
            self.notices.repeat(f"loop:silent:{names}", text)
        elif not whole.loss and not said:
            error = BadValue("the report holds no loss at all: nothing can be learnt from it")
            self.notices.warn(about(error, "empty"))


def _check_same(terms: Sequence[Mapping[str, Any]]) -> None:
    """Raise `WrongSettings`, on every rank, where one was given something else."""
    for name, first in terms[0].items():
        for rank, other in enumerate(terms):
            if other.get(name) != first:
                raise WrongSettings(
                    f"ranks differ in {name}: {first!r} on rank 0, {other.get(name)!r} on rank {rank}; "
                    f"give every rank the same"
                )
