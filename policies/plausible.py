"""Can a report be true? Its counts are held against each other and against the report before.

A report may be well formed and still say what cannot be: draws counted since the last report where the sum of the
whole run is asked for, steps where samples are, a learning rate where its sum is. A law fitted to such counts is
wrong without a word, so they are refused, with both numbers, the likely cause and the cure. What a caller does in
good faith passes: numbers that are rounded, reports a batch late, draws masked out of the loss, domains that come
and go. All counts may be off by `slack`; nothing is refused that an honest run could have sent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from policies.records import BadReport, LossReport

BEYOND = 0.05  # of the position: what the sum of the draws may be beyond it, apart from `slack`
LATE = 0.1  # of an interval: a batch that is counted on one side of a report and not on the other
ROUNDED = 0.5  # draws a domain
DIGITS = 1e-6  # of the position: sums of single precision
LEAST_LEARNT = 0.25  # of the draws served, unless `train_count` bears it out; below it no training goes on
MOST_LOSS = 1e12  # in any unit
NEAR_WHOLE = 0.03  # a ratio this near to a whole number is one
CAUGHT_UP = 1.5  # times what was served since: counts that lag behind may catch up by so much
ALMOST_ALL = 0.9  # of the draws served: all of them were counted


def slack(report: LossReport, interval: int) -> float:
    """Draws by which honest counts may contradict each other."""
    return max(LATE * interval, ROUNDED * len(report.draws)) + DIGITS * report.position


def check_plausible(report: LossReport, before: LossReport | None, left: Mapping[str, float], interval: int) -> None:
    """Raise `BadReport` where the counts of `report` cannot be true, given the report `before` it, if any.

    `left`: draws of domains that had left, when they were last heard of. Whether counts fell is not asked here, nor
    whether the sum of learning rates did: see `intake`.
    """
    last = LossReport(0, {}, {}) if before is None else before
    known = {**left, **last.draws}
    grown = {name: value - known.get(name, 0.0) for name, value in report.draws.items()}
    total = math.fsum({**known, **report.draws}.values())  # of the domains that left as well
    spare = slack(report, interval)
    _check_sum(report, spare)
    back = sum(name in left and name not in last.draws for name in report.draws)
    # One that is back brings along what was drawn from it between its last report and its leaving.
    _check_growth(report, last, total, math.fsum(grown.values()), spare + back * interval)
    _check_learnt(report, last, total, math.fsum(grown.values()), spare)
    _check_train_count(report, last, grown, spare)


def check_first_rates(report: LossReport, before: LossReport | None, earlier: float | None) -> None:
    """Raise `BadReport` where `lr_sum` stands still from the first report that held one (`earlier` is None) to the
    next: it is the learning rate, not a sum. Later it may stand still, at the end of a schedule."""
    if before is None or earlier is not None or report.lr_sum is None or before.lr_sum is None:
        return
    if report.position > before.position and math.isclose(report.lr_sum, before.lr_sum, rel_tol=1e-9):
        raise BadReport(
            f"lr_sum is {report.lr_sum:g} at position {report.position} as it was at {before.position}; it looks as if "
            "it were the learning rate itself: send the sum over all steps so far, or leave it out"
        )


def check_losses(report: LossReport) -> None:
    """Raise `BadReport` for a loss that no training has; a service asks it, a policy bears such a one."""
    for field, losses in (("eval_loss", report.eval_loss), ("train_loss", report.train_loss or {})):
        for name, value in losses.items():
            if not (math.isnan(value) or 1 / MOST_LOSS <= value <= MOST_LOSS):
                raise BadReport(
                    f"{field} of '{name}' is {value}; losses must lie between {1 / MOST_LOSS:g} and {MOST_LOSS:g}: "
                    "send null where it was not measured, and see what made it so"
                )


def _check_sum(report: LossReport, spare: float) -> None:
    position, total = report.position, math.fsum(report.draws.values())
    if total <= (1 + BEYOND) * position + spare:
        return
    times = _whole(total, position)
    if times is not None:
        cause = (
            f"it looks as if position counted steps of {times} samples, or the samples of one of {times} ranks: "
            "send position in samples, over all ranks"
        )
    else:
        cause = "send position as the number of samples drawn so far, over all domains and ranks, and draws likewise"
    raise BadReport(f"the draws sum to {total:g} at position {position}, which no draws can be beyond; {cause}")


def _check_growth(report: LossReport, last: LossReport, total: float, grown: float, spare: float) -> None:
    """More draws than were served since; not where all are counted now that had not been: that mends the last."""
    moved = report.position - last.position
    if grown > CAUGHT_UP * moved + spare and total < ALMOST_ALL * report.position:
        times = _whole(grown, moved)
        unit = "" if times is None else f"it looks as if position counted steps of {times} samples: "
        raise BadReport(
            f"the draws grew by {grown:g} from position {last.position} to {report.position}, which is only {moved} "
            f"on; {unit}send draws and position in the same unit, samples, over all domains and ranks"
        )


def _check_learnt(report: LossReport, last: LossReport, total: float, grown: float, spare: float) -> None:
    """Far fewer draws than were served, where nobody left and the report itself does not say so."""
    moved = report.position - last.position
    if last.draws.keys() - report.draws.keys() or _borne_out(report, grown, spare):
        return
    since_last = (
        abs(total - moved) <= 0.1 * spare
        and math.fsum(last.draws.values()) >= ALMOST_ALL * last.position > 0
        and total < ALMOST_ALL * report.position
    )
    if since_last or (last.position > 0 and grown + spare < LEAST_LEARNT * moved):
        raise BadReport(
            f"the draws sum to {total:g} at position {report.position}: {grown:g} more than at {last.position}, while "
            f"position moved on by {moved}; it looks as if draws counted since the last report, or batches: send the "
            "samples of the whole run so far, by domain (where most draws are masked out of the loss, send train_count)"
        )
    if grown + spare < LEAST_LEARNT * moved:
        times = _whole(report.position, total)
        unit = "" if times is None else f"it looks as if draws counted batches of {times} samples: "
        raise BadReport(
            f"the draws sum to only {total:g} at position {report.position}; {unit}send the number of samples drawn "
            "so far, by domain (where most draws are masked out of the loss, send train_count)"
        )


def _borne_out(report: LossReport, grown: float, spare: float) -> bool:
    """Whether the report says by its `train_count` as well that so few draws were learnt from."""
    counts = [count for count in (report.train_count or {}).values() if not math.isnan(count)]
    return bool(counts) and abs(math.fsum(counts) - grown) <= spare


def _check_train_count(report: LossReport, last: LossReport, grown: Mapping[str, float], spare: float) -> None:
    for name, count in (report.train_count or {}).items():
        if name in grown and count > grown[name] + spare:
            raise BadReport(
                f"train_count of '{name}' is {count:g} at position {report.position}, but its draws grew by only "
                f"{grown[name]:g} since {last.position}; send the draws since the last report as train_count, and as "
                "draws those of the whole run"
            )


def _whole(many: float, few: float) -> int | None:
    """How many times `few` goes into `many` where that is a whole number, 2 or more, within a few per cent."""
    times = many / few if few > 0 else math.inf
    if not 1.5 < times < 1e9 or abs(times - round(times)) > NEAR_WHOLE * round(times):
        return None
    return round(times)
