"""Looking at the data before anything starts: the same words and the same answer in every command that does."""

from __future__ import annotations

import os

from service.config import Config
from service.pretrain.console import Console
from trainers.volumes import Verdict, decide, finding_lines, scan
from trainers.volumes.files import check_room

JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray in a job, whose log others may read


def look(config: Config, console: Console) -> Verdict:
    """Look at every volume; nothing is written but the index of the cache.

    Raises `BadData` where the configuration leads nowhere.
    """
    found = scan(config.data, console.progress)
    console.status("")
    return decide(config.data, found, config.eval_crops())


def tell(verdict: Verdict, console: Console) -> None:
    """How subjects were found, and every problem, one in each line. Examples of subjects stay out of a job's log."""
    local = JOB_VARIABLE not in os.environ
    for line in (*finding_lines(verdict.scan, local=local), *verdict.lines):
        console.line(line)


def settle(config: Config, verdict: Verdict) -> None:
    """Raise unless training may start on these data.

    Raises
    ------
    BadData
        Where too many volumes of a domain are quarantined, or one cannot be held out.
    ValueError
        Where the policy cannot work with the pools that were found.
    NoRoom
        Where the disk cannot hold the cache.
    """
    verdict.check()
    config.spec(verdict.pools).build()
    check_room(config.data.cache_path, verdict.scan.bytes_needed)
