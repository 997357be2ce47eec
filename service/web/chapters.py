"""The chapters of an allocation's page: the report's figures without a script, its tables and its words."""

from __future__ import annotations

from policies.records import BadSetup
from service.plan import PlanRow, plan_story
from service.report.facts import Facts, key
from service.report.page import Section, grid
from service.report.section_course import shares_table
from service.report.section_end import ends_table
from service.report.section_laws import strongest
from service.report.section_whatif import advice_list
from service.report.svg import mixture_svg, transfer_svg
from service.report.svg_loss import loss_svg
from service.story import law_curves, words

MOST = 24  # targets or domains that are drawn here; the full report draws all
WIDTH = 440  # of the mixture, so that its letters can be read on a phone


def mixture(facts: Facts) -> Section:
    """Shares over the draws, and what they came to."""
    lead = "How much of each domain was drawn. White lines are changes of the mixture."
    if not facts.story.decisions:
        return Section("mixture", "Mixture over time", lead, "")
    picture = f"<figure>{mixture_svg(facts.story, WIDTH)}</figure>"
    return Section("mixture", "Mixture over time", lead, f'<div class="wide">{picture}</div>{shares_table(facts)}')


def losses(facts: Facts) -> Section:
    """A panel for each target."""
    story = facts.story
    curves, finals = law_curves(story), {final.target: final for final in facts.learnt.finals}
    lead = "Dots: loss on held-out volumes. "
    lead += (
        "Line and band: the last fitted law along the path of this run, 90 %. Open circle: the predicted end."
        if curves
        else f"There is no line: {words.esc(story.no_law)}."
    )
    shown = list(story.targets)[:MOST]
    panels = [
        (key(facts, name), loss_svg(story, name, facts.look[name], curves.get(name), finals.get(name)))
        for name in shown
    ]
    more = _more(len(story.targets))
    return Section("losses", "Held-out losses", lead, grid(panels, 3) + more if story.reports else "")


def transfer(facts: Facts) -> Section:
    """The transfer map, and the strongest in words."""
    law = facts.story.last_law
    lead = (
        "What one draw from the column's domain is worth to the row's, counted in the row's own draws: 1 is as good as "
        "an own draw. Blue was identified by the data; grey, in brackets, is the prior's and says nothing."
    )
    if law is None or not law.transfer:
        return Section("transfer", "Transfer map", lead, "")
    picture = (
        '<div class="scroll" tabindex="0" role="region" aria-label="Transfer map">'
        f"<figure>{transfer_svg(law, _cell(len(facts.story.names)))}</figure></div>"
        if max(len(law.transfer), len(facts.story.names)) <= MOST
        else _more(len(law.transfer))
    )
    return Section("transfer", "Transfer map", lead, f'<div class="beside">{picture}{strongest(facts)}</div>')


def ends(facts: Facts) -> Section:
    """Where each target is predicted to end."""
    lead = "The loss at the end of the budget with its 90 % interval, as the laws predict it."
    finals = [final for final in facts.learnt.finals if final.predicted is not None]
    return Section("ends", "Predicted ends", lead, ends_table(facts, finals) if finals else "")


def prices(facts: Facts) -> Section:
    """What one more distinct draw would be worth, by domain."""
    row = _plan(facts)
    lead = (
        "Shadow prices of the pools: what more distinct volumes would be worth to a new run of the same budget, by the "
        "last law. The most useful first."
    )
    return Section("prices", "Which data to collect next", lead, "" if row is None else advice_list(row))


def _plan(facts: Facts) -> PlanRow | None:
    if facts.story.law is None:
        return None
    try:
        return plan_story(facts.story, [facts.story.budget]).rows[0]
    except BadSetup:  # the law does not know all targets yet
        return None


def _cell(columns: int) -> int:
    """Pixels of a cell: wide where there are few."""
    return max(58, min(88, 520 // max(1, columns)))


def _more(number: int) -> str:
    return f'<p class="say quiet">{number} in all; the full report draws every one.</p>' if number > MOST else ""
