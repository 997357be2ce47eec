"""What a loop gives: wrong names and values are said before anything is sent, and raise where the run is strict."""

from __future__ import annotations

import logging
import math
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch

from service.client import BadValue, MixtureCallback, UnknownName
from service.client.names import nearest
from service.client.wire import domain_names, report_body, target_weights
from tests.service.client.scripted import Said, Scripted, Seen
from tests.service.client.test_callback import callback, mixture_at, moving, reports

pytestmark = pytest.mark.usefixtures("token")


@pytest.fixture
def service(weather: Scripted) -> Scripted:
    weather.otherwise = moving
    return weather


def evaluated(service: Scripted, loss: Any, **more: Any) -> MixtureCallback:
    """A run that has made one report."""
    mixture = callback(service, lag=0, **more)
    mixture.count("a", 100)
    mixture.report(loss)
    return mixture


WRONG_LOSSES: list[tuple[Any, str]] = [
    ({"A": 1.0, "b": 2.0}, r"unknown target 'A' \(did you mean 'a'\?\); known are a, b"),
    ({" a": 1.0, "b": 2.0}, r"unknown target ' a' \(did you mean 'a'\?\)"),
    ({"val_loss/a": 1.0, "b": 2.0}, r"unknown target 'val_loss/a' \(did you mean 'a'\?\)"),
    ({"a": 1.0, "b": 2.0, "zz": 3.0}, "unknown target 'zz'; known are a, b"),
    ({"": 1.0, "b": 2.0}, "unknown target ''"),
    ({0: 1.0, "b": 2.0}, "eval_loss has the key 0; give the names of targets, which are a, b"),
    ({"a": -1.0, "b": 2.0}, "eval_loss of 'a' is -1.0; a loss must be > 0"),
    ({"a": 0, "b": 2.0}, "eval_loss of 'a' is 0.0; a loss must be > 0"),
    ({"a": "0.5", "b": 2.0}, "eval_loss of 'a' is '0.5'; send one number"),
    ({"a": True, "b": 2.0}, "eval_loss of 'a' is True; send one number"),
    ({"a": np.bool_(True), "b": 2.0}, "eval_loss of 'a' is .*True.*; send one number"),
    ({"a": {"loss": 1.0}, "b": 2.0}, "eval_loss of 'a' is {'loss': 1.0}; send one number"),
    ({"a": [1.0, 2.0], "b": 2.0}, r"eval_loss of 'a' is \[1.0, 2.0\]; send one number"),
    ({"a": torch.ones(2), "b": 2.0}, r"eval_loss of 'a' is tensor\(\[1., 1.\]\); send one number"),
    ({"a": 1j, "b": 2.0}, "eval_loss of 'a' is 1j; send one number"),
    ([1.0, 2.0], r"eval_loss is \[1.0, 2.0\]; send a mapping by target"),
    (None, "eval_loss is None; send a mapping by target"),
    (1.5, "eval_loss is 1.5; send a mapping by target"),
]


@pytest.mark.parametrize(("loss", "said"), WRONG_LOSSES)
def test_a_wrong_evaluation_raises_before_anything_is_queued(service: Scripted, loss: Any, said: str) -> None:
    mixture = callback(service, lag=0, strict=True)
    mixture.count("a", 100)
    with pytest.raises(BadValue, match=said):
        mixture.report(loss)
    assert mixture.due
    assert reports(service) == []
    mixture.report({"a": 1.0, "b": 2.0})
    assert mixture.weights == pytest.approx(mixture_at(100))
    mixture.close()


@pytest.mark.parametrize(("loss", "said"), WRONG_LOSSES)
def test_where_it_may_not_raise_it_warns_and_the_rest_steers(
    service: Scripted, loss: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    mixture = evaluated(service, loss)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in warnings if re.search(said, text)]) == 1, warnings
    kept = {"a": loss.get("a"), "b": 2.0} if isinstance(loss, dict) else {"a": None, "b": None}
    if isinstance(loss, dict) and "zz" not in loss:
        kept["a"] = None
    assert reports(service)[0]["eval_loss"] == kept
    assert mixture.weights == pytest.approx(mixture_at(100)), "training goes on, steered by what can be used"
    mixture.close()


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (torch.tensor(1.5), 1.5),
        (torch.tensor([1.5], requires_grad=True), 1.5),
        (torch.tensor(1.5, dtype=torch.bfloat16), 1.5),
        (np.float32(1.5), 1.5),
        (np.array(1.5), 1.5),
        (Decimal("1.5"), 1.5),
        (2, 2.0),
        (None, None),
        (math.nan, None),
        (torch.tensor(math.nan), None),
    ],
)
def test_what_can_be_used_is_sent_as_it_is(service: Scripted, value: Any, sent: float | None) -> None:
    evaluated(service, {"a": value, "b": 2.0}, strict=True).close()
    assert reports(service)[0]["eval_loss"] == {"a": sent, "b": 2.0}


def test_the_same_mistake_is_said_once_and_then_at_a_pace(service: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    with callback(service, lag=0) as mixture:
        mixture._notices._clock = lambda: now[0]
        for step in range(1, 9):
            mixture.count("a", 100)
            mixture.report({"A": 1.0, "b": -1.0 * step})
            now[0] += 100.0
    said = [record.message for record in caplog.records if "unknown target 'A'" in record.message]
    assert len(said) == 2
    assert said[1].endswith("(7 times so far)")
    assert len([record for record in caplog.records if "eval_loss of 'b' is" in record.message]) == 2


def test_a_target_that_is_missing_is_said_at_the_first_report(
    service: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    with callback(service, lag=0, strict=True) as mixture:
        for step in range(5):
            mixture.count("a", 100)
            mixture.report({"b": 2.0} if step < 4 else {"a": 1.0, "b": 2.0})
    said = [record.message for record in caplog.records]
    assert said[0].startswith("eval_loss of 'a' is missing in the first report")
    assert said[1].startswith("'a' was not measured in 3 reports or more")
    assert len(said) == 2
    assert [body["eval_loss"]["a"] for body in reports(service)] == [None] * 4 + [1.0]


def test_a_target_that_is_only_sometimes_measured_is_fine(service: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    with callback(service, lag=0, strict=True) as mixture:
        for step in range(6):
            mixture.count("a", 100)
            mixture.report({"a": 1.0, "b": 2.0 if step % 2 == 0 else None})
    assert caplog.records == []


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ("A", UnknownName, r"'A' is no domain of this run \(did you mean 'a'\?\); known are a, b"),
        ("b ", UnknownName, r"'b ' is no domain of this run \(did you mean 'b'\?\)"),
        (["a", "xx"], UnknownName, "'xx' is no domain of this run; known are a, b"),
        (2, UnknownName, "2 is no number of a domain; they run from 0 to 1"),
        (-1, UnknownName, "-1 is no number of a domain"),
        (True, UnknownName, "True is neither a name nor a number"),
        (0.5, UnknownName, "0.5 is neither a name nor a number"),
        (None, UnknownName, "None is neither a name nor a number"),
        (b"a", UnknownName, "b'a' is neither a name nor a number"),
        ([["a", "b"]], UnknownName, "is neither a name nor a number"),
        ({"a": 3}, BadValue, "a mapping was given"),
    ],
)
def test_wrong_domains_are_not_counted(
    service: Scripted, given: Any, kind: type[Exception], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with callback(service, strict=True) as mixture, pytest.raises(kind, match=said):
        mixture.count(given)
    with callback(service) as mixture:
        mixture.count(given)
        mixture.count("b", 4)
        assert mixture.draws == {"a": 0, "b": 4}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("draws", [-1, 0.5, math.nan, math.inf, "3", None, True, [2], torch.ones(2)])
def test_wrong_counts_are_not_counted(service: Scripted, draws: Any, caplog: pytest.LogCaptureFixture) -> None:
    with callback(service, strict=True) as mixture, pytest.raises(ValueError, match="count a whole number of draws"):
        mixture.count("a", draws)
    with callback(service) as mixture:
        mixture.count("a", draws)
        assert mixture.position == 0
    assert "draws is" in caplog.text


@pytest.mark.parametrize("draws", [0, 3, 3.0, np.int64(3), torch.tensor(3)])
def test_whole_numbers_of_any_make_are_counted(service: Scripted, draws: Any) -> None:
    with callback(service, strict=True) as mixture:
        mixture.count("a", draws)
        assert mixture.draws == {"a": int(draws), "b": 0}


def test_training_losses_and_rates_that_are_none(service: Scripted) -> None:
    with callback(service, strict=True, lag=0) as mixture:
        with pytest.raises(BadValue, match="loss holds 2 numbers for 3 draws"):
            mixture.count(["a", "a", "b"], loss=[1.0, 2.0])
        for lr in (math.nan, -0.1, "fast"):
            with pytest.raises(BadValue, match="lr is"):
                mixture.count("a", lr=lr)
        with pytest.raises(BadValue, match="lr_sum is nan"):
            mixture.report({"a": 1.0, "b": 1.0}, lr_sum=math.nan)
        assert mixture.position == 0
        mixture.count("a", 50, loss=math.inf)
        mixture.count("a", 50, loss=1.5)
        mixture.report({"a": 1.0, "b": 1.0}, eval_sem={"a": 0.1, "b": math.nan})
    assert reports(service)[0]["train_loss"] == {"a": 1.5}
    assert reports(service)[0]["eval_sem"] == {"a": 0.1}


def test_what_the_service_does_not_know_is_named(service: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    """A site has left the allocation: its loss and its draws are of no use any more, and that is said."""

    def without_b(seen: Seen) -> Said:
        if seen.method == "GET":
            return Said(200, {"domains": [{"name": "a"}], "targets": {"a": 1.0}})
        wrong = "b" in seen.body.get("draws", {})
        return Said(422, {"detail": "draws names an unknown domain 'b'"}) if wrong else moving(seen)

    with callback(service, lag=0, strict=True) as mixture:
        mixture.count("b", 100)
        service.otherwise = without_b
        mixture.report({"a": 1.0, "b": 2.0})
    assert reports(service)[-1]["eval_loss"] == {"a": 1.0}
    assert "the allocation has no target 'b'; known are a; the loss is left out" in caplog.text
    assert "the allocation has no domain 'b'; known are a; its draws are left out" in caplog.text


def test_loops_that_forget_a_call_are_told(service: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    with callback(service) as mixture:
        for _ in range(100):
            mixture.choose()
        assert "choose() was called for a whole interval and count() never" in caplog.text
        caplog.clear()
        for _ in range(25):
            mixture.count(mixture.choose(), 10)
            assert mixture.due == (mixture.position >= 100)
    assert [record.message for record in caplog.records] == [
        "draw 200 is reached and the report due at 100 has not come: evaluate and report when `due`; "
        "without reports the mixture is not steered"
    ]


def test_a_budget_and_an_interval_are_whole_numbers() -> None:
    for wrong in ({"budget": 0}, {"interval": 0}, {"interval": -5}, {"budget": 10.5}, {"lag": -1}, {"lag": 0.5}):
        given: dict[str, Any] = {"budget": 100, "interval": 10} | wrong
        with pytest.raises(BadValue, match=next(iter(wrong))):
            MixtureCallback("run", ["a", "b"], **given)


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("T1 w", ["t1w", "t2w"], " (did you mean 't1w'?)"),
        ("eval_ct_loss", ["ct", "pet"], " (did you mean 'ct'?)"),
        ("ct", ["eval_ct_loss"], " (did you mean 'eval_ct_loss'?)"),
        ("lsion", ["lesion"], " (did you mean 'lesion'?)"),
        ("xyz", ["ct", "pet"], ""),
        ("ÄÖ", ["ct"], ""),
    ],
)
def test_the_nearest_name(name: str, known: list[str], said: str) -> None:
    assert nearest(name, known) == said


def test_names_of_epochs_samplers_and_probabilities_are_checked(
    weather: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    given = {
        "train_loss": lambda mixture: mixture.on_epoch_end(None, {"a": 1}, train_loss={"A": 1.0}),
        "sampler()": lambda mixture: mixture.sampler({"A": 5, "b": 5}),
        "probabilities()": lambda mixture: mixture.probabilities(["A", "b"]),
    }
    for field, use in given.items():
        caplog.clear()
        with callback(weather, lag=0) as mixture:
            use(mixture)
            use(mixture)
        (warning,) = [record.getMessage() for record in caplog.records]
        assert f"{field} names an unknown domain 'A' (did you mean 'a'?); known are a, b" in warning
        with callback(weather, lag=0, strict=True) as mixture, pytest.raises(UnknownName, match="did you mean 'a'"):
            use(mixture)


@pytest.mark.parametrize("field", ["draws", "train_loss"])
def test_an_epoch_is_given_by_domain(weather: Scripted, field: str, caplog: pytest.LogCaptureFixture) -> None:
    with callback(weather, lag=0) as mixture:
        mixture.on_epoch_end({"a": 1.0, "b": 1.0}, **({"draws": {"a": 5}} | {field: [1, 2]}))
        assert mixture.position == (0 if field == "draws" else 5)
    assert f"{field} is [1, 2]; send a mapping by domain" in caplog.text


def test_what_is_no_record_and_no_list_of_targets() -> None:
    for domains, said in (([{"nme": "a"}], "domain 0 has no name"), ([1, 2], "domains holds 1")):
        with pytest.raises(BadValue, match=said):
            domain_names(domains)
    with pytest.raises(BadValue, match="targets is 'lesion'; send a list"):
        target_weights("lesion")
    for field in ("draws", "eval_loss", "grad_dot"):
        given = {"draws": {"a": 1.0}, "eval_loss": {"a": 1.0}} | {field: [1.0]}
        with pytest.raises(BadValue, match=rf"{field} is \[1.0\]; send a mapping"):
            report_body(1, **given)
