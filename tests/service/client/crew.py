"""Ranks of torch.distributed, forked from one process that has imported torch: `python -m tests.service.client.crew`.

Prints, as JSON, what each rank of each scenario came to: a value, the error it ended with, or that it hung.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from torch import distributed

from service.client import MixtureCallback

PATIENCE_SECONDS = 40.0  # for one scenario; they take about one
Scenario = Callable[[int], Any]
SCENARIOS: dict[str, tuple[int, bool, Scenario]] = {}
LOSSES = {"a": 1.0, "b": 2.0}


def scenario(ranks: int, *, own: bool = False) -> Callable[[Scenario], Scenario]:
    """`own`: the ranks are of no use to another scenario after it."""

    def add(function: Scenario) -> Scenario:
        SCENARIOS[function.__name__] = ranks, own, function
        return function

    return add


def callback(name: str, **more: Any) -> MixtureCallback:
    settings: dict[str, Any] = {"budget": 1_000, "interval": 100, "lag": 0, "strict": True} | more
    return MixtureCallback(name, ["a", "b"], **settings)


def train(mixture: MixtureCallback, steps: int, batch: Callable[[int], dict[str, int]]) -> list[Any]:
    """Position and share of `a` at each step; `batch` gives the draws of a step by domain."""
    trace = []
    for step in range(steps):
        mixture.choose()
        for name, draws in batch(step).items():
            mixture.count(name, draws, loss=1.5)
        if mixture.due:
            mixture.report(LOSSES)
        trace.append([mixture.position, round(mixture.weights["a"], 6)])
    return trace


@scenario(3)
def uneven(rank: int) -> Any:
    """Rank 2 has a short batch now and then, and fewer draws altogether."""
    with callback("uneven") as mixture:
        trace = train(mixture, 40, lambda step: {"a": 10 if rank < 2 else 3 if step % 5 == 4 else 7})
        return {"trace": trace, "drawn": mixture.state_dict()["counts"]["draws"]}


@scenario(2)
def by_domain(rank: int) -> Any:
    """Ranks call `count` unequally often in a step: once for each domain that their batch holds."""
    with callback("by_domain", lag=20) as mixture:
        return train(mixture, 50, lambda step: {"a": 5, "b": 5} if (step + rank) % 3 else {"b": 10})


@scenario(2)
def idle(rank: int) -> Any:
    """Rank 1 has nothing in every other step, and says so."""
    with callback("idle") as mixture:
        return train(mixture, 60, lambda step: {"a": 0 if rank and step % 2 else 10})


@scenario(2)
def resumed(rank: int) -> Any:
    def batch(step: int) -> dict[str, int]:
        return {"a": 10 if rank else 6}

    with callback("resumed") as mixture:
        whole = train(mixture, 50, batch)
    with callback("resumed-parts") as mixture:
        begun = train(mixture, 20, batch)
        state = json.loads(json.dumps(mixture.state_dict()))
    with callback("resumed-parts") as mixture:
        mixture.load_state_dict(state)
        return {"whole": whole, "parts": begun + train(mixture, 30, batch)}


@scenario(2)
def beyond_the_budget(rank: int) -> Any:
    with callback("beyond_the_budget") as mixture:
        train(mixture, 20, lambda step: {"a": 20, "b": 13} if rank else {"b": 30})
        return mixture.position


def one_report(name: str, evaluation: Any, **more: Any) -> Any:
    """Two reports; the first of them with `evaluation`."""
    with callback(name, **more) as mixture:
        mixture.count("a", 50)
        assert mixture.due
        mixture.report(evaluation)
        mixture.count("b", 50)
        assert mixture.due
        mixture.report(LOSSES)
        return mixture.weights["a"]


@scenario(2)
def unreadable(rank: int) -> Any:
    return one_report("unreadable", LOSSES if rank else {"a": "oops", "b": 2.0})


@scenario(2)
def unreadable_and_not_strict(rank: int) -> Any:
    return one_report("unreadable_and_not_strict", LOSSES if rank else {"a": "oops", "b": 2.5}, strict=False)


class Gone(dict[str, float]):
    """An evaluation that lies on a disk which has gone."""

    def items(self) -> Any:
        raise OSError("stale file handle")


@scenario(2)
def unreadable_mapping(rank: int) -> Any:
    return one_report("unreadable_mapping", LOSSES if rank else Gone(a=1.0), strict=False)


@scenario(2)
def unknown_on_rank_1(rank: int) -> Any:
    return one_report("unknown_on_rank_1", {"A": 1.0, "b": 2.0} if rank else LOSSES)


@scenario(2)
def evaluation_raises(rank: int) -> Any:
    def evaluate() -> dict[str, float]:
        if rank == 1:
            raise RuntimeError("cannot read the held-out set")
        return LOSSES

    return one_report("evaluation_raises", evaluate)


@scenario(3)
def rank_0_evaluates(rank: int) -> Any:
    return one_report("rank_0_evaluates", None if rank else LOSSES, budget=3_000, interval=150)


@scenario(2)
def divided_evaluation(rank: int) -> Any:
    return one_report("divided_evaluation", {"b": 7.0} if rank else {"a": 3.0})


@scenario(2, own=True)
def wrong_count(rank: int) -> Any:
    with callback("wrong_count") as mixture:
        return train(mixture, 20, lambda step: {"c" if rank == 1 and step == 3 else "a": 10})


@scenario(2)
def wrong_count_caught(rank: int) -> Any:
    """The error is caught where it is raised, and the loop goes on."""
    seen = ""
    with callback("wrong_count_caught") as mixture:
        for step in range(20):
            try:
                mixture.count("c" if rank == 1 and step == 3 else "a", 10)
            except ValueError as error:
                seen = f"{type(error).__name__}: {error}"
            if mixture.due:
                mixture.report(LOSSES)
    return seen


@scenario(2)
def wrong_count_and_not_strict(rank: int) -> Any:
    with callback("wrong_count_and_not_strict", strict=False) as mixture:
        train(mixture, 20, lambda step: {"c" if rank == 1 and step == 3 else "a": 10})
        return mixture.position


@scenario(2)
def queue_in_use(rank: int) -> Any:
    with callback("queue_in_use", queue=sys.argv[2]) as mixture:
        return mixture.choose()


@scenario(2)
def queue_that_cannot_be(rank: int) -> Any:
    with callback("queue_that_cannot_be", queue="/dev/null/queue.jsonl") as mixture:
        return mixture.choose()


@scenario(2)
def other_interval(rank: int) -> Any:
    with callback("other_interval", interval=200 if rank else 100) as mixture:
        return mixture.choose()


@scenario(2)
def other_domains(rank: int) -> Any:
    with MixtureCallback("other_domains", ["a", "b"] if rank else ["b", "a"], 1_000, 100) as mixture:
        return mixture.choose()


@scenario(3, own=True)
def closes_early(rank: int) -> Any:
    mixture = callback("closes_early")
    train(mixture, 3 if rank == 1 else 50, lambda step: {"a": 10})
    mixture.close()
    return "done"


@scenario(3, own=True)
def closes_early_and_not_strict(rank: int) -> Any:
    mixture = callback("closes_early_and_not_strict", strict=False)
    trace = train(mixture, 3 if rank == 1 else 50, lambda step: {"a": 10})
    kept = mixture.state_dict()["counts"]["draws"] if rank != 1 else {}
    mixture.close()
    return [len(trace), kept]


@scenario(3, own=True)
def dies(rank: int) -> Any:
    with callback("dies") as mixture:
        train(mixture, 3, lambda step: {"a": 10})
        if rank == 1:
            os._exit(3)
        return train(mixture, 50, lambda step: {"a": 10})


@scenario(2, own=True)
def other_calls(rank: int) -> Any:
    with callback("other_calls") as mixture:
        mixture.count("a", 50)
        if rank:
            return mixture.state_dict()
        mixture.report(LOSSES)
        return None


def main(names: list[str]) -> None:
    """Scenarios that leave their ranks as they were share them; the others have ranks of their own."""
    crews: dict[tuple[int, str], list[str]] = {}
    for name in names:
        ranks, own, _ = SCENARIOS[name]
        crews.setdefault((ranks, name if own else ""), []).append(name)
    found: dict[str, list[Any]] = {}
    for (ranks, _), members in crews.items():
        outs = run(ranks, members)
        found |= {name: [out if isinstance(out, str) else out[name] for out in outs] for name in members}
    print(json.dumps(found))


def run(ranks: int, names: list[str]) -> list[Any]:
    """What each rank came to, by rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children = [_fork(rank, ranks, port, names) for rank in range(ranks)]
    until = time.monotonic() + PATIENCE_SECONDS
    outs = [_read(pipe, until) for _, pipe in children]
    for process, _ in children:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    return outs


def _fork(rank: int, ranks: int, port: int, names: list[str]) -> tuple[int, int]:
    out, into = os.pipe()
    process = os.fork()
    if process:
        os.close(into)
        return process, out
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("isthmus").addHandler(handler)
    distributed.init_process_group("gloo")
    results: dict[str, Any] = {}
    for name in names:
        result: dict[str, Any] = {}
        try:
            result["value"] = SCENARIOS[name][2](rank)
        except Exception as error:
            result["error"] = f"{type(error).__name__}: {error}"
        results[name] = {**result, "log": list(lines)}
        lines.clear()
    os.write(into, json.dumps(results).encode())
    os.close(into)
    # As a process that goes on with something else: nobody hears of its end.
    time.sleep(PATIENCE_SECONDS)
    os._exit(0)


def _read(pipe: int, until: float) -> Any:
    content = b""
    while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
        part = os.read(pipe, 1 << 16)
        if not part:
            return json.loads(content) if content else "gone"
        content += part
    return "hung"


if __name__ == "__main__":
    main(sys.argv[3:] or list(SCENARIOS))
