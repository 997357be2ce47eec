"""Numbers as a person reads them: right, short, and never a lie by rounding."""

from __future__ import annotations

import math

import pytest

from policies.records import Interval
from service.story import words


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.41234, "0.412"), (19200.4, "19,200"), (0.0, "0"), (1.0, "1.00"), (3.2e-9, "3.20e-09"), (math.nan, "–")],
)
def test_figures_keep_three_significant_digits(value: float, said: str) -> None:
    assert words.figure(value) == said


def test_an_interval_shows_its_ends_to_the_places_of_its_mean() -> None:
    assert words.interval(Interval(0.3127, 0.2688, 0.3513), 2) == "0.31 [0.27, 0.35]"
    assert words.interval(Interval(0.5, math.nan, math.nan)) == "0.500 [?, ?]"
    assert words.interval(None) == "–"


def test_a_share_that_rounds_to_zero_has_no_minus_sign() -> None:
    assert words.percent(-0.0001) == "0.0 %"
    assert words.percent(0.081, signed=True) == "+8.1 %"


def test_a_gain_in_log_loss_becomes_the_fraction_by_which_the_mean_loss_is_lower() -> None:
    gain = Interval(-math.log(0.9), -math.log(0.95), -math.log(0.85))
    assert words.gain_words(gain) == "a mean loss 10.0 % [5.0, 15.0] lower"
    harm = Interval(*(-end for end in (gain.mean, gain.high, gain.low)))
    assert words.gain_words(harm).startswith("a mean loss 11.1 % [5.3, 17.6] higher")


def test_a_gain_in_another_objective_keeps_its_unit() -> None:
    assert words.gain_words(Interval(0.02, 0.01, 0.03), "mean_excess") == "0.0200 [0.0100, 0.0300] in mean_excess"


def test_names_are_listed_and_long_lists_cut() -> None:
    assert words.listing(["ct"]) == "ct"
    assert words.listing(["ct", "pet", "t1"]) == "ct, pet and t1"
    assert words.listing(list("abcdefgh"), most=3) == "a, b, c and 5 more"
    assert words.listing([]) == "none"


def test_html_in_names_is_disarmed() -> None:
    assert words.esc('<img src=x onerror="1">') == "&lt;img src=x onerror=&quot;1&quot;&gt;"
