"""No subject on two sides, no side empty, and the same answer whatever the order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.volumes import BadData
from trainers.volumes.split import Wish, split_subjects

NAMES = st.sampled_from("abcdefghijklmnop")
FRACTION = st.floats(0.05, 0.6)


@settings(deadline=None)
@given(st.sets(NAMES, min_size=2), FRACTION)
def test_one_domain_keeps_both_sides_and_the_fraction(subjects, fraction):
    held = split_subjects({"d": Wish(frozenset(subjects), fraction)}).held_out["d"]
    assert held < frozenset(subjects)
    assert len(held) == min(max(1, round(fraction * len(subjects))), len(subjects) - 1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sets(NAMES, min_size=1), FRACTION), min_size=1, max_size=5))
def test_every_leak_is_reported_and_no_side_is_empty(domains):
    wishes = {str(n): Wish(frozenset(s), f) for n, (s, f) in enumerate(domains)}
    split = split_subjects(wishes)
    for name, wish in wishes.items():
        assert (name in split.slab) == (len(wish.subjects) == 1)
        if name not in split.slab:
            assert frozenset() < split.held_out[name] < wish.subjects
    told = {(s, held, train) for s, held, train in split.both}
    for name, held in split.held_out.items():
        for other, wish in wishes.items():
            for subject in held & (wish.subjects - split.held_out[other]):
                assert (subject, name, other) in told
    shuffled = dict(reversed(wishes.items()))
    assert split_subjects(shuffled).held_out == split.held_out


@settings(deadline=None)
@given(st.sets(NAMES, min_size=2), st.integers(2, 4), FRACTION)
def test_domains_with_the_same_subjects_agree(subjects, count, fraction):
    split = split_subjects({str(n): Wish(frozenset(subjects), fraction) for n in range(count)})
    assert len(set(split.held_out.values())) == 1
    assert not split.both


def test_a_larger_domain_follows_a_smaller_one():
    small, large = frozenset("ab"), frozenset("abcdefghij")
    split = split_subjects({"large": Wish(large, 0.2), "small": Wish(small, 0.2)})
    assert split.held_out["small"] < split.held_out["large"]
    assert not split.both


def test_named_subjects_are_obeyed_or_refused():
    subjects = frozenset("abc")
    assert split_subjects({"d": Wish(subjects, frozenset("ax"))}).held_out["d"] == {"a"}
    with pytest.raises(BadData, match="none of the 1 subjects"):
        split_subjects({"d": Wish(subjects, frozenset("x"))})
    with pytest.raises(BadData, match="all 3 subjects"):
        split_subjects({"d": Wish(subjects, subjects)})


def test_a_slab_whose_subject_is_trained_on_elsewhere_is_a_leak():
    split = split_subjects({"one": Wish(frozenset("a"), 0.2), "two": Wish(frozenset("abcd"), frozenset("b"))})
    assert split.slab == {"one"}
    assert split.both == (("a", "one", "two"),)
