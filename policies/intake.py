"""What happens to a report before a policy sees it: validation, merging, the rule for positions.

Everything here is a pure function, so that a report which is refused leaves no trace.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping, Sequence

from policies.records import BadReport, LossReport, OtherDraws

_BY_TARGET = ("eval_loss", "eval_sem")
_BY_DOMAIN = ("train_loss", "train_count")


def nearest(name: str, known: Iterable[str]) -> str:
    """' (did you mean ...?)' where a known name is close, else an empty string."""
    folded = {str(one).casefold(): one for one in known}
    close = difflib.get_close_matches(name.strip().casefold(), list(folded), n=1)
    return f" (did you mean '{folded[close[0]]}'?)" if close else ""


def decision_position(position: int, interval: int) -> int:
    """First interval boundary at or after `position`, in draws."""
    return -(-int(position) // interval) * interval


def check_report(report: LossReport, domains: Sequence[str], targets: Sequence[str], budget: int) -> None:
    """Raise `BadReport` unless the report speaks of exactly these domains and targets, within the budget."""
    if not isinstance(report, LossReport):
        raise BadReport(f"report is {report!r}; send a LossReport (LossReport.from_dict reads one from JSON)")
    if report.position > budget:
        raise BadReport(f"position is {report.position}, beyond the budget of {budget} draws")
    _check_keys(report.draws, domains, "draws", "domain", "send the cumulative draws of every domain")
    _check_keys(report.eval_loss, targets, "eval_loss", "target", "send NaN (JSON null) where it was not measured")
    check_known(report, domains, targets)


def check_known(report: LossReport, domains: Sequence[str], targets: Sequence[str]) -> None:
    """Raise `BadReport` if the report names anything else; it need not name all of them."""
    _check_known(report.draws, domains, "draws", "domain")
    _check_known(report.eval_loss, targets, "eval_loss", "target")
    _check_known(report.eval_sem or {}, targets, "eval_sem", "target")
    for field in _BY_DOMAIN:
        _check_known(getattr(report, field) or {}, domains, field, "domain")
    products = report.grad_dot or {}
    _check_known(products, targets, "grad_dot", "target")
    for target, row in products.items():
        _check_known(row, domains, f"grad_dot of '{target}'", "domain")


def _check_known(given: Iterable[str], known: Sequence[str], field: str, kind: str) -> None:
    for name in given:
        if name not in known:
            raise BadReport(
                f"{field} names an unknown {kind} '{name}'{nearest(name, known)}; known are {', '.join(known)}"
            )


def _check_keys(given: Mapping[str, float], known: Sequence[str], field: str, kind: str, cure: str) -> None:
    _check_known(given, known, field, kind)
    for name in known:
        if name not in given:
            raise BadReport(f"{field} of {kind} '{name}' is missing; {cure}")


def check_growth(report: LossReport, before: LossReport, left: Mapping[str, float]) -> None:
    """Raise `BadReport` if cumulative draws went down since `before`, or since a domain that is back had `left`."""
    for name, value in report.draws.items():
        earlier = before.draws.get(name, left.get(name, 0.0))
        if value < earlier:
            when = f"at position {before.position}" if name in before.draws else "when it left"
            raise BadReport(
                f"draws of '{name}' fell from {earlier:g} {when} to {value:g} at {report.position}; send the "
                "cumulative draws of the whole run, not those since the last report, or start a new allocation"
            )


def check_rates(report: LossReport, before: float | None) -> None:
    """Raise `BadReport` if the sum of learning rates went down since it was last reported, as `before`."""
    if report.lr_sum is not None and before is not None and report.lr_sum < before:
        raise BadReport(f"lr_sum fell from {before:g} to {report.lr_sum:g}; send the sum over all steps so far")


def check_same_draws(position: int, new: Mapping[str, float], old: Mapping[str, float]) -> None:
    """Raise `BadReport` if a position that was reported comes again with other draws."""
    for name in new:
        if name in old and new[name] != old[name]:
            raise OtherDraws(
                f"position {position} was reported with draws of '{name}' = {old[name]:g} and now comes with "
                f"{new[name]:g}; a position is answered once: send the same draws, or start a new attempt"
            )


def _fill(old: Mapping[str, float] | None, new: Mapping[str, float] | None) -> dict[str, float] | None:
    """Values of `old`, its missing and NaN ones taken from `new`."""
    if old is None or new is None:
        return dict(old or new or {}) if (old or new) is not None else None
    merged = dict(new)
    merged.update({name: value for name, value in old.items() if not math.isnan(value) or name not in new})
    return merged


def merge(old: LossReport, new: LossReport) -> LossReport:
    """One report out of two at the same position: what the first measured stays, the second fills its gaps."""
    changes: dict[str, object] = {
        field: _fill(getattr(old, field), getattr(new, field)) for field in (*_BY_TARGET, *_BY_DOMAIN)
    }
    changes["lr_sum"] = new.lr_sum if old.lr_sum is None else old.lr_sum
    if old.grad_dot is not None or new.grad_dot is not None:
        ours, theirs = old.grad_dot or {}, new.grad_dot or {}
        changes["grad_dot"] = {target: _fill(ours.get(target), theirs.get(target)) for target in {**theirs, **ours}}
    return dataclasses.replace(old, **changes)  # type: ignore[arg-type]


def same(a: LossReport, b: LossReport) -> bool:
    """Equality that takes NaN for equal to NaN."""
    return a.to_dict() == b.to_dict()
