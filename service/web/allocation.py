"""The page of one allocation."""

from __future__ import annotations

import dataclasses
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from markupsafe import Markup

from service.api.settings import Settings
from service.journal import Entry, Journal
from service.report.facts import Facts
from service.report.header import header
from service.report.learnt import learnt_from
from service.report.page import Figures
from service.report.svg import story_looks
from service.story import read_story
from service.web import chapters
from service.web.frame import bar, page, render
from service.web.now import now_section


def allocation_page(journal: Journal, entry: Entry, settings: Settings, now: float) -> HTMLResponse:
    """Everything a person asks first; takes a second of a core where there is a law."""
    name = entry.name or entry.id
    story = dataclasses.replace(read_story(journal, entry.id), name=name)
    facts = Facts(story, learnt_from(story), story_looks(story), Figures())
    sections = [now_section(journal, entry, story, now)]
    sections += [make(facts) for make in (chapters.mixture, chapters.losses, chapters.transfer)]
    sections += [chapters.ends(facts), chapters.prices(facts)]
    links = render("links.html", links=_links(entry, name, settings))
    return page(f"Isthmus: {name}", bar(settings, signed_in=True) + Markup(header(facts)) + links, sections)


def _links(entry: Entry, name: str, settings: Settings) -> list[tuple[str, str]]:
    """The full report, and MLflow's experiments of that name where MLflow is known."""
    found = [("Full report", f"/allocations/{entry.id}/report")]
    if settings.mlflow is not None:
        where = f"{settings.mlflow.rstrip('/')}/#/experiments?experimentSearchFilter={quote(name, safe='')}"
        found.append(("In MLflow", where))
    if settings.dashboard is not None:
        found.append(("Ray dashboard", settings.dashboard))
    return found
