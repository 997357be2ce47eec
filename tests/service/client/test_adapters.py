"""The adapters, driven by the hooks of their frameworks in the order in which those call them."""

from __future__ import annotations

import logging
import re
import types
from pathlib import Path
from typing import Any

import pytest

from service.client import AllocationClient, MixtureCallback, UnknownName
from service.client.adapters.base import base_class
from tests.service.client.scripted import Scripted
from tests.service.client.test_callback import mixture_at, moving, reports

pytestmark = pytest.mark.usefixtures("token")
BATCH = 10


@pytest.fixture
def service(weather: Scripted) -> Scripted:
    weather.otherwise = moving
    return weather


def callback(service: Scripted, *, strict: bool = True) -> MixtureCallback:
    client = AllocationClient(service.url, queue=":memory:")
    return MixtureCallback("run", ["a", "b"], 1_000, 100, client=client, lag=0, strict=strict)


class HuggingFace:
    """The hooks of one training of the Trainer, with an evaluation each ten steps and a checkpoint each fifteen."""

    def __init__(self, mixture: MixtureCallback, folder: Path, step: int = 0) -> None:
        self.mixture, self.hooks = mixture, mixture.for_transformers()
        self.args = types.SimpleNamespace(output_dir=str(folder))
        self.state = types.SimpleNamespace(global_step=step, is_world_process_zero=True)
        self.losses = {"a": 1.0, "b": 2.0}

    def call(self, hook: str, **given: Any) -> None:
        getattr(self.hooks, hook)(self.args, self.state, object(), model=None, **given)

    def train(self, until: int) -> list[str]:
        plan = types.SimpleNamespace(get_last_lr=lambda: [0.5])
        domains = []
        self.call("on_train_begin")
        while self.state.global_step < until:
            self.call("on_step_begin", lr_scheduler=plan)
            domains.append(self.mixture.choose())
            self.mixture.count(domains[-1], BATCH)  # as training_step does
            self.state.global_step += 1
            self.call("on_step_end", lr_scheduler=plan)
            if self.state.global_step % 10 == 0:
                for target, loss in self.losses.items():
                    self.call("on_evaluate", metrics={f"eval_{target}_loss": loss, "eval_runtime": 0.1, "epoch": 1})
            if self.state.global_step % 15 == 0:
                self.call("on_save")
        self.call("on_train_end")
        return domains


def test_hugging_face_reports_all_targets_of_an_evaluation_at_once(service: Scripted, tmp_path: Path) -> None:
    with callback(service) as mixture:
        HuggingFace(mixture, tmp_path).train(30)
        assert mixture.weights == pytest.approx(mixture_at(300))
    assert [body["position"] for body in reports(service)] == [100, 200, 300]
    assert reports(service)[-1]["eval_loss"] == {"a": 1.0, "b": 2.0}
    assert reports(service)[-1]["lr_sum"] == pytest.approx(15.0)


def test_hugging_face_sends_what_there_is_when_a_target_is_missing(service: Scripted, tmp_path: Path) -> None:
    with callback(service) as mixture:
        run = HuggingFace(mixture, tmp_path)
        del run.losses["b"]
        run.train(20)
    assert [(body["position"], body["eval_loss"]) for body in reports(service)] == [
        (100, {"a": 1.0, "b": None}),
        (200, {"a": 1.0, "b": None}),
    ]


def test_hugging_face_goes_on_from_a_checkpoint(service: Scripted, tmp_path: Path) -> None:
    with callback(service) as mixture:
        whole = HuggingFace(mixture, tmp_path / "whole").train(40)
    with callback(service) as mixture:
        begun = HuggingFace(mixture, tmp_path / "parts").train(15)
    with callback(service) as mixture:
        assert begun + HuggingFace(mixture, tmp_path / "parts", step=15).train(40) == whole


def lightning(mixture: MixtureCallback, hooks: Any, steps: int, key: str = "val_loss/{}") -> None:
    """The hooks of `fit`: a sanity check first, then a validation each ten batches."""
    optimizer = types.SimpleNamespace(param_groups=[{"lr": 0.5}])
    trainer = types.SimpleNamespace(sanity_checking=True, callback_metrics={}, optimizers=[optimizer])
    hooks.on_fit_start(trainer, None)
    hooks.on_validation_end(trainer, None)
    trainer.sanity_checking = False
    for index in range(steps):
        batch = {"x": None, "domain": [mixture.choose() for _ in range(BATCH)]}
        hooks.on_train_batch_end(trainer, None, None, batch, index)
        if (index + 1) % 10 == 0:
            trainer.callback_metrics = {key.format("a"): 1.0, key.format("b").replace("_0", "_1"): 2.0}
            hooks.on_validation_end(trainer, None)


@pytest.mark.parametrize("key", ["val_loss/{}", "val_loss/{}/dataloader_idx_0"])
def test_lightning_counts_batches_and_reports_validations(service: Scripted, key: str) -> None:
    with callback(service) as mixture:
        hooks = mixture.for_lightning()
        lightning(mixture, hooks, 30, key)
        state = hooks.state_dict()
    assert [body["position"] for body in reports(service)] == [100, 200, 300]
    assert reports(service)[-1]["eval_loss"] == {"a": 1.0, "b": 2.0}
    with callback(service) as mixture:
        resumed = mixture.for_lightning()
        resumed.load_state_dict(state)
        assert mixture.position == 300
        assert mixture.weights == pytest.approx(mixture_at(300))
        assert resumed.state_key == hooks.state_key


def test_hugging_face_names_the_metric_that_is_missing(
    service: Scripted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = (
        r"no metric is named 'eval_a_loss' \(did you mean 'eval_A_loss'\?\); there are epoch, eval_A_loss, eval_B_loss"
    )
    for strict in (True, False):
        mixture = callback(service, strict=strict)
        run = HuggingFace(mixture, tmp_path)
        run.losses = {"A": 1.0, "B": 2.0}
        if strict:
            with pytest.raises(UnknownName, match=said):
                run.train(20)
            assert reports(service) == []
        else:
            run.train(20)
            assert re.search(said, caplog.text)
            assert [body["eval_loss"] for body in reports(service)] == [{"a": None, "b": None}] * 2
        mixture.close()


def test_lightning_names_the_metric_that_is_missing(service: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    said = r"no metric is named 'val_loss/a' \(did you mean 'val/loss_a'\?\); there are val/loss_a, val/loss_b"
    with callback(service) as mixture, pytest.raises(UnknownName, match=said):
        lightning(mixture, mixture.for_lightning(), 10, "val/loss_{}")
    assert reports(service) == []
    with callback(service, strict=False) as mixture:
        lightning(mixture, mixture.for_lightning(), 30, "val/loss_{}")
        assert mixture.weights == pytest.approx(mixture_at(300))
    assert len([record for record in caplog.records if "no metric is named" in record.message]) == 1


def test_new_mixtures_stand_in_the_frameworks_own_log(
    service: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with callback(service) as mixture:
        HuggingFace(mixture, tmp_path).train(10)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"this run is steered; its page is {service.url}/allocations/a-1"
    assert [line.partition(" (")[0] for line in lines[1:]] == [
        "mixture from draw 0 on: a 50.0%, b 50.0%",
        "mixture from draw 100 on: a 20.0%, b 80.0%",
    ]
    got: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: got.append(record.getMessage())  # type: ignore[method-assign]
    with callback(service) as mixture:
        hooks = mixture.for_lightning()
        theirs = logging.getLogger(type(hooks).__base__.__module__.partition(".callbacks")[0])
        monkeypatch.setattr(theirs, "handlers", [handler])
        lightning(mixture, hooks, 10)
    assert got == lines


def test_frameworks_are_looked_for_only_when_asked() -> None:
    assert base_class(("a_framework_nobody_has", "Callback"), ("collections.abc", "Mapping")).__name__ == "Mapping"
    assert base_class(("a_framework_nobody_has", "Callback")) is object
