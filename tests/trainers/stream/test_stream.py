"""The stream is a pure function of seed, schedule and index."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.stream import BadStage, Draw, Draws, SampleStream, StageTooLate, StreamMismatch
from trainers.volumes.records import PreparedData

Maker = Callable[..., PreparedData]
MIXTURE = {"ct": 0.5, "mr": 0.3, "pet": 0.2}
LATER = {"ct": 0.1, "mr": 0.3, "pet": 0.6}


@pytest.fixture
def data(make_data: Maker) -> PreparedData:
    return make_data({"ct": [30, 11, 7], "mr": [5, 5], "pet": [1, 40, 3, 2]})


def start(data: PreparedData, seed: int = 7) -> SampleStream:
    return SampleStream(data, seed=seed, interval=128, weights=MIXTURE)


def rows(draws: Draws) -> list[Draw]:
    return list(draws)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 2999), max_size=8), shuffle=st.randoms(use_true_random=False))
def test_any_piece_in_any_order_is_the_same_stream(make_data: Maker, cuts: list[int], shuffle: object) -> None:
    data = make_data({"ct": [30, 11, 7], "mr": [5, 5], "pet": [1, 40, 3, 2]})
    whole_stream, piecewise = start(data), start(data)
    for stream in (whole_stream, piecewise):
        stream.extend(384, LATER)
        stream.extend(1408, MIXTURE, {"pet": ["pet-1"]})
    whole = rows(whole_stream.resolve(0, 3000))
    edges = sorted({0, 3000, *cuts})
    pieces = list(itertools.pairwise(edges))
    shuffle.shuffle(pieces)  # type: ignore[attr-defined]
    for first, stop in pieces:
        assert rows(piecewise.resolve(first, stop)) == whole[first:stop]


def test_a_stage_added_late_is_as_if_it_had_been_known_before(data: PreparedData) -> None:
    early, late = start(data), start(data)
    early.extend(512, LATER)
    before = rows(late.resolve(0, 512)), rows(late.resolve(512, 2000))
    late.extend(512, LATER)
    assert rows(late.resolve(0, 2000)) == rows(early.resolve(0, 2000))
    assert rows(late.resolve(0, 512)) == before[0]
    assert rows(late.resolve(512, 2000)) != before[1]


def test_seeds_give_different_streams(data: PreparedData) -> None:
    assert rows(start(data, 1).resolve(0, 200)) != rows(start(data, 2).resolve(0, 200))


def test_repeats_are_counted_against_the_pool(data: PreparedData) -> None:
    stream = start(data)
    draws = [d for d in stream.resolve(0, 4000) if d.domain == "mr"]
    pool = data.domains["mr"].pool
    for epoch in range(len(draws) // pool):
        mine = draws[epoch * pool : (epoch + 1) * pool]
        assert {d.epoch for d in mine} == {epoch}
        assert {(d.item, d.crop) for d in mine} == {(item, crop) for item in (0, 1) for crop in range(5)}


def test_served_counts_what_was_drawn_at_every_position(data: PreparedData) -> None:
    stream = start(data)
    stream.extend(256, LATER)
    draws = rows(stream.resolve(0, 700))
    for position in (0, 1, 127, 128, 129, 255, 256, 257, 511, 700):
        counts = Counter(d.domain for d in draws[:position])
        assert stream.served(position) == {name: counts[name] for name in stream.names}


def test_shares_hold_over_stages(data: PreparedData) -> None:
    stream = start(data)
    stream.extend(128 * 5, LATER)
    served = stream.served(128 * 12)
    for name in stream.names:
        target = MIXTURE[name] * 128 * 5 + LATER[name] * 128 * 7
        assert abs(served[name] - target) < 1


def test_excluded_volumes_come_no_more_and_the_domain_starts_over(data: PreparedData) -> None:
    stream, untouched = start(data), start(data)
    stream.extend(640, MIXTURE, {"ct": ["ct-1"]})
    after, as_before = rows(stream.resolve(640, 3000)), rows(untouched.resolve(640, 3000))
    mine = [d for d in after if d.domain == "ct"]
    assert {d.item for d in mine} == {0, 2}
    last_epoch = max(d.epoch for d in stream.resolve(0, 640) if d.domain == "ct")
    assert mine[0].epoch == last_epoch + 1
    first_pass = [(d.item, d.crop) for d in mine[:37]]
    assert sorted(first_pass) == [(0, c) for c in range(30)] + [(2, c) for c in range(7)]
    others = [d for d in after if d.domain != "ct"]
    assert others == [d for d in as_before if d.domain != "ct"]
    assert stream.pool("ct") == 37
    assert stream.schedule.stages[0].items != stream.schedule.stages[1].items


def test_excluding_before_the_first_draw_begins_with_epoch_zero(make_data: Maker) -> None:
    data = make_data({"ct": [3, 3], "mr": [4]})
    stream = SampleStream(data, seed=1, interval=8, weights={"ct": 0.0, "mr": 1.0})
    stream.extend(16, {"ct": 0.5, "mr": 0.5}, {"ct": ["ct-0"]})
    assert next(d for d in stream.resolve(16, 32) if d.domain == "ct").epoch == 0


def test_a_stage_that_changes_nothing_adds_nothing(data: PreparedData) -> None:
    stream, plain = start(data), start(data)
    stream.resolve(0, 1000)
    stream.extend(256, MIXTURE)
    stream.extend(384, LATER, {"ct": ["ct-1"]})
    stream.extend(384, LATER, {"ct": ["ct-1"], "mr": []})
    stream.extend(512, LATER)
    assert len(stream.schedule.stages) == 2
    assert stream.excluded == {"ct": ("ct-1",)}
    plain.extend(384, LATER, {"ct": ["ct-1"]})
    assert stream.digest == plain.digest


def test_stages_are_refused_off_the_boundary_and_after_the_fact(data: PreparedData) -> None:
    stream = start(data)
    with pytest.raises(BadStage, match=r"draw 130 is not on a multiple of 128 draws; use 256"):
        stream.extend(130, LATER)
    stream.hand_out(0, 300)
    with pytest.raises(StageTooLate, match=r"draw 256 comes too late: draws up to 300 .* use 384"):
        stream.extend(256, LATER)
    stream.extend(384, LATER)
    with pytest.raises(StageTooLate, match=r"last stage begins at 384; use 512"):
        stream.extend(384, MIXTURE)
    stream.extend(256 + 128, LATER)  # as it stands
    stream.resolve(0, 5000)  # looking is not handing out
    stream.extend(512, MIXTURE)


def test_bad_mixtures_name_the_domain(data: PreparedData) -> None:
    stream = start(data)
    with pytest.raises(BadStage, match=r"share of 'pet' is -0.2"):
        stream.extend(128, {"ct": 0.9, "mr": 0.3, "pet": -0.2})
    with pytest.raises(BadStage, match=r"unknown domain 'us'"):
        stream.extend(128, {"ct": 0.5, "mr": 0.3, "us": 0.2})
    with pytest.raises(BadStage, match=r"excluded volumes of 'us'"):
        stream.extend(128, LATER, {"us": ["x"]})
    with pytest.raises(BadStage, match=r"share of 'mr' is 0.3, but no volume of it is left"):
        stream.extend(128, LATER, {"mr": ["mr-0", "mr-1"]})
    stream.extend(128, {"ct": 0.5, "mr": 0.0, "pet": 0.5}, {"mr": ["mr-0", "mr-1"]})
    assert {d.domain for d in stream.resolve(128, 400)} == {"ct", "pet"}
    assert len(stream.schedule.stages) == 2


def test_stored_and_read_back_it_goes_on_the_same(data: PreparedData) -> None:
    stream = start(data)
    stream.extend(128, LATER)
    stream.extend(512, MIXTURE, {"pet": ["pet-1", "pet-0"]})
    body = json.loads(json.dumps(stream.to_dict()))
    back = SampleStream.from_dict(data, body)
    assert rows(back.resolve(0, 2000)) == rows(stream.resolve(0, 2000))
    assert (back.digest, back.schedule.digest()) == (stream.digest, stream.schedule.digest())
    assert back.served(1234) == stream.served(1234)


def test_other_data_under_a_stored_stream_is_refused(data: PreparedData, make_data: Maker) -> None:
    stream = start(data)
    stream.extend(128, LATER, {"pet": ["pet-1"]})
    other = make_data({"ct": [30, 11, 7], "mr": [5, 6], "pet": [1, 40, 3, 2]})
    with pytest.raises(StreamMismatch, match=r"the training volumes are not those"):
        SampleStream.from_dict(other, stream.to_dict())
    fewer = make_data({"ct": [30, 11, 7], "mr": [5, 5]})
    with pytest.raises(StreamMismatch, match=r"does not fit the data: .*'pet'"):
        SampleStream.from_dict(fewer, stream.to_dict())
    with pytest.raises(StreamMismatch, match=r"format 9"):
        SampleStream.from_dict(data, stream.to_dict() | {"format": 9})


def test_ten_million_draws_ahead_costs_little(make_data: Maker) -> None:
    data = make_data({f"d{i}": [50 + i] * 40 for i in range(10)})
    weights = dict(zip(data.domains, np.random.default_rng(0).dirichlet(np.ones(10)).tolist(), strict=True))
    stream = SampleStream(data, seed=0, interval=16384, weights=weights)
    began = time.process_time()
    draws = stream.resolve(10**7, 10**7 + 1000)
    assert time.process_time() - began < 8
    began = time.process_time()
    assert sum(stream.served(10**7 + 777).values()) == 10**7 + 777
    assert time.process_time() - began < 0.5
    assert len(draws) == 1000


def test_order_within_a_block_is_mixed(make_data: Maker) -> None:
    data = make_data({"a": [1000], "b": [1000]})
    stream = SampleStream(data, seed=3, interval=256, weights={"a": 0.5, "b": 0.5})
    domain = stream.resolve(0, 256 * 40).domain
    runs = 1 + np.count_nonzero(np.diff(domain))
    assert abs(runs - 256 * 20) < 5 * np.sqrt(256 * 10)


def test_epochs_are_told(data: PreparedData) -> None:
    stream = start(data)
    told = stream.epochs(1000)
    assert told["mr"] == pytest.approx(stream.served(1000)["mr"] / 10)
