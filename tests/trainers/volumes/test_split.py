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
def test_a_subject_is_on_one_side_everywhere_or_it_is_refused(domains):
    wishes = {str(n): Wish(frozenset(s), f) for n, (s, f) in enumerate(domains)}
    try:
        split = split_subjects(wishes)
    except BadData as error:
        assert "nobody can be held out" in str(error)  # noqa: PT017
        return
    out = frozenset[str]().union(*split.held_out.values())
    told = {(s, held, train) for s, held, train in split.both}
    for name, wish in wishes.items():
        assert (name in split.slab) == (len(wish.subjects) == 1)
        assert split.held_out[name] == (frozenset() if name in split.slab else wish.subjects & out)
        if name not in split.slab:
            assert frozenset() < split.held_out[name] < wish.subjects
        else:
            assert told >= {(s, name, n) for n, w in wishes.items() if n != name for s in wish.subjects & w.subjects}
    assert not split.followed
    shuffled = dict(reversed(wishes.items()))
    assert split_subjects(shuffled).held_out == split.held_out


@settings(deadline=None)
@given(st.sets(NAMES, min_size=12), st.lists(st.sets(NAMES, min_size=2), min_size=1, max_size=3), FRACTION)
def test_a_domain_with_everybody_never_makes_it_impossible(everybody, others, fraction):
    wishes = {str(n): Wish(frozenset(everybody & s or everybody), fraction) for n, s in enumerate(others)}
    try:
        before = split_subjects(wishes).held_out
    except BadData:
        return
    after = split_subjects({**wishes, "large": Wish(frozenset(everybody), fraction)}).held_out
    assert {name: after[name] for name in wishes} == before


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
    with pytest.raises(BadData, match="nobody of its 3 subjects is held out"):
        split_subjects({"d": Wish(subjects, frozenset("x"))})
    with pytest.raises(BadData, match="all 3 subjects"):
        split_subjects({"d": Wish(subjects, subjects)})


def test_a_slab_whose_subject_is_trained_on_elsewhere_is_a_leak():
    split = split_subjects({"one": Wish(frozenset("a"), 0.2), "two": Wish(frozenset("abcd"), frozenset("b"))})
    assert split.slab == {"one"}
    assert split.both == (("a", "one", "two"),)


def test_whoever_is_named_is_held_out_in_all_domains():
    both = frozenset("abcd")
    split = split_subjects({"one": Wish(both, frozenset("a")), "two": Wish(both, frozenset("b")), "x": Wish(both, 0.2)})
    assert set(split.held_out.values()) == {frozenset("ab")}
    assert set(split.followed) == {("b", "two", "one"), ("a", "one", "two")}
    assert not split.both


def test_a_fraction_leaves_a_list_alone_where_it_can():
    listed, free = Wish(frozenset("abcd"), frozenset("a")), Wish(frozenset("bcdef"), 0.2)
    split = split_subjects({"listed": listed, "free": free})
    assert split.held_out["listed"] == {"a"}
    assert split.held_out["free"] <= {"e", "f"}


def test_a_fraction_that_has_only_subjects_of_a_list_extends_it():
    split = split_subjects({"listed": Wish(frozenset("abcd"), frozenset("a")), "free": Wish(frozenset("bc"), 0.5)})
    (subject,) = split.held_out["free"]
    assert split.held_out["listed"] == {"a", subject}
    assert split.followed == ((subject, "free", "listed"),)


@pytest.mark.parametrize(
    "wishes",
    [
        {"one": Wish(frozenset("a"), 0.2), "two": Wish(frozenset("abcd"), frozenset("a"))},
        {"one": Wish(frozenset("ab"), 0.2), "two": Wish(frozenset("abcd"), frozenset("ab"))},
        {"one": Wish(frozenset("ab"), frozenset("a")), "two": Wish(frozenset("abcd"), frozenset("b"))},
    ],
)
def test_nobody_left_to_train_on_is_refused_with_both_places(wishes):
    with pytest.raises(BadData, match=r"domain 'one': nobody is left to train on: .* held out, by 'two' too"):
        split_subjects(wishes)


def test_three_domains_of_two_that_share_all_are_refused():
    wishes = {name: Wish(frozenset(name), 0.5) for name in ("ab", "bc", "ca")}
    with pytest.raises(BadData, match="nobody can be held out: 'ab' and"):
        split_subjects(wishes)


def test_a_slab_is_kept_out_of_the_held_out_subjects_of_others():
    for subject in "abcd":
        split = split_subjects({"one": Wish(frozenset(subject), 0.2), "two": Wish(frozenset("abcd"), 0.75)})
        assert subject not in split.held_out["two"]
        assert split.both == ((subject, "one", "two"),)
