"""Online Data Mixing: a bandit whose reward is a domain's loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from policies.intake import nearest
from policies.records import BadSetup, LossReport
from policies.rivals.losses import NATS, domain_logs, level, ratio, shares_since
from policies.rivals.mixtures import softmax, uniform_shares
from policies.rivals.stateful import Rival, State, Step, Tune

FORMS = ("smoothed", "exp3")
TUNE: Tune = {"nats": (1.0, 30.0, "log"), "keep": (0.5, 0.99, "linear")}


def exploration(count: int, step: int) -> float:
    """e_t = min(1/K, sqrt(ln K / (K t))), e_0 = 1/K (Auer et al. 2002, as used in the paper)."""
    return 1.0 / count if step < 1 else min(1.0 / count, math.sqrt(math.log(count) / (count * step)))


def exp3_shares(rewards: Mapping[str, float], step: int) -> dict[str, float]:
    """p_k = (1 - K e_t) exp(e_(t-1) R_k) / sum_j exp(e_(t-1) R_j) + e_t."""
    count = len(rewards)
    floor, rate = exploration(count, step), exploration(count, step - 1)
    greedy = softmax({name: rate * reward for name, reward in rewards.items()})
    return {name: (1.0 - count * floor) * share + floor for name, share in greedy.items()}


class Odm(Rival):
    """ODM (Albalak et al. 2023, 2312.02406, Algorithm 1): sample where the training loss is high.

    `form="smoothed"` (the variant that the code's README points to): r_k <- 0.9 r_k + 0.1 exp(loss_k),
    p_k = (1 - K e_t) r_k / sum r + e_t. `form="exp3"`: R_k += (loss_k / 10) / p_k, and `exp3_shares`.
    Defaults: keep = 0.9, e_t as in `exploration`, the first decision uniform.

    Interpretations. The paper's losses are nats; exp(loss) has units. Here the mean of the first
    losses counts as `nats` = 10, which also makes the code's loss/10 a loss in units of the first.
    One report stands for one step t. Between reports every domain is drawn many times, so the
    importance weight 1/p_k is multiplied by the part of the draws that came from k. The training
    loss is used where it is reported, else the held-out loss of the domain's name; a domain
    without either keeps its reward.
    """

    name = "odm"
    OPTIONS: ClassVar[dict[str, Any]] = {"form": "smoothed", "nats": NATS, "keep": 0.9}
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {"nats": (1e-3, 100.0), "keep": (0.0, 1.0)}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.options["form"] not in FORMS:
            form = str(self.options["form"])
            raise BadSetup(f"option form of 'odm' is '{form}'{nearest(form, FORMS)}; known: {', '.join(FORMS)}")

    def _first(self) -> dict[str, float]:
        return uniform_shares(self.names)

    def _step(self, state: State, report: LossReport, position: int) -> Step:
        logs = domain_logs(report, self.names)
        unit = state.get("unit", level(logs))
        now = {**state, "unit": unit, "draws": dict(report.draws)}
        if unit is None:
            now.pop("unit")
            return Step(self._first(), now, "kept: no loss measured")
        update = self._smoothed if self.options["form"] == "smoothed" else self._exp3
        now["step"] = state.get("step", 0) + bool(logs)
        losses = {name: ratio(log, unit) for name, log in logs.items()}
        now["rewards"] = rewards = update(state, report, losses)
        shares = self._shares(rewards, now["step"])
        now["weights"] = shares
        return Step(shares, now, "refit", f"step {now['step']}, floor {exploration(len(shares), now['step']):.3g}")

    def _smoothed(self, state: State, report: LossReport, losses: Mapping[str, float]) -> dict[str, float]:
        """Logs of the smoothed perplexities: log(keep exp(r) + (1 - keep) exp(loss))."""
        keep, old = self.options["keep"], state.get("rewards", {})
        new = {name: self.options["nats"] * loss for name, loss in losses.items()}
        fresh = {**new, **{name: old[name] for name in self.names if name in old}}
        for name in new.keys() & old.keys():
            top = max(old[name], new[name])
            mixed = keep * math.exp(old[name] - top) + (1.0 - keep) * math.exp(new[name] - top)
            fresh[name] = top + math.log(mixed) if mixed > 0 else min(old[name], new[name])
        return fresh

    def _exp3(self, state: State, report: LossReport, losses: Mapping[str, float]) -> dict[str, float]:
        """Importance-weighted rewards added up."""
        drawn = shares_since(report.draws, state.get("draws", {}))
        used = state.get("weights", self._first())
        old = {name: reward for name, reward in state.get("rewards", {}).items() if name in self.names}
        fresh, mean = dict(old), _mean(old)
        for name, loss in losses.items():
            weight = min(drawn.get(name, 0.0) / max(used.get(name, 0.0), 1e-12), 1e3)
            fresh[name] = old.get(name, mean) + self.options["nats"] / NATS * loss * weight
        return fresh

    def _shares(self, rewards: Mapping[str, float], step: int) -> dict[str, float]:
        """The mixture; a domain without any measured loss so far has the mean reward."""
        full = {name: rewards.get(name, _mean(rewards)) for name in self.names}
        if self.options["form"] == "exp3":
            return exp3_shares(full, step)
        floor, count = exploration(len(full), step), len(full)
        return {name: (1.0 - count * floor) * share + floor for name, share in softmax(full).items()}


def _mean(rewards: Mapping[str, float]) -> float:
    return math.fsum(sorted(rewards.values())) / len(rewards) if rewards else 0.0
