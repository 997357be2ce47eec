"""The loader: the same draws on any number of ranks and processes, and new stages at the promised draw."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from trainers.stream import BadLoader, Batch, LoaderPlan, SampleStream, StreamLoader, visible_patches
from trainers.volumes.crops import read_crop
from trainers.volumes.records import PreparedData

MIXTURE = {"ct": 0.5, "mr": 0.3, "pet": 0.2}
LATER = {"ct": 0.1, "mr": 0.1, "pet": 0.8}
GLOBAL_BATCH, TOKENS, VISIBLE = 12, 8, 2
Row = tuple[int, int, int, int, int, bytes, bytes]


def start(data: PreparedData) -> SampleStream:
    return SampleStream(data, seed=5, interval=48, weights=MIXTURE)


def plan(**changes: object) -> LoaderPlan:
    return LoaderPlan(GLOBAL_BATCH, TOKENS, VISIBLE, **changes)  # type: ignore[arg-type]


def rows(batch: Batch) -> Iterator[Row]:
    for i in range(len(batch)):
        columns = (batch.index, batch.domain, batch.item, batch.crop, batch.epoch)
        index, domain, item, crop, epoch = (int(column[i]) for column in columns)
        yield index, domain, item, crop, epoch, batch.image[i].numpy().tobytes(), batch.visible[i].numpy().tobytes()


def read(data: PreparedData, first: int, stop: int, **changes: object) -> list[Row]:
    loader = StreamLoader(start(data), plan(**changes))
    try:
        return [row for batch in loader.batches(first, stop) for row in rows(batch)]
    finally:
        loader.close()


def test_any_number_of_ranks_and_processes_reads_the_same_stream(cached_data: PreparedData) -> None:
    whole = read(cached_data, 0, 96)
    assert [row[0] for row in whole] == list(range(96))
    for world, workers, micro in ((2, 0, None), (3, 2, 1), (4, 0, 2), (5, 1, 2), (1, 3, 5)):
        ranks = [
            read(cached_data, 0, 96, rank=r, world=world, workers=workers, micro_batch=micro) for r in range(world)
        ]
        assert sorted(row for mine in ranks for row in mine) == whole
        assert {len(mine) for mine in ranks} <= {-(-12 // world) * 8, 12 // world * 8}


@pytest.mark.parametrize("workers", [0, 2])
def test_from_the_middle_it_goes_on_item_by_item_over_the_end_of_an_epoch(
    cached_data: PreparedData, workers: int
) -> None:
    for rank in range(2):
        whole = read(cached_data, 0, 120, rank=rank, world=2, workers=workers)
        half = len(whole) // 2
        assert read(cached_data, 60, 120, rank=rank, world=2, workers=workers) == whole[half:]
        assert max(row[4] for row in whole) >= 2  # pools of 4 to 6 crops were used up


@pytest.mark.parametrize("workers", [0, 2])
def test_a_new_stage_is_seen_at_the_promised_draw(cached_data: PreparedData, workers: int) -> None:
    stream, known = start(cached_data), start(cached_data)
    known.extend(96, LATER)
    loader = StreamLoader(stream, plan(workers=workers, prefetch_factor=1))
    seen: list[int] = []
    for batch in loader.batches(0, 192):
        seen += batch.domain.tolist()
        if len(seen) == 36:  # reading ahead goes to 36 + 12 * (2 + 1) at most
            stream.extend(96, LATER)
    loader.close()
    assert seen == known.resolve(0, 192).domain.tolist()


@pytest.mark.parametrize(("workers", "factor"), [(0, 2), (1, 1), (2, 3)])
def test_reading_ahead_is_bounded(cached_data: PreparedData, workers: int, factor: int) -> None:
    settings = plan(workers=workers, prefetch_factor=factor, micro_batch=4)
    stream = start(cached_data)
    loader = StreamLoader(stream, settings)
    position, furthest = 0, 0
    for batch in loader.batches(0, 240):
        furthest = max(furthest, stream.handed_out - position)
        position += GLOBAL_BATCH if batch.last else 0
    loader.close()
    assert position == 240
    assert furthest <= settings.horizon
    assert stream.handed_out == 240


def test_batches_hold_the_crop_the_draw_names(cached_data: PreparedData) -> None:
    loader = StreamLoader(start(cached_data), plan())
    batch = next(iter(loader.batches(0, 12)))
    assert batch.image.shape == (12, 1, 8, 8, 8)
    assert (batch.image.dtype, batch.domain.dtype, batch.visible.dtype) == (torch.float32, torch.int64, torch.int64)
    assert batch.valid.all()
    assert batch.failures == []
    for i in range(12):
        domain = list(cached_data.domains.values())[int(batch.domain[i])]
        crop = read_crop(domain.train[int(batch.item[i])], int(batch.crop[i]), cached_data.crop)
        assert (batch.image[i].numpy() == crop).all()


def test_masks_are_distinct_sorted_and_of_the_draw_alone() -> None:
    whole = visible_patches(5, np.arange(500), 64, 16)
    assert (np.diff(whole, axis=1) > 0).all()
    assert whole.min() == 0
    assert whole.max() == 63
    assert (visible_patches(5, np.array([123]), 64, 16)[0] == whole[123]).all()
    assert (visible_patches(6, np.arange(500), 64, 16) != whole).any()
    counts = np.bincount(whole.ravel(), minlength=64)
    assert np.abs(counts - 125).max() < 5 * np.sqrt(500 * 0.25 * 0.75)


def test_micro_batches_make_up_a_step_and_the_last_is_marked(cached_data: PreparedData) -> None:
    loader = StreamLoader(start(cached_data), plan(world=2, rank=1, micro_batch=4))
    batches = list(loader.batches(0, 24))
    assert [(batch.index.tolist(), batch.last) for batch in batches[:2]] == [([1, 3, 5], False), ([7, 9, 11], True)]
    assert len(batches) == 4
    for world in (5, 7, 12):
        assert len({plan(world=world, rank=r, micro_batch=1).micro_batches for r in range(world)}) == 1


def test_an_unreadable_volume_is_named_and_its_draws_are_not_valid(cached_data: PreparedData) -> None:
    broken = cached_data.domains["pet"].train[1]
    Path(broken.file).write_bytes(Path(broken.file).read_bytes()[:400])
    for workers in (0, 2):
        loader = StreamLoader(start(cached_data), plan(workers=workers))
        batches = list(loader.batches(0, 96))
        loader.close()
        hit = 0
        for batch in batches:
            bad = (batch.domain == 2) & (batch.item == 1)
            assert (batch.valid == ~bad).all()
            assert (batch.image[bad] == 0).all()
            assert (batch.image[~bad].flatten(1).abs().sum(1) > 0).all()
            assert len(batch.failures) == int(bad.sum())
            for failure in batch.failures:
                assert (failure.domain, failure.key) == ("pet", "pet-1")
                assert "broken" in failure.cause
            hit += int(bad.sum())
        assert hit >= 2


def test_flips_are_of_the_draw_and_only_along_the_axes_asked_for(cached_data: PreparedData) -> None:
    straight = read(cached_data, 0, 48)
    flipped = read(cached_data, 0, 48, flip_axes=(1,), workers=2)
    assert read(cached_data, 24, 48, flip_axes=(1,)) == flipped[24:]
    changed = 0
    for (*place, image, mask), (*other_place, other, other_mask) in zip(straight, flipped, strict=True):
        assert (place, mask) == (other_place, other_mask)
        a, b = (np.frombuffer(x, np.float32).reshape(8, 8, 8) for x in (image, other))
        assert (a == b).all() or (a == b[:, ::-1]).all()
        changed += not (a == b).all()
    assert 10 < changed < 38


def test_reading_processes_stay_between_ranges_and_end_with_close(cached_data: PreparedData) -> None:
    loader = StreamLoader(start(cached_data), plan(workers=2))
    first = list(loader.batches(0, 24))
    iterator = loader._loader._iterator
    assert iterator is not None
    processes = {process.pid for process in iterator._workers}  # type: ignore[attr-defined]
    for _ in loader.batches(24, 96):
        break  # left in the middle
    again = list(loader.batches(0, 24))
    assert [b.index.tolist() for b in again] == [b.index.tolist() for b in first]
    assert {process.pid for process in loader._loader._iterator._workers} == processes  # type: ignore[union-attr]
    loader.close()
    for pid in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_settings_that_do_not_fit_say_what_to_set(cached_data: PreparedData) -> None:
    with pytest.raises(BadLoader, match="global_batch is 12, below the 13 workers"):
        plan(world=13)
    with pytest.raises(BadLoader, match="rank is 2 of 2"):
        plan(world=2, rank=2)
    with pytest.raises(BadLoader, match="micro_batch is 0"):
        plan(micro_batch=0)
    loader = StreamLoader(start(cached_data), plan())
    with pytest.raises(ValueError, match="draws 6 to 24 are not whole batches of 12"):
        next(loader.batches(6, 24))
    assert list(loader.batches(24, 24)) == []


def test_neither_monai_nor_ray_is_needed_to_read() -> None:
    code = "import sys, trainers.stream; assert not {'monai', 'ray', 'mlflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_global_generators_are_left_alone(cached_data: PreparedData) -> None:
    torch.manual_seed(1)
    before, legacy = torch.random.get_rng_state(), np.random.get_state()  # noqa: NPY002
    read(cached_data, 0, 24, flip_axes=(0, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert (legacy[1] == np.random.get_state()[1]).all()  # type: ignore[index]  # noqa: NPY002
