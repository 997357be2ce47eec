"""Skill-It: weight a domain by the losses of what it helps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from policies.records import LossReport
from policies.rivals.blocks import ALIKE, Block, Watch
from policies.rivals.losses import ratio, target_logs
from policies.rivals.mixtures import smoothed_one_hot, softmax
from policies.rivals.stateful import Rival, State, Step, Tune

TUNE: Tune = {"eta": (0.02, 10.0, "log"), "probe": (0.1, 0.3, "linear"), "one_hot": (0.4, 1.0, "linear")}

LONGEST = 0.5  # of the run at most this part goes into learning the graph
Graph = Mapping[str, Mapping[str, float]]  # [target][domain]


def skill_it_shares(
    graph: Graph, losses: Mapping[str, float], weights: Mapping[str, float], eta: float, names: Sequence[str]
) -> dict[str, float]:
    """p_j proportional to exp(eta sum_i w_i A_ij L_i), L_i summed over the window (eq. 3 of the paper).

    Equal target weights count 1 each. A loss that was not measured adds nothing.
    """
    count = sum(weight > 0 for weight in weights.values())
    scores = {}
    for name in names:
        parts = (count * weights.get(i, 0.0) * graph.get(i, {}).get(name, 0.0) * loss for i, loss in losses.items())
        scores[name] = eta * math.fsum(sorted(parts))
    return softmax(scores)


def learnt_graph(blocks: Sequence[Block]) -> dict[str, dict[str, float]]:
    """A_ij = fall of target i while j was trained on, negative ones 0, the largest scaled to 1."""
    graph: dict[str, dict[str, float]] = {}
    for block in blocks:
        for target, slope in block.slopes.items():
            graph.setdefault(target, {})[block.label] = max(slope, 0.0)
    most = max((value for row in graph.values() for value in row.values()), default=0.0)
    return {i: {j: value / most for j, value in row.items()} for i, row in graph.items()} if most > ALIKE else {}


class SkillIt(Rival):
    """Skill-It (Chen et al., NeurIPS 2023, 2307.14430, Algorithms 1 and 2): a fixed transfer graph, falling losses.

    Graph: train on j alone, A_ij = relative fall of loss i. Online: p_j proportional to exp(eta sum_i
    A_ij sum over the last w = 3 evaluations of L_i). Default eta = 0.2 (its 23-task setting).

    Interpretations. The graph is learnt from this run: after one interval on the baseline each domain
    in turn gets `one_hot` = 1 of a block, one sweep by `probe` = 0.2 of the budget (blocks of at
    least one interval; where a sweep needs more than half of the run there is none and the graph is
    the identity, as in the code). Later blocks would show smaller falls, so falls are per unit of
    log draws; the largest counts 1, like the paper's 0/1 graphs. Losses are divided by their first
    value, the code's `normalize_loss`: without it the rule is not free of units.
    """

    name = "skill_it"
    OPTIONS: ClassVar[dict[str, Any]] = {"eta": 0.2, "window": 3, "probe": 0.2, "one_hot": 1.0}
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {
        "eta": (0.0, 1e3),
        "window": (1, 1000),
        "probe": (0.0, 1.0),
        "one_hot": (0.0, 1.0),
    }

    def _first(self) -> dict[str, float]:
        return self.baseline

    def _step(self, state: State, report: LossReport, position: int) -> Step:
        if position < self.interval:
            return Step(self.baseline, self._remembered(state, report), "start")
        front = "" if "graph" in state else self._front(position)
        watch = Watch.from_dict(state.get("watch")).at(report, front)
        now = self._remembered(state, report)
        if front:
            share = max(self.options["one_hot"], 1.0 / len(self.names))
            mixture = smoothed_one_hot(front, self.names, share)
            return Step(mixture, {**now, "watch": watch.to_dict()}, "probe", f"{front} in front")
        now.pop("watch", None)
        if "graph" not in now:
            now["graph"] = learnt_graph(watch.ended) or {name: {name: 1.0} for name in self.names}
        losses: dict[str, float] = {}
        for target, values in now["recent"].items():
            losses[target] = self.options["window"] * math.fsum(values) / len(values) if values else 0.0
        shares = skill_it_shares(now["graph"], losses, self.targets, self.options["eta"], self.names)
        return Step(shares, now, "refit", f"graph of {len(watch.ended)} blocks" if watch.ended else "graph kept")

    def _front(self, position: int) -> str:
        """Whose block begins or goes on at `position`; empty outside the sweep."""
        first, names = self.interval, sorted(self.names)
        block = max(1, int((self.options["probe"] * self.budget - first) / (self.interval * len(names))))
        length = block * self.interval
        if first + length * len(names) > LONGEST * self.budget:
            return ""
        index = (position - first) // length
        return names[index] if index < len(names) else ""

    def _remembered(self, state: State, report: LossReport) -> State:
        """First losses, and the last few in units of them."""
        logs, window = target_logs(report), int(self.options["window"])
        first = {**logs, **state.get("first", {})}
        recent = dict(state.get("recent", {}))
        for target, log in logs.items():
            recent[target] = [*recent.get(target, []), ratio(log, first[target])][-window:]
        return {**state, "first": first, "recent": recent}
