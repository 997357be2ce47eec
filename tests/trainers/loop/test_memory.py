"""Memory that does not suffice: one sentence, and no rank that waits for another."""

from __future__ import annotations

import errno

import pytest
import torch

from trainers.config.model import ModelConfig
from trainers.config.training import TrainConfig
from trainers.loop import LocalComm, run
from trainers.loop.errors import OutOfMemory, RunStopped
from trainers.loop.memory import RankOutOfMemory, memory_explained, memory_of, sentence, word_of
from trainers.memory_signs import is_out_of_memory


class Pair(LocalComm):
    """Rank 0 of two."""

    world = 2


def too_large() -> torch.Tensor:
    """torch's own words, from torch's own allocator."""
    return torch.empty(2**46, dtype=torch.float64)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1073741824 bytes."),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_what_counts(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("Connection closed by peer"))
    assert not is_out_of_memory(OSError(errno.ENOSPC, "No space left on device"))


def test_torch_on_a_cpu_is_understood():
    with pytest.raises(RuntimeError) as raised:
        too_large()
    assert is_out_of_memory(raised.value)


def test_the_sentence_names_batch_crop_preset_and_cure():
    train = TrainConfig.model_validate({"global_batch": 64})
    said = sentence(train, ModelConfig(preset="vit-b"), (96, 96, 64), 2, "cuda:0")
    for part in ("cuda:0", "32 crops", "96 x 96 x 64", "vit-b", "set train.micro_batch to 16", "data.crop"):
        assert part in said
    small = sentence(train.model_copy(update={"micro_batch": 1}), ModelConfig(), (32, 32, 32), 2, "cpu")
    assert "micro_batch to" not in small
    with (
        pytest.raises(OutOfMemory, match="not enough memory on cpu"),
        memory_explained(train, ModelConfig(), (32, 32, 32), 1, "cpu"),
    ):
        too_large()
    with (
        pytest.raises(RuntimeError, match="something else"),
        memory_explained(train, ModelConfig(), (32, 32, 32), 1, "cpu"),
    ):
        raise RuntimeError("something else")


def test_a_run_that_has_no_memory_stops_with_the_sentence(make_job, monkeypatch):
    monkeypatch.setattr("trainers.loop.training.build_model", lambda *_: too_large())
    with pytest.raises(RunStopped, match=r"not enough memory on cpu for 8 crops at once of 16 x 16 x 16 voxels"):
        run(make_job(), LocalComm())


def test_of_several_ranks_one_leaves_a_word_and_all_stop_after_the_restart(make_job, tmp_path):
    job = make_job()
    (tmp_path / "run").mkdir()
    with pytest.raises(RankOutOfMemory), memory_of(job, Pair()):
        too_large()
    assert word_of(job).is_file()
    with pytest.raises(OutOfMemory, match="4 crops at once"), memory_of(job, Pair()):
        pytest.fail("it would only run out of memory again")
    with memory_of(job, Pair()):
        pass  # the word is taken once
