"""From the journal to one page that a person opens."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.files import write_text
from service.journal import Journal
from service.report.facts import Facts
from service.report.header import footer, header
from service.report.learnt import learnt_from
from service.report.measured import measure, other_run
from service.report.page import Figures, page
from service.report.section_course import mixture_section, refits_section
from service.report.section_data import data_section, problems_section
from service.report.section_end import ends_section, gain_section
from service.report.section_laws import hubs_section, losses_section, transfer_section
from service.report.section_whatif import whatif_section
from service.report.svg import story_looks
from service.story import read_story


def write_report(
    journal: Journal,
    allocation: str,
    out: Path,
    *,
    manifest: Mapping[str, Any] | None = None,
    compare: str | None = None,
) -> Path:
    """Write the page about the run `allocation`; works for a run that is still going or was stopped.

    Parameters
    ----------
    journal, allocation:
        Where the run is told, and its name there.
    out:
        The HTML file, or a folder in which it becomes `report.html`.
    manifest:
        `PreparedData.to_dict()`; by default `manifest.json` beside the page, if there is one.
    compare:
        A run with another policy on the same budget, to measure the gain against; by default the
        one that a `compare` event of the journal names.

    Raises
    ------
    BadSetup
        When the journal knows no such run.
    """
    out = out / "report.html" if out.is_dir() or not out.suffix else out
    manifest = manifest if manifest is not None else _manifest_beside(out)
    text = report_page(journal, allocation, manifest=manifest, compare=compare)
    out.parent.mkdir(parents=True, exist_ok=True)
    return write_text(out, text)


def report_page(
    journal: Journal,
    allocation: str,
    *,
    title: str | None = None,
    manifest: Mapping[str, Any] | None = None,
    compare: str | None = None,
) -> str:
    """The page itself; see `write_report`. `title` is the run's name for people, by default that of the allocation."""
    story = read_story(journal, allocation)
    other = other_run(journal, story, compare)
    story = dataclasses.replace(story, name=title or story.name)
    found = learnt_from(story, None if other is None else measure(story, other))
    facts = Facts(story, found, story_looks(story), Figures())
    chapters = [
        mixture_section(facts),
        losses_section(facts),
        transfer_section(facts),
        hubs_section(facts),
        ends_section(facts),
        gain_section(facts),
        whatif_section(facts),
        refits_section(facts),
        data_section(facts, manifest),
        problems_section(story),
    ]
    return page(f"Isthmus: {story.name}", header(facts), chapters, facts.figures, footer(facts))


def _manifest_beside(out: Path) -> Mapping[str, Any] | None:
    path = out.parent / "manifest.json"
    return json.loads(path.read_text()) if path.is_file() else None
