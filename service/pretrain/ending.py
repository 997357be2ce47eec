"""What a finished run prints: what was learnt, which volumes it came from, where to look."""

from __future__ import annotations

import shlex

from service.config import Config
from service.pretrain.begin import Run
from service.pretrain.console import Console
from service.report import learnt
from service.report.measured import Measured
from service.tracking.settings import default_uri, public_uri
from trainers.loop import TrainResult
from trainers.volumes import volumes_used


def tell(run: Run, result: TrainResult | None, console: Console, compare: str | None = None) -> None:
    """Everything a person should know at the end of a run."""
    console.line()
    found = learnt(run.journal, run.allocation, compare=compare)
    for line in found.lines():
        console.line(line)
    for line in side_by_side(found.measured):
        console.line(line)
    if result is not None and result.eval_share:
        console.line(f"Held-out evaluation took {result.eval_share:.1%} of the compute.")
    console.line()
    console.line("Volumes used (SHA-256 of the file, domain, side, name):")
    for row in volumes_used(run.data):
        console.line(f"  {row['sha256']}  {row['domain']}  {row['side']}  {row['name']}")
    console.line()
    console.line(f"Report: {run.folder.report}")
    for line in how_to_look(run.config):
        console.line(line)


def side_by_side(measured: Measured | None) -> list[str]:
    """Final losses of both runs by target, where there were two."""
    if measured is None:
        return []
    width = max(len(name) for name in measured.losses)
    rows = [f"  {name:<{width}}  {a:8.4g}  {b:8.4g}  {b / a - 1:+.1%}" for name, (a, b) in measured.losses.items()]
    return [
        f"Held-out losses at draw {measured.position:,}: this run, '{measured.other}', and by how much it is higher",
        *rows,
    ]


def how_to_look(config: Config) -> list[str]:
    """The command, or the address, where the tracked run is seen."""
    if not config.tracking.enabled:
        return []
    uri = config.tracking.uri or default_uri(config.runs_path)
    if uri.startswith("$"):
        return [f"MLflow: at {uri}, experiment '{config.experiment}'"]
    if uri.startswith(("http://", "https://")):
        where = f"{public_uri(uri).rstrip('/')}/#/experiments?workflowType=machine_learning"
        return [f"MLflow: {where}, experiment '{config.experiment}'"]
    return [
        f"MLflow: {shlex.join(['mlflow', 'ui', '--backend-store-uri', public_uri(uri)])}",
        f"        then http://127.0.0.1:5000/?workflowType=machine_learning, experiment '{config.experiment}'",
    ]
