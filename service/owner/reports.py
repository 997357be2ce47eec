"""The reports of one allocation on their way into the journal: checked, committed once, filled in later."""

from __future__ import annotations

from policies import BadReport, LossReport
from policies.intake import check_growth, check_known, check_rates, check_report, check_same_draws, merge, same
from policies.plausible import check_first_rates, check_losses, check_plausible
from policies.policy import BasePolicy
from service.journal import Event, Journal, report_of


class Reports:
    """Commits reports in order; one that came before stays as it was, and what differs is written down."""

    def __init__(self, journal: Journal, allocation: str, epoch: int) -> None:
        self._journal, self._allocation, self._epoch = journal, allocation, epoch

    def record(self, report: LossReport, stored: Event | None, policy: BasePolicy) -> None:
        """Commit `report`, which `stored` already holds where its position was reported before.

        Raises `BadReport` where `policy` could not use it; nothing is recorded then.
        """
        check_losses(report)
        if stored is None:
            check_report(report, policy.names, tuple(policy.targets), policy.budget)
            self._check_order(report, policy.interval)
            self._append("report", report, once=f"report:{report.position}")
            return
        first = self._newest_at(stored)
        check_same_draws(report.position, report.draws, first.draws)
        # Domains may have come and gone since.
        domains, targets = (
            dict.fromkeys((*policy.names, *first.draws)),
            dict.fromkeys((*policy.targets, *first.eval_loss)),
        )
        check_known(report, tuple(domains), tuple(targets))
        merged = merge(first, report)
        if not same(merged, first):
            self._check_filled(merged, first, stored, policy.interval)
            self._append("report", merged)
        if not same(merge(report, first), merged):
            self._append("differs", report)

    def _check_order(self, report: LossReport, interval: int) -> None:
        last = self._journal.last(self._allocation, ["report"])
        if last is None:
            check_plausible(report, None, {}, interval)
            return
        if last.position > report.position:
            raise BadReport(
                f"position {report.position} comes after {last.position} was reported; send reports in order"
            )
        before = report_of(last)
        back = report.draws.keys() - before.draws.keys()
        heard = self._heard() if back else {}
        check_growth(report, before, heard)
        check_plausible(report, before, heard, interval)
        if report.lr_sum is not None and report.lr_sum == before.lr_sum:
            check_first_rates(report, before, self._rates_before(last))

    def _check_filled(self, merged: LossReport, first: LossReport, stored: Event, interval: int) -> None:
        """What comes later for a position that was reported has to be true as well."""
        if merged.lr_sum == first.lr_sum and merged.train_count == first.train_count:
            return
        earlier = self._journal.events(self._allocation, kinds=["report"], active=True, before=stored.id, limit=1)
        before = report_of(earlier[0]) if earlier else None
        check_rates(merged, self._rates_before(stored))
        back = merged.draws.keys() - before.draws.keys() if before else ()
        check_plausible(merged, before, self._heard(stored.id) if back else {}, interval)

    def _heard(self, before: int | None = None) -> dict[str, float]:
        """Draws of every domain when it was last heard of (before that event), also of those that left."""
        reports = self._journal.events(self._allocation, kinds=["report"], active=True)
        known = [event for event in reports if before is None or event.id < before]
        return {name: draws for event in known for name, draws in event.body["draws"].items()}

    def _rates_before(self, last: Event) -> float | None:
        """The newest sum of learning rates that was reported before the report `last`."""
        stored = self._journal.events(self._allocation, kinds=["report"], active=True, before=last.id)
        sums = (event.body.get("lr_sum") for event in stored if event.position < last.position)
        return next((found for found in sums if found is not None), None)

    def _newest_at(self, stored: Event) -> LossReport:
        """The report at that position with all that was filled in later."""
        later = self._journal.events(self._allocation, stored.id, ["report"], active=True)
        return report_of(([stored] + [event for event in later if event.position == stored.position])[-1])

    def _append(self, kind: str, report: LossReport, once: str | None = None) -> None:
        self._journal.append(
            self._allocation, kind, report.to_dict(), epoch=self._epoch, position=report.position, once=once
        )
