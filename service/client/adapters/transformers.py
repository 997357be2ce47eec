"""Hugging Face Trainer: report at evaluation, keep the counts beside each checkpoint.

What was drawn is counted by the trainer, which alone sees the batch:

    class MixedTrainer(Trainer):
        def training_step(self, model, inputs, *rest):
            callback.count(inputs.pop("domain"))
            return super().training_step(model, inputs, *rest)

`eval_dataset` is a dict by target; the Trainer evaluates one after the other and calls `on_evaluate` for each. Where
the sampler is `callback.sampler(...)`, `ignore_data_skip=True` lets it go on by itself after a restart.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.client.adapters.base import base_class, evaluation

if TYPE_CHECKING:
    from service.client.callback import MixtureCallback

STATE_FILE = "isthmus_callback.json"


def adapt(mixture: MixtureCallback, loss_key: str) -> Any:
    """A TrainerCallback; its hooks take what the Trainer passes, whatever else that may be."""
    base = base_class(("transformers", "TrainerCallback"))

    class TransformersCallback(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            self._losses: dict[str, Any] = {}
            self._metrics: set[str] = set()  # of the evaluations since the last report

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            mixture.tell(_write_line)
            mixture.start()
            saved = _checkpoint(args, state) / STATE_FILE
            if state.global_step > 0 and saved.exists():
                mixture.load_state_dict(json.loads(saved.read_text()))

        def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            plan = given.get("lr_scheduler")
            if plan is not None and hasattr(plan, "get_last_lr"):
                mixture.add_lr(plan.get_last_lr()[0])
            mixture.end_step()

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
            keys = self._keys()
            self._metrics |= set(metrics or ())
            self._losses.update({target: metrics[key] for target, key in keys.items() if key in (metrics or {})})
            if set(keys) <= set(self._losses):
                self._report()

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._report()

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._report()

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            kept = mixture.state_dict()
            if getattr(state, "is_world_process_zero", True):
                _write(_checkpoint(args, state) / STATE_FILE, kept)

        def _report(self) -> None:
            """All targets of one evaluation in one report; what is missing by the next step was not measured."""
            losses, metrics = self._losses, self._metrics
            self._losses, self._metrics = {}, set()
            if metrics and mixture.due:
                mixture.report(evaluation(losses, self._keys(), metrics))

        def _keys(self) -> dict[str, str]:
            return {target: loss_key.format(target=target) for target in mixture.targets}

    return TransformersCallback()


def _checkpoint(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"


def _write_line(text: str) -> None:
    """As the Trainer writes what it logs: to standard output, above its progress bar where there is one."""
    bars = sys.modules.get("tqdm.auto") or sys.modules.get("tqdm")
    if bars is None:
        print(text)
    else:
        bars.tqdm.write(text)


def _write(path: Path, state: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(state))
    os.replace(fresh, path)
