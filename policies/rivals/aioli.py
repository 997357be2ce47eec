"""Aioli: learn the mixing law's parameters anew in every round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.records import LossReport
from policies.rivals.blocks import ALIKE, Block, Watch, table
from policies.rivals.mixtures import smoothed_one_hot, softmax
from policies.rivals.stateful import Rival, State, Step, Tune

TUNE: Tune = {
    "eta": (0.1, 100.0, "log"),
    "probing": (0.15, 0.7, "linear"),
    "one_hot": (0.4, 0.95, "linear"),
    "keep": (0.0, 0.9, "linear"),
}
Graph = dict[str, dict[str, float]]  # [target][domain]
Array = NDArray[np.float64]


def learn_params(blocks: Sequence[Block], targets: Sequence[str], names: Sequence[str]) -> Graph:
    """LearnParams: row_i(A) = W^-1 drop_i, W the mixtures of the probes; least squares where W is not square."""
    graph: Graph = {}
    for target in targets:
        mixtures, drops, _ = table(blocks, names, target)
        if len(drops) >= len(names):
            row = np.linalg.lstsq(mixtures, drops, rcond=1e-9)[0]
            graph[target] = dict(zip(names, row.tolist(), strict=True))
    return graph


def normalised(graph: Graph) -> Graph:
    """Less the smallest entry where that is negative, then divided by the sum of all (the code's normalize_A).

    Where nothing is left but rounding, which the division would make as large as any graph, there is none.
    """
    entries = [value for row in graph.values() for value in row.values()]
    least = min(0.0, min(entries, default=0.0))
    total = math.fsum(sorted(value - least for value in entries))
    if total <= ALIKE * len(entries):
        return {}
    return {i: {j: (value - least) / total for j, value in row.items()} for i, row in graph.items()}


def aioli_shares(graph: Graph, weights: Mapping[str, float], eta: float, names: Sequence[str]) -> dict[str, float]:
    """p_j proportional to exp(eta sum_i w_i A_ij); equal weights count 1."""
    count = sum(weight > 0 for weight in weights.values())
    columns = {j: sorted(count * weights.get(i, 0.0) * row.get(j, 0.0) for i, row in graph.items()) for j in names}
    return softmax({name: eta * math.fsum(column) for name, column in columns.items()})


class Aioli(Rival):
    """Aioli (Chen et al., ICLR 2025, 2411.05735, Algorithms 1, 2): L_i(t+1) = L_i(t) - sum_j A_ij p_j, A learnt anew.

    Every round: a random permutation of the domains, each trained on with a smoothed one-hot mixture;
    `learn_params`; `normalised`; A <- keep A_old + (1 - keep) A; p proportional to exp(eta sum_i A_ij).
    Defaults: the K = 7 setting (eta = 1, one_hot = 0.75, keep = 0.1, 70 % of the draws are probes).

    Interpretations. A probe is one interval (the paper: 10 steps), so one sweep a round, not two; a
    round is so long that probes take the part `probing`. Falls are per unit of log draws, so that
    the order within a round does not matter. Since A sums to 1, eta = 1 moves the shares very
    little from uniform: that is the published rule. A round whose probes do not fit before the end
    of the budget is not begun. Free of units, because A is normalised.
    """

    name = "aioli"
    OPTIONS: ClassVar[dict[str, Any]] = {"eta": 1.0, "one_hot": 0.75, "keep": 0.1, "probing": 0.7}
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {
        "eta": (0.0, 1e6),
        "one_hot": (0.0, 1.0),
        "keep": (0.0, 1.0),
        "probing": (0.01, 1.0),
    }

    def _first(self) -> dict[str, float]:
        return self.baseline

    def _step(self, state: State, report: LossReport, position: int) -> Step:
        label, front = self._probe(position)
        watch = Watch.from_dict(state.get("watch")).at(report, label)
        now = dict(state)
        if watch.ended and (not label or label.split("/")[0] != watch.ended[-1].label.split("/")[0]):
            now["graph"] = self._learnt(state.get("graph"), watch.ended)
            watch = Watch(watch.label, watch.draws, watch.logs)
        now["watch"] = watch.to_dict()
        if front:
            share = max(self.options["one_hot"], 1.0 / len(self.names))
            mixture = smoothed_one_hot(front, self.names, share)
            return Step(mixture, now, "probe", f"{front} in front, round {label.split('/')[0]}")
        if not now.get("graph"):
            return Step(self.baseline, now, "kept: law not identified", "no round of probes is complete")
        shares = aioli_shares(now["graph"], self.targets, self.options["eta"], self.names)
        return Step(shares, now, "refit", "between the probes")

    def _probe(self, position: int) -> tuple[str, str]:
        """Label of the block that begins at `position` and the domain in front; empty between probes."""
        names = sorted(self.names)
        length = math.ceil(len(names) / self.options["probing"] - 1e-9) * self.interval
        turn, offset = divmod(position - self.interval, length)
        index = offset // self.interval
        begin = self.interval + turn * length
        if turn < 0 or index >= len(names) or begin + len(names) * self.interval >= self.budget:
            return "", ""
        order = np.random.default_rng([abs(self.seed), turn]).permutation(len(names))
        return f"{turn}/{index}", names[order[index]]

    def _learnt(self, old: Graph | None, blocks: Sequence[Block]) -> Graph:
        """The graph of the round that ended, averaged with the one before."""
        fresh = normalised(learn_params(blocks, sorted(self.targets), sorted(self.names)))
        if not fresh or not old:
            return fresh or old or {}
        keep = self.options["keep"]
        return {
            i: {j: keep * old.get(i, {}).get(j, value) + (1.0 - keep) * value for j, value in row.items()}
            for i, row in fresh.items()
        }
