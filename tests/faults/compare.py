"""A run that was killed against one that was not: every difference, in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from service.journal import Event, Journal
from tests.faults.world import BUDGET
from trainers.loop import read_trace

HALF_WRITTEN = (".tmp", ".partial", ".writing-", ".replaced-", ".db-journal")

_TRACKED = """
import collections, json, os, sys
from mlflow.tracking import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
runs = client.search_runs([client.get_experiment_by_name(sys.argv[2]).experiment_id])
found = []
for run in runs:
    series = {}
    for key in run.data.metrics:
        if key.split("/")[0] in ("eval_loss", "draws", "weight"):
            series[key] = sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, key))
    refits = [os.path.basename(f.path) for f in client.list_artifacts(run.info.run_id, "refits")]
    found.append({"status": run.info.status, "series": series, "refits": refits})
print(json.dumps(found))
"""


class Account:
    """All that a finished run left behind, read once."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir, self.name = run_dir, run_dir.name
        self.draws = read_trace(run_dir)  # raises if a draw that was repeated was not the same
        with Journal(f"sqlite:///{run_dir / 'journal.db'}") as journal:
            self.verified = journal.verify(self.name)
            self.events = journal.events(self.name)
            self.epochs = journal.open(self.name) - 1
        self.state = json.loads((self._checkpoint() / "state.json").read_text())

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def decisions(self) -> dict[int, dict[str, Any]]:
        """By the report they answer; what took how long is left out."""
        return {
            event.position: {name: value for name, value in event.body.items() if name != "meta"}
            for event in self.of("decision")
        }

    def reports(self) -> dict[int, Any]:
        return {event.position: event.body for event in self.of("report")}

    def mixtures(self) -> int:
        """Different mixtures that were decided on."""
        return len({json.dumps(body["weights"], sort_keys=True) for body in self.decisions().values()})

    def repeated(self) -> int:
        """Lines of the trace that came again; what a killed process had not written down yet is not among them."""
        lines = [line for path in self.run_dir.glob("trace-*.jsonl") for line in path.read_text().splitlines()]
        return len(lines) - len(self.draws)

    def tracked(self) -> list[dict[str, Any]]:
        """What MLflow holds, asked in another process."""
        uri = f"sqlite:///{self.run_dir.parent / 'mlflow.db'}"
        command = [sys.executable, "-c", _TRACKED, uri, self.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=os.environ)
        return list(json.loads(done.stdout.splitlines()[-1]))

    def _checkpoint(self) -> Path:
        return max((self.run_dir / "checkpoints").glob("draw-*"))


def differences(calm: Account, killed: Account) -> dict[str, list[str]]:
    """By what was compared; empty lists all over where the kills left no trace."""
    return {
        "draws": _unequal(calm.draws, killed.draws),
        "decisions": _unequal(calm.decisions(), killed.decisions()),
        "reports": _unequal(calm.reports(), killed.reports()),
        "once": _not_once(killed),
        "schedule": _unequal(calm.state["stream"], killed.state["stream"]),
        "final loss": _unequal(_final(calm), _final(killed)),
        "half-written": half_written(killed.run_dir),
        "MLflow": _mistracked(calm, killed),
    }


def half_written(run_dir: Path) -> list[str]:
    """Files and folders that were never given their final name."""
    names = [str(path.relative_to(run_dir)) for path in run_dir.rglob("*")]
    return [name for name in names if any(part in name for part in HALF_WRITTEN)]


def _unequal(calm: dict[Any, Any], killed: dict[Any, Any]) -> list[str]:
    keys = sorted(calm.keys() | killed.keys())
    return [f"{k}: {calm.get(k)} became {killed.get(k)}" for k in keys if calm.get(k) != killed.get(k)]


def _not_once(killed: Account) -> list[str]:
    """Reports and decisions that came twice, losses that came out differently, holds, failed fits."""
    counts = Counter((e.kind, e.position) for e in killed.events if e.kind in ("report", "decision"))
    twice = [f"{kind} at {at} {n} times" for (kind, at), n in counts.items() if n > 1]
    odd = ("differs", "fit_failed", "hold")
    other = [f"{event.kind} at {event.position}: {event.body}" for event in killed.events if event.kind in odd]
    held = [f"held at {at}" for at, body in killed.decisions().items() if body["reason"] == "hold"]
    return twice + other + held


def _final(account: Account) -> dict[str, Any]:
    body = account.of("finished")[-1].body
    return {"eval_loss": body["eval_loss"], "draws": body["draws"], "position": account.state["position"] == BUDGET}


def _mistracked(calm: Account, killed: Account) -> list[str]:
    """Every report and decision is in MLflow, once, with the same values."""
    expected, found = calm.tracked(), killed.tracked()
    if len(expected) != 1 or len(found) != 1:
        return [f"{len(found)} runs in MLflow, {len(expected)} of the undisturbed one"]
    twice = [key for key, points in found[0]["series"].items() if len({step for step, _ in points}) != len(points)]
    wrong = [] if found[0]["status"] == "FINISHED" else [f"status {found[0]['status']}"]
    wrong += [f"{key} holds a step twice" for key in twice]
    wrong += _unequal(expected[0]["series"], found[0]["series"])
    if found[0]["refits"] != expected[0]["refits"] or len(found[0]["refits"]) != len(killed.reports()):
        wrong.append(f"{len(found[0]['refits'])} refit files for {len(killed.reports())} reports")
    return wrong
