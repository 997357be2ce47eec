"""The counter-based generator against the published answers, and its statistics."""

from __future__ import annotations

import numpy as np
import pytest

from trainers.stream.counter import key_for, orders, philox, words


@pytest.mark.parametrize(
    ("key", "low", "high", "answer"),
    [
        (0, 0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (2**64 - 1, 2**64 - 1, 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            0x299F31D0A4093822,
            0x85A308D3243F6A88,
            0x0370734413198A2E,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers_of_random123(key: int, low: int, high: int, answer: tuple[int, ...]) -> None:
    found = philox(key, np.array([low], np.uint64), np.array([high], np.uint64))
    assert tuple(int(word[0]) for word in found) == answer


def test_words_depend_on_index_alone_not_on_company_or_count() -> None:
    key = key_for(3, "test")
    many = words(key, np.arange(50), 11)
    assert (words(key, np.array([17]), 11)[0] == many[17]).all()
    assert (words(key, np.arange(50), 5) == many[:, :5]).all()


def test_seeds_and_purposes_give_unrelated_numbers() -> None:
    keys = {key_for(seed, purpose) for seed in range(50) for purpose in ("a", "b")}
    assert len(keys) == 100
    a, b = (words(key_for(seed, "a"), np.arange(2000), 1)[:, 0].astype(float) for seed in (1, 2))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.08


def test_orders_are_permutations_and_every_place_is_as_likely() -> None:
    count, n = 7, 7000
    found = orders(key_for(0, "order"), np.arange(n), count)
    assert (np.sort(found, axis=1) == np.arange(count)).all()
    seen = np.stack([np.bincount(found[:, place], minlength=count) for place in range(count)])
    expected = n / count
    statistic = ((seen - expected) ** 2 / expected).sum()
    assert statistic < 80  # 36 degrees of freedom; 80 has a chance of 4e-5
