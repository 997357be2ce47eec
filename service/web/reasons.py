"""Why a decision was taken, in words for those who do not know its code, and how long ago."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.story import words

MINUTE, DAY = 60, 86400
REASONS = {
    "start": "the mixture that the run begins with",
    "burn-in": "losses have not settled yet, so the mixture stays",
    "probe": "a mixture chosen to learn what a draw of each domain is worth",
    "refit": "the laws were fitted again, and the mixture follows their plan",
    "hold": "no answer came in time, so the mixture stays",
    "advise": "the policy only advises: the mixture is kept by hand",
    "paused": "the policy is paused: the mixture is kept by hand",
    "fixed": "the mixture is fixed from the start",
    "kept: no gain beyond uncertainty": "no other mixture is likely enough to end lower",
    "kept: law not identified": "what a draw is worth is not known well enough to act on it",
    "kept: fit failed": "the laws could not be fitted, so the mixture stays",
    "kept: plan failed": "no plan could be made from the laws, so the mixture stays",
    "kept: too late to leave the baseline": "too little of the budget is left for a change to pay",
    "kept: no loss measured": "no loss was measured, so the mixture stays",
    "kept": "the mixture stays",
}


def in_words(reason: str) -> str:
    """A sentence for a reason's code; empty for one that says it all itself."""
    if reason in REASONS:
        return REASONS[reason]
    return REASONS.get(reason.partition(":")[0].strip(), "")


def ago(seconds: float) -> str:
    """'just now', '48 s ago', '7 min ago', '3 h 05 min ago', '2 days ago'."""
    if seconds < 5:
        return "just now"
    if seconds >= 2 * DAY:
        return f"{words.plural(int(seconds // DAY), 'day')} ago"
    whole = seconds if seconds < MINUTE else seconds // MINUTE * MINUTE
    return f"{words.duration(whole).removesuffix(' 00 s')} ago"


def steered(mode: Mapping[str, Any]) -> str:
    """'act', or 'advise, ct pinned at 20 %'."""
    pins = [f"{name} pinned at {words.percent(share, 0)}" for name, share in mode["pin"].items()]
    return ", ".join([str(mode["mode"]), *pins])
