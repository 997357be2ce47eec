"""The small parts of the loop, one by one."""

from __future__ import annotations

import pickle
import time

import pytest
import torch

from policies.records import Decision, LossReport
from trainers.config.training import TrainConfig
from trainers.loop.comm import LocalComm, all_equal, broadcast_json
from trainers.loop.ema import EAGER_STEPS, EVERY, Ema
from trainers.loop.errors import AdvisorSilent, NonFiniteLoss, TooMuchMissing
from trainers.loop.line import AdvisorLine
from trainers.loop.parallel import build_optimizer
from trainers.loop.progress import ProgressFile, read_progress
from trainers.loop.trace import read_trace

REPORT = LossReport(32, {"a": 20, "b": 12}, {"a": 1.0, "b": 1.0})
KEPT = {"a": 0.5, "b": 0.5}


def test_the_average_starts_warm_and_forgets_the_start():
    model = torch.nn.Linear(3, 2)
    ema = Ema(model, 0.999)
    with torch.no_grad():
        model.weight.fill_(5.0)
    for _ in range(20):
        ema.update()
    torch.testing.assert_close(ema.average["weight"], torch.full((2, 3), 5.0), rtol=1e-2, atol=1e-2)
    with ema.applied():
        assert torch.equal(model.weight, ema.average["weight"])
    assert (model.weight == 5.0).all()


def ramp(decay: float, steps: int, average: float | None = None, done: int = 0) -> Ema:
    """The average of a weight that is n after step n."""
    model = torch.nn.Linear(1, 1, bias=False)
    ema = Ema(model, decay)
    ema.load({"weight": torch.full((1, 1), 0.0 if average is None else average)}, done)
    for step in range(done + 1, steps + 1):
        with torch.no_grad():
            model.weight.fill_(float(step))
        ema.update()
    return ema


@pytest.mark.parametrize("decay", [0.95, 0.99])
def test_a_sparse_average_lags_behind_as_far_as_a_dense_one(decay):
    steps, dense = 40 * EAGER_STEPS, 0.0
    for step in range(steps):
        dense += (1 - min(decay, (1 + step) / (10 + step))) * (step + 1 - dense)
    found = float(ramp(decay, steps).average["weight"])
    assert found == pytest.approx(dense, abs=EVERY)


def test_an_average_goes_on_in_the_middle_of_a_stride_as_if_never_stopped():
    half = EAGER_STEPS + EVERY + 1
    first = ramp(0.99, half)
    resumed = ramp(0.99, half + 50, float(first.average["weight"]), half)
    assert torch.equal(resumed.average["weight"], ramp(0.99, half + 50).average["weight"])


def test_without_decay_the_average_is_the_weights():
    assert float(ramp(0.0, EAGER_STEPS + EVERY + 1).average["weight"]) == pytest.approx(EAGER_STEPS + EVERY + 1)


def test_frozen_parameters_have_no_average():
    model = torch.nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert set(Ema(model, 0.9).average) == {"weight"}


def test_no_decay_on_vectors_and_tokens():
    model = torch.nn.Module()
    model.cls_token = torch.nn.Parameter(torch.zeros(1, 1, 4))
    model.norm, model.linear = torch.nn.LayerNorm(4), torch.nn.Linear(4, 4)
    decayed, plain = build_optimizer(model, TrainConfig(weight_decay=0.1)).param_groups
    assert [p.shape for p in decayed["params"]] == [(4, 4)]
    assert decayed["weight_decay"] == 0.1
    assert len(plain["params"]) == 4
    assert plain["weight_decay"] == 0


def test_json_is_broadcast_bit_for_bit():
    body = {"weights": {"a": 1 / 3, "b": 0.1 + 0.2}, "none": None}
    assert broadcast_json(LocalComm(), body) == body
    assert all_equal(LocalComm(), "ab" * 32)


@pytest.mark.parametrize(
    "error", [NonFiniteLoss(8, 10, None), TooMuchMissing("pet", 0.3, 0.2, ["x.nii"])], ids=lambda e: type(e).__name__
)
def test_errors_travel_from_a_worker_to_the_driver(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


class Advisor:
    """Waits, fails or answers as told; remembers what it was asked."""

    def __init__(self, decision: Decision | None = None, wait: float = 0.0, error: Exception | None = None) -> None:
        self.decision, self.wait, self.error = decision or Decision(64, {"a": 0.9, "b": 0.1}, "refit"), wait, error
        self.calls: list[str] = []

    def start(self):
        return self.decide(None)

    def decide(self, report):
        self.calls.append("decide")
        time.sleep(self.wait)
        if self.error is not None:
            raise self.error
        return self.decision

    def hold(self, report, why):
        self.calls.append(f"hold: {why}")
        return Decision(64, KEPT, "hold")

    def note(self, kind, position, body):
        self.calls.append(f"note {kind}")


def answer(advisor: Advisor, timeout: float = 0.2) -> Decision:
    line = AdvisorLine(lambda: advisor, timeout)
    line.note("throughput", 32, {})
    return line.answer(line.ask(REPORT, 64), ["a", "b"], KEPT)


def test_an_answer_in_time_is_taken_and_calls_keep_their_order():
    advisor = Advisor()
    assert answer(advisor).weights == {"a": 0.9, "b": 0.1}
    assert advisor.calls == ["note throughput", "decide"]


@pytest.mark.parametrize(
    ("advisor", "why"),
    [
        (Advisor(wait=1.0), "no decision within 0.2 seconds"),
        (Advisor(error=ValueError("draws of 'a' fell")), "draws of 'a' fell"),
        (Advisor(Decision(128, KEPT, "refit")), "applies from draw 128, the interval begins at 64"),
        (Advisor(Decision(64, {"a": 1.0}, "refit")), "domain 'b' is missing"),
    ],
)
def test_what_cannot_be_used_is_held_and_the_hold_is_stored(advisor, why):
    assert answer(advisor).reason == "hold"
    assert why in advisor.calls[-1]
    assert advisor.calls[-1].startswith("hold")


def test_a_decision_that_was_stored_after_all_is_applied():
    class Late(Advisor):
        def hold(self, report, why):
            return self.decision

    assert answer(Late(wait=1.0)).weights == {"a": 0.9, "b": 0.1}


def test_a_hold_that_cannot_be_stored_does_not_stop_training():
    class Gone(Advisor):
        def hold(self, report, why):
            raise ConnectionError("no actor")

    assert answer(Gone(wait=1.0)).weights == KEPT


def test_no_first_mixture_is_an_error():
    with pytest.raises(AdvisorSilent, match=r"within 0\.2 seconds"):
        AdvisorLine(lambda: Advisor(wait=1.0), 0.2).start(["a", "b"])


def test_progress_is_read_back_with_gaps_as_null(tmp_path):
    file = ProgressFile(tmp_path, 60)
    assert file.due()
    file.write({"position": 8, "train_loss": {"a": float("nan")}})
    assert not file.due()
    assert read_progress(tmp_path)["train_loss"] == {"a": None}
    assert read_progress(tmp_path / "nowhere") is None


def test_a_trace_that_contradicts_itself_is_an_error(tmp_path):
    (tmp_path / "trace-0.jsonl").write_text('{"index": 0, "item": 1}\n{"index": 1, "it\n{"index": 0, "item": 1}\n')
    assert read_trace(tmp_path) == {0: {"index": 0, "item": 1}}
    (tmp_path / "trace-1.jsonl").write_text('{"index": 0, "item": 2}\n')
    with pytest.raises(ValueError, match="draw 0 was"):
        read_trace(tmp_path)
