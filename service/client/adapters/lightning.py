"""Lightning: count each training batch, report after validation, live in the checkpoint.

A batch is a mapping (or a tuple) that holds its samples' domains under `domain_key`; the held-out loss of each
target is logged as `loss_key`, e.g. `self.log("val_loss/ct", ..., add_dataloader_idx=False, sync_dist=True)`. With
`callback.sampler(...)` say `Trainer(use_distributed_sampler=False)`: it draws for each rank by itself, and what
Lightning would put around it lists all draws in advance, by the mixture of the first day.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from service.client.adapters.base import base_class, evaluation

if TYPE_CHECKING:
    from service.client.callback import MixtureCallback


def adapt(mixture: MixtureCallback, loss_key: str, domain_key: Any) -> Any:
    """A Callback of `lightning`, or of `pytorch_lightning` where only that is installed."""
    base = base_class(("lightning.pytorch", "Callback"), ("pytorch_lightning", "Callback"))

    class LightningCallback(base):  # type: ignore[misc, valid-type]
        state_key = "isthmus.MixtureCallback"

        def on_fit_start(self, trainer: Any, module: Any) -> None:
            # Lightning prints its own lines at INFO, and ours belong among them.
            mixture.tell(logging.getLogger(base.__module__.partition(".callbacks")[0]).info)
            mixture.start()

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            if domain_key is not None:
                mixture.count(batch[domain_key])
            for optimizer in list(trainer.optimizers)[:1]:
                mixture.add_lr(optimizer.param_groups[0]["lr"])
            mixture.end_step()

        def on_validation_end(self, trainer: Any, module: Any) -> None:
            if not trainer.sanity_checking and mixture.due:
                metrics = trainer.callback_metrics
                keys = {target: _key(metrics, loss_key, target, i) for i, target in enumerate(mixture.targets)}
                losses = {target: metrics[key] for target, key in keys.items() if key in metrics}
                mixture.report(evaluation(losses, keys, metrics))

        def state_dict(self) -> dict[str, Any]:
            return mixture.state_dict()

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            mixture.load_state_dict(state_dict)

    return LightningCallback()


def _key(metrics: Any, loss_key: str, target: str, loader: int) -> str:
    """The metric of a target; Lightning adds the loader's number to its name unless told not to."""
    key = loss_key.format(target=target)
    numbered = f"{key}/dataloader_idx_{loader}"
    return numbered if key not in metrics and numbered in metrics else key
