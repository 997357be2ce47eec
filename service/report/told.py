"""What a run taught us, in a few plain lines for the terminal."""

from __future__ import annotations

import math

from service.report.learnt import Learnt, Role
from service.story import words


def predicted_gain(found: Learnt) -> str:
    """The predicted gain with its interval, and whether it is more than noise."""
    if found.gain is None or not math.isfinite(found.gain.mean):
        return "none was predicted"
    if words.no_gain(found.gain):
        return f"none, as the run drew like {found.baseline}"
    if found.doubt:
        return f"{words.gain_words(found.gain, found.objective)}, by a law that is doubted: not to be relied on"
    said = words.gain_words(found.gain, found.objective)
    return said if found.gain.low > 0 else f"{said}; the interval holds zero, so a gain is not certain"


def lines(found: Learnt) -> list[str]:
    """The summary a terminal shows at the end of a run."""
    return [
        *_outcome_lines(found),
        *_law_lines(found),
        *_final_lines(found),
        *_gain_lines(found),
    ]


def _outcome_lines(found: Learnt) -> list[str]:
    done = "finished" if found.position >= found.budget else "stands"
    lines = [
        f"{found.name}: {done} at {words.count(found.position)} of {words.count(found.budget)} draws, policy "
        f"{found.policy}, {words.plural(found.refits, 'refit')}, mixture changed {words.plural(found.changes, 'time')}"
    ]
    kept = [f"{reason} ({number}x)" for reason, number in found.kept.items()]
    return [*lines, f"  mixture not moved: {'; '.join(kept)}"] if kept else lines


def _law_lines(found: Learnt) -> list[str]:
    if not found.exponents and not found.transfers:
        return ["  no law was fitted, so nothing is said about exponents or transfer"]
    lines = [f"  THE LAW IS DOUBTED, its numbers are best guesses: {found.doubt}"] if found.doubt else []
    lines.append("  exponents: " + "; ".join(f"{n} {words.interval(v, 2)}" for n, v in found.exponents.items()))
    strong = [f"{t.source} -> {t.to} {words.interval(t.worth, 2)}" for t in found.strongest[:5]]
    if strong:
        lines.append("  strongest transfers, in own draws: " + "; ".join(strong))
    missing = found.unidentified
    if missing:
        names = words.listing([f"{t.source} -> {t.to}" for t in missing], most=4)
        lines.append(f"  not identified, prior only: {len(missing)} of {len(found.transfers)} transfers ({names})")
    if not found.transfers:
        return [*lines, "  the law of this policy knows no transfer"] if len(found.finals) > 1 else lines
    lines.append("  hubs: " + _roles(found.hubs, "none stands out"))
    lines.append("  islands: " + _roles(found.islands, "none stands out"))
    return lines


def _roles(roles: tuple[Role, ...], nothing: str) -> str:
    said = [f"{r.name} {words.interval(r.score, 2)}{'' if r.sure else ' (likely, not sure)'}" for r in roles]
    return "; ".join(said) or nothing


def _final_lines(found: Learnt) -> list[str]:
    lines = []
    for final in found.finals:
        line = f"  {final.target}: {'final' if found.position >= found.budget else 'last'} loss"
        line += f" {words.figure(final.reached)}" if math.isfinite(final.reached) else " not measured"
        if final.predicted is not None:
            verdict = {True: ", inside", False: ", OUTSIDE the interval", None: ""}[final.inside]
            verdict = verdict if found.position >= found.budget else " for the end"
            line += f", predicted {words.interval(final.predicted)} at draw {words.count(final.predicted_at)}{verdict}"
        lines.append(line)
    return lines


def _gain_lines(found: Learnt) -> list[str]:
    lines = []
    if found.gain is not None:
        lines.append(f"  predicted gain over {found.baseline}: {predicted_gain(found)}")
    if found.measured is not None:
        said = words.gain_words(found.measured.gain)
        lines.append(f"  measured gain over {found.measured.policy}: {said} (one seed each)")
    return lines
