"""Two ranks of torch.distributed: one talks, both draw by the same mixture."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.client.scripted import Scripted
from tests.service.client.test_callback import mixture_at, moving, reports

ROOT = Path(__file__).parents[3]
RANK = """
import json, os, sys
from torch import distributed
from service.client import MixtureCallback
stop, state = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo")
rank = distributed.get_rank()
trace, strict = [], True
with MixtureCallback("run", ["a", "b"], 2_000, 200, strict=strict) as mixture:
    if os.path.exists(state):
        mixture.load_state_dict(json.load(open(state)))
    while mixture.position < stop:
        domain = mixture.choose()
        trace.append([mixture.position, domain, mixture.weights["a"]])
        mixture.count(domain, 10, loss=1.0 + rank)
        if mixture.due:
            mixture.report({"a": 1.0 + rank, "b": 2.0})
    kept = mixture.state_dict()
    if rank == 0:
        json.dump(kept, open(state, "w"))
distributed.destroy_process_group()
print(json.dumps(trace))
"""


def ranks(service: Scripted, stop: int, state: Path) -> list[list[tuple[int, str, float]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "ISTHMUS_URL": service.url}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(stop), str(state)],
            cwd=ROOT,
            env=os.environ | shared | {"RANK": str(rank), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return [json.loads(out.splitlines()[-1]) for out in outs]


@pytest.mark.slow
@pytest.mark.usefixtures("token")
def test_ranks_follow_one_mixture_and_resume(weather: Scripted, tmp_path: Path) -> None:
    weather.otherwise = moving
    whole = ranks(weather, 1_000, tmp_path / "whole.json")
    sent = reports(weather)
    assert [body["position"] for body in sent] == [200, 400, 600, 800, 1_000]
    assert all(sum(body["draws"].values()) == body["position"] for body in sent)
    for name in ("a", "b"):
        drawn = sum(10 for trace in whole for position, domain, _ in trace if domain == name and position < 1_000)
        assert sent[-1]["draws"][name] == drawn
        assert sent[-1]["eval_loss"]["a"] == 1.0, "rank 0's losses count"
    for trace in whole:
        for position, _, share in trace:
            answered = (position - 50) // 200 * 200
            assert share == pytest.approx(mixture_at(answered)["a"] if answered >= 200 else 0.5), position
    assert [domain for _, domain, _ in whole[0]] != [domain for _, domain, _ in whole[1]]
    # Stopped between a report and its answer, and gone on with: the same draws.
    begun = ranks(weather, 420, tmp_path / "parts.json")
    gone_on = ranks(weather, 1_000, tmp_path / "parts.json")
    assert [first + second for first, second in zip(begun, gone_on, strict=True)] == whole
