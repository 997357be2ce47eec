"""Commands that look at a run through its journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.cli.screen import screen
from service.config import BadConfig, load_config
from service.journal import Journal
from service.plan import plan as plan_run
from service.pretrain.kept import read_manifest
from service.report import write_report
from service.runs import RunFolder, find_run, run_allocation


def plan(run: str, budgets: str, objective: str | None, as_json: bool) -> None:
    """The table of plans, one row a budget."""
    with _journal(find_run(run)) as (allocation, journal):
        table = plan_run(journal, allocation, _budgets(budgets), objective)
    if as_json:
        print(json.dumps(table.to_dict(), indent=1))
    else:
        screen().print(table.render())


def report(run: str, out: Path) -> None:
    """The page."""
    folder = find_run(run)
    manifest = read_manifest(folder) if folder.manifest.is_file() else None
    with _journal(folder) as (allocation, journal):
        print(write_report(journal, allocation, out, manifest=manifest))


@contextmanager
def _journal(folder: RunFolder) -> Iterator[tuple[str, Journal]]:
    config = load_config(folder.config, recorded=True)
    allocation = run_allocation(config, folder.name)
    with Journal(folder.store(config)) as journal:
        if allocation not in journal.allocations():
            raise BadConfig(f"run '{folder.name}' has not begun to train; there is nothing to look at yet")
        yield allocation, journal


def _budgets(text: str) -> list[int]:
    try:
        return [int(float(part.replace("_", ""))) for part in text.split(",") if part.strip()]
    except ValueError:
        raise BadConfig(f"--budget {text}: give whole numbers of draws, separated by commas") from None
