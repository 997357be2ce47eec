"""What a law may be fitted to and asked for: arrays of plain numbers, of the right shapes. Each message holds the bad
value and where it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.records import MOST, BadReport, BadSetup, number

Array = NDArray[np.float64]
Error = type[ValueError]

LOSSES = (1e-60, 1e60)  # beyond, their fourth powers would overflow
FALL = 1e-9  # part of the largest value by which a cumulative one may fall: rounding


def numbers(what: str, values: ArrayLike, error: Error = BadSetup) -> Array:
    """`values` as an array of floats, None (JSON null) read as NaN; what is no number is refused, also in a string."""
    try:
        given = np.asarray(values)
    except ValueError:
        raise BadSetup(f"{what} has rows of different lengths; give each the same number of columns") from None
    if given.dtype.kind in "iuf":
        return np.asarray(given, dtype=np.float64)
    plain = np.empty(given.shape)
    for index, value in np.ndenumerate(np.asarray(values, dtype=object)):
        plain[index] = math.nan if value is None else number(place(what, index), value, error)
    return plain


def whole(what: str, value: int) -> int:
    """`value` if it is a whole number >= 0."""
    plain = number(what, value)
    if not (0 <= plain < math.inf and int(plain) == plain):
        raise BadSetup(f"{what} is {value!r}; it must be a whole number >= 0")
    return int(plain)


def place(what: str, index: tuple[int, ...]) -> str:
    """'losses[2, 1]': where a value is."""
    return f"{what}[{', '.join(str(i) for i in index)}]" if index else what


def require(what: str, values: Array, good: NDArray[np.bool_], why: str, error: Error) -> None:
    """Raise `error` for the first of `values` that is not good, `why` being what is wrong and the cure."""
    if not np.all(good):
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        raise error(f"{place(what, index)} is {float(values[index]):g}, {why}")


def shaped(what: str, values: Array, shape: tuple[int, ...], cure: str) -> Array:
    """`values` if they have the shape."""
    if values.shape != shape:
        raise BadSetup(f"{what} has the shape {values.shape} where {shape} is needed; {cure}")
    return values


def table(what: str, values: ArrayLike, columns: str, error: Error) -> Array:
    """`values` as a table; a single row may come without its brackets."""
    rows = np.atleast_2d(numbers(what, values, error))
    if rows.ndim != 2 or not rows.shape[1]:
        raise BadSetup(
            f"{what} has the shape {rows.shape}; give a row for each observation, a column for each {columns}"
        )
    return rows


def check_draws(draws: Array, error: Error) -> None:
    """Numbers of draws."""
    good = (draws >= 0) & (draws <= MOST)
    why = f"a negative or non-finite value, or one above {MOST:.0e}; send cumulative draws >= 0"
    require("draws", draws, good, why, error)


def check_losses(losses: Array) -> None:
    """Positive, or NaN where one was not measured."""
    positive = np.isnan(losses) | ((losses > 0) & np.isfinite(losses))
    require("losses", losses, positive, "infinite or not positive; send a positive form of the loss", BadReport)
    least, most = LOSSES
    sane = np.isnan(losses) | ((losses >= least) & (losses <= most))
    require("losses", losses, sane, f"not within {least:g} and {most:g}; send losses in another unit", BadReport)


def check_growth(what: str, values: Array, run: NDArray[np.int64], order: NDArray[np.int64]) -> None:
    """Cumulative values (N,) or (N, K) do not fall from one row of a run to its next; `order` (N,): the rows run by
    run, each in the order of its draws."""
    same = run[order][1:] == run[order][:-1]
    step = np.diff(values[order], axis=0)
    fell = (step < -FALL * np.max(values)) & same.reshape(-1, *(1,) * (values.ndim - 1))
    if np.any(fell):
        at, *column = (int(i) for i in np.argwhere(fell)[0])
        now, before = (int(order[at + 1]), *column), (int(order[at]), *column)
        raise BadReport(
            f"{place(what, now)} is {values[now]:g}, less than {values[before]:g} in row {before[0]} of the same run, "
            "which had drawn less in all; send cumulative values, or label the runs"
        )


def names(what: str, given: Iterable[str], count: int) -> tuple[str, ...]:
    """`given` if these are so many names, all different."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise BadSetup(f"{what} is {given!r}; give a list of {count} names")
    listed = list(given)
    if len(listed) != count:
        raise BadSetup(f"{what} has {len(listed)} names, {listed}, for {count} columns; give one for each")
    for i, name in enumerate(listed):
        if not isinstance(name, str) or not name:
            raise BadSetup(f"{what}[{i}] is {name!r}; names must be non-empty strings")
        if name in listed[:i]:
            raise BadSetup(f"{what}[{i}] is '{name}', which is there already; names must be unique")
    return tuple(str(name) for name in listed)


def groups(given: Iterable[str | None], count: int) -> list[str | None]:
    """`given` if these are so many names of groups, or None where a domain is of none."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise BadSetup(f"groups is {given!r}; give a list of {count}, None for a domain without a group")
    listed = list(given)
    if len(listed) != count:
        raise BadSetup(f"groups has {len(listed)} entries, {listed}, for {count} domains; give one for each")
    for j, name in enumerate(listed):
        if name is not None and (not isinstance(name, str) or not name):
            raise BadSetup(f"groups[{j}] is {name!r}; a group is a non-empty string, or None")
    return listed


def labels(run: ArrayLike, count: int) -> NDArray[np.int64]:
    """(N,): runs numbered in the order of their labels, which may be numbers or strings."""
    given = np.asarray(run, dtype=object)
    if given.shape != (count,):
        raise BadSetup(f"run has the shape {given.shape} where ({count},) is needed; give the label of each row's run")
    values = given.tolist()
    for i, value in enumerate(values):
        if not isinstance(value, (str, Real)) or value != value:
            raise BadSetup(f"run[{i}] is {value!r}; a label must be a string or a number")
    ordered = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    at = {value: i for i, value in enumerate(ordered)}
    return np.array([at[value] for value in values], dtype=np.int64)


def check_question(
    draws: ArrayLike, time: ArrayLike | None, anneal: ArrayLike, level: float, domains: tuple[str, ...]
) -> tuple[Array, Array | None, Array]:
    """What a law is asked for, draws (N, K), time (N,) and anneal, one number or (N,); `BadSetup` if it cannot be."""
    draws_NxK = table("draws", draws, "domain", BadSetup)
    if draws_NxK.shape[1] != len(domains):
        raise BadSetup(f"draws have {draws_NxK.shape[1]} columns; the law knows {len(domains)} domains")
    check_draws(draws_NxK, BadSetup)
    rows = (len(draws_NxK),)
    if time is not None:
        time = shaped("time", numbers("time", time), rows, "give the cumulative learning rate of each row")
        require("time", time, np.isfinite(time) & (time >= 0), "and must be finite and >= 0", BadSetup)
    part = numbers("anneal", anneal)
    if part.shape != ():
        shaped("anneal", part, rows, "give one number, or one for each row")
    require("anneal", part, (part >= 0) & (part <= 1), "and must lie between 0 and 1", BadSetup)
    part_of_one = number("level", level)
    if not (part_of_one > 0 and 0.5 + part_of_one / 2 < 1):
        raise BadSetup(f"level is {level}; it must lie between 0 and 1")
    return draws_NxK, time, part
