"""The chapters on the laws: losses and fits, transfer, hubs and islands."""

from __future__ import annotations

from collections.abc import Mapping

from policies.records import Interval
from service.report.chart_losses import loss_chart
from service.report.chart_transfer import hub_chart, transfer_chart
from service.report.facts import Facts, key
from service.report.learnt import Learnt, Role, received
from service.report.page import Section, grid
from service.report.plot import Chart
from service.story import law_curves
from service.story.words import (
    esc,
    interval,
    listing,
)


def losses_section(facts: Facts) -> Section:
    story = facts.story
    curves, finals = law_curves(story), {f.target: f for f in facts.learnt.finals}
    lead = "Dots: loss on held-out volumes, with its 90 % evaluation error. "
    if curves:
        lead += (
            "Line and band: the last fitted law along the path of this run, 90 %. Open circle: the end as "
            f"{'predicted half way' if story.finished else 'last predicted'}. Dotted upright: end of the burn-in, from "
            "where losses enter the fit."
        )
    else:
        lead += f"There is no line: {esc(story.no_law)}."
    panels = [
        (
            key(facts, target) + _exponent(facts.learnt, target),
            facts.figures.place(loss_chart(story, target, facts.look[target], curves.get(target), finals.get(target))),
        )
        for target in story.targets
    ]
    return Section("losses", "Held-out losses and fitted laws", lead, grid(panels) if story.reports else "")


def transfer_section(facts: Facts) -> Section:
    law = facts.story.last_law
    lead = (
        "What one draw from the column's domain is worth to the row's, counted in the row's own draws: 1 is as good as "
        "an own draw. Blue cells were identified by the data; grey ones in brackets come from the prior alone and "
        "say nothing. Point at a cell for its 90 % interval."
    )
    if law is None or not law.transfer:
        return Section("transfer", "Transfer between domains", lead, "")
    chart = facts.figures.place(transfer_chart(law))
    return Section("transfer", "Transfer between domains", lead, f'<div class="beside">{chart}{strongest(facts)}</div>')


def strongest(facts: Facts) -> str:
    """The strongest transfers in words, and which ones the data did not tell."""
    strong = facts.learnt.strongest[:6]
    said = "".join(
        f"<li>A draw from <b>{esc(t.source)}</b> is worth {interval(t.worth, 2)} draws of <b>{esc(t.to)}</b>.</li>"
        for t in strong
    )
    missing = facts.learnt.unidentified
    note = (
        f'<p class="say quiet">Not identified: {len(missing)} of {len(facts.learnt.transfers)} transfers'
        + (f" ({esc(listing([f'{t.source} → {t.to}' for t in missing]))})" if missing else "")
        + ".</p>"
    )
    return f'<div><h3>Strongest</h3><ul class="say">{said}</ul>{note}</div>'


def hubs_section(facts: Facts) -> Section:
    law, story = facts.story.last_law, facts.story
    lead = (
        "A hub's draws help many other domains; an island is helped by hardly any draws but its own. Bars are 90 % "
        "intervals, the dotted line is the mean over domains."
    )
    if law is None or not law.hub_score:
        return Section("hubs", "Hubs and islands", lead, "")
    gets = {n: score for n in law.transfer if (score := received(law, n)) is not None}
    panels = [
        (
            "Gives: hub score<small>what its draws give to the others; 1 is all that a draw gives on average</small>",
            facts.figures.place(_scores(facts, law.hub_score, "hub score")),
        ),
        (
            "Receives<small>worth of a draw from another domain, mean over those, in own draws</small>",
            facts.figures.place(_scores(facts, gets, "worth in own draws")),
        ),
    ]
    doubt = f"The law is doubted: {esc(facts.learnt.doubt)}. " if facts.learnt.doubt else ""
    said = (
        f'<p class="say">{doubt}{_roles("Hub", facts.learnt.hubs, "whose draws help the others most")} '
        f"{_roles('Island', facts.learnt.islands, 'which the others hardly help')}</p>"
    )
    return Section("hubs", "Hubs and islands", lead, said + grid(panels, 2) if len(story.names) > 1 else "")


def _scores(facts: Facts, scores: Mapping[str, Interval], title: str) -> Chart:
    return hub_chart(scores, facts.look, f"{title} by domain with 90 % intervals", title)


def _roles(word: str, roles: tuple[Role, ...], why: str) -> str:
    if not roles:
        return f"No {word.lower()} stands out."
    said = [f"<b>{esc(r.name)}</b> {interval(r.score, 2)}{'' if r.sure else ' (likely, not sure)'}" for r in roles]
    return f"{word}{'s' if len(roles) > 1 else ''} ({why}): {', '.join(said)}."


def _exponent(found: Learnt, target: str) -> str:
    if target not in found.exponents:
        return ""
    floor = found.floors.get(target)
    return (
        f"<small>exponent {interval(found.exponents[target], 2)}"
        + (f", floor {interval(floor, 2)}" if floor is not None else "")
        + "</small>"
    )
