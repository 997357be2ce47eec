"""Numbers and names as a person reads them. Every number on the page and in the terminal passes through here."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from policies.records import Interval

NOTHING = "–"


def esc(text: object) -> str:
    """Text made safe for HTML; names of domains and files come from the user."""
    return html.escape(str(text), quote=True)


def count(value: float | None) -> str:
    """A whole number with separators: 19,200."""
    return NOTHING if value is None or not math.isfinite(value) else f"{round(value):,}"


def figure(value: float | None, digits: int = 3) -> str:
    """A number to `digits` significant digits, without exponents where that can be read."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if places > 6 or abs(value) >= 1e7:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, places)}f}"


def percent(share: float | None, places: int = 1, *, signed: bool = False) -> str:
    """A fraction as a percentage: 0.0423 is '4.2 %'; with `signed`, '+4.2 %'."""
    if share is None or not math.isfinite(share):
        return NOTHING
    return f"{_zero(100 * share, places):{'+' if signed else ''}.{places}f} %"


def interval(value: Interval | None, digits: int = 3) -> str:
    """'0.31 [0.27, 0.35]', all three to the same number of decimals."""
    if value is None or not math.isfinite(value.mean):
        return NOTHING
    places = _shared_places(value, digits)
    low, high = (f"{_zero(end, places):,.{places}f}" if math.isfinite(end) else "?" for end in (value.low, value.high))
    return f"{_zero(value.mean, places):,.{places}f} [{low}, {high}]"


def percent_interval(value: Interval | None, places: int = 1) -> str:
    """An interval of fractions in percent: '4.2 % [1.0, 7.3]'."""
    if value is None or not math.isfinite(value.mean):
        return NOTHING
    low, high = (f"{_zero(100 * e, places):.{places}f}" if math.isfinite(e) else "?" for e in (value.low, value.high))
    return f"{_zero(100 * value.mean, places):.{places}f} % [{low}, {high}]"


def relative(gain: Interval | None, objective: str = "mean_log") -> Interval | None:
    """The gain as a fraction by which the mean loss is lower.

    For `mean_log` the gain is a difference of mean log losses g, and the geometric mean of the
    losses is lower by the fraction 1 - exp(-g). Other objectives keep their own unit.
    """
    if gain is None or objective != "mean_log":
        return gain
    return Interval(*(-math.expm1(-end) for end in (gain.mean, gain.low, gain.high)))


def gain_words(gain: Interval | None, objective: str = "mean_log") -> str:
    """'a mean loss 4.2 % [1.0, 7.3] lower', or the gain in the objective's own unit."""
    if gain is None or not math.isfinite(gain.mean):
        return "not predicted"
    value = relative(gain, objective)
    if objective != "mean_log" or value is None:
        return f"{interval(gain)} in {objective}"
    word = "lower" if value.mean >= 0 else "higher"
    shown = value if value.mean >= 0 else Interval(-value.mean, -value.high, -value.low)
    return f"a mean loss {percent_interval(shown)} {word}"


def gain_cell(gain: Interval | None, objective: str = "mean_log") -> str:
    """A gain in the fewest words: '4.2 % [1.0, 7.3]', or the number in the objective's own unit."""
    if gain is not None and no_gain(gain):
        return "none"
    return percent_interval(relative(gain)) if objective == "mean_log" else interval(gain, 2)


def no_gain(gain: Interval) -> bool:
    """Whether the gain is nothing at all, because the mixture is that of the baseline."""
    return max(abs(gain.mean), abs(gain.low), abs(gain.high)) < 1e-9


def interval_cell(value: Interval | None, digits: int = 3) -> str:
    """HTML for a narrow column: the mean, and its interval below it."""
    said = interval(value, digits)
    mean, _, ends = said.partition(" [")
    return f"{mean}<small>[{ends}</small>" if ends else said


def limit(label: str) -> str:
    """A binding constraint in words: 'pool of pet' is 'pet at its cap on repeats'."""
    kind, _, name = label.partition(" of ")
    said = {
        "pool": "at its cap on repeats",
        "min_share": "at its least share",
        "max_share": "at its largest share",
    }
    return f"{name} {said[kind]}" if kind in said and name else label


def listing(names: Sequence[str], most: int = 6) -> str:
    """'ct, pet and t1'; a long list ends in how many more there are."""
    names = list(names)
    if len(names) > most:
        return ", ".join(names[:most]) + f" and {len(names) - most} more"
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}" if names else "none"


def plural(number: int, one: str, many: str | None = None) -> str:
    """'1 refit', '8 refits'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float | None) -> str:
    """'48 s', '7 min 12 s', '3 h 05 min'."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _shared_places(value: Interval, digits: int) -> int:
    """Decimals that show the mean to `digits` significant digits, at most six."""
    size = abs(value.mean) or max(abs(value.low), abs(value.high))
    if not (math.isfinite(size) and size > 0):
        return digits - 1
    return min(6, max(0, digits - 1 - math.floor(math.log10(size))))


def _zero(value: float, places: int) -> float:
    """`value`, without the minus sign of a number that rounds to zero."""
    return 0.0 if round(value, places) == 0 else value
