"""The chapters of the page that come from decisions and laws."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from policies.records import Interval
from service.report.chart_losses import ends_chart, gain_chart, loss_chart
from service.report.chart_mixture import LEGEND, kind_of, kinds_in, mixture_chart
from service.report.chart_transfer import hub_chart, transfer_chart
from service.report.learnt import Final, Learnt, Role, predicted_ends, predicted_gain, received
from service.report.page import Figures, Section, grid, table
from service.report.palette import Look
from service.report.plot import Chart
from service.story import Story, moved
from service.story.curves import law_curves
from service.story.words import (
    count,
    duration,
    esc,
    figure,
    gain_cell,
    gain_words,
    interval,
    listing,
    percent,
    plural,
)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What every chapter reads."""

    story: Story
    learnt: Learnt
    look: Mapping[str, Look]
    figures: Figures


def mixture_section(facts: Facts) -> Section:
    story = facts.story
    title, lead = (
        "Mixture over time",
        (
            "How much of each domain was drawn. The marks above the shares are the refits; point at one to read what "
            "it decided. White lines are changes of the mixture."
        ),
    )
    if not story.decisions:
        return Section("mixture", title, lead, "")
    first, last = story.decisions[0].weights, story.decisions[-1].weights
    rows = [
        [key(facts, name), percent(first.get(name, 0.0)), percent(last.get(name, 0.0)), _drawn(story, name)]
        for name in story.names
    ]
    shares = table(["domain", "share at first", "share at last", "draws learnt from"], rows, numbers=(1, 2, 3))
    marks = [f"<span>{esc(LEGEND[kind])}</span>" for kind in kinds_in(story)]
    legend = "".join([*(f"<span>{key(facts, name)}</span>" for name in story.names), *marks])
    chart = facts.figures.place(mixture_chart(story, facts.look))
    return Section("mixture", title, lead, f'<div class="legend">{legend}</div>{chart}{shares}')


def losses_section(facts: Facts) -> Section:
    story = facts.story
    curves, finals = law_curves(story), {f.target: f for f in facts.learnt.finals}
    lead = "Dots: loss on held-out volumes, with its 90 % evaluation error. "
    if curves:
        lead += (
            "Line and band: the last fitted law along the path of this run, 90 %. Open circle: the end as "
            "predicted half way. Dotted upright: end of the burn-in, from where losses enter the fit."
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
    chart = facts.figures.place(transfer_chart(law))
    texts = f'<div><h3>Strongest</h3><ul class="say">{said}</ul>{note}</div>'
    return Section("transfer", "Transfer between domains", lead, f'<div class="beside">{chart}{texts}</div>')


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
        ("Gives: hub score", facts.figures.place(_scores(facts, law.hub_score, "hub score"))),
        ("Receives: worth of a foreign draw", facts.figures.place(_scores(facts, gets, "own draws per foreign draw"))),
    ]
    said = (
        f'<p class="say">{_roles("Hub", facts.learnt.hubs, "whose draws help the others most")} '
        f"{_roles('Island', facts.learnt.islands, 'which the others hardly help')}</p>"
    )
    return Section("hubs", "Hubs and islands", lead, said + grid(panels, 2) if len(story.names) > 1 else "")


def ends_section(facts: Facts) -> Section:
    story, found = facts.story, facts.learnt
    lead = (
        "The loss at the end of the budget as each refit predicted it for the mixture it chose, with 90 % intervals; "
        + ("the line is the loss that was reached." if story.finished else "the run has not reached the end.")
    )
    finals = [f for f in found.finals if f.predicted is not None]
    if not finals:
        return Section("reached", "Predicted against reached", lead, "")
    panels = [(key(facts, f.target), facts.figures.place(ends_chart(story, f, facts.look[f.target]))) for f in finals]
    rows = [_final_row(facts, f) for f in finals]
    head = ["target", "reached" if story.finished else "last measured", "predicted end", "at draw", "in the interval"]
    body = table(head, rows, numbers=(1, 2, 3)) + f'<p class="say">{coverage(story, found)}</p>' + grid(panels)
    return Section("reached", "Predicted against reached", lead, body)


def gain_section(facts: Facts) -> Section:
    found = facts.learnt
    lead = (
        f"How much lower the mean loss of the whole run is than {esc(found.baseline)} from the first draw on would "
        "have made it on the same budget."
    )
    if found.gain is None and found.measured is None:
        return Section("gain", f"Gain over {found.baseline}", lead, "")
    said = [] if found.gain is None else [f"<b>Predicted</b> by the last law: {esc(predicted_gain(found))}."]
    if found.measured is not None:
        said.append(
            f"<b>Measured</b> against the run {esc(found.measured.other)} ({esc(found.measured.policy)}) at draw "
            f"{count(found.measured.position)}: {esc(gain_words(found.measured.gain))}. One seed each; the interval "
            "holds the error of the evaluation, not the spread between seeds."
        )
    else:
        said.append("It was not measured: that needs a second run (<code>--compare uniform</code>).")
    text = "".join(f'<p class="say">{one}</p>' for one in said)
    return Section("gain", f"Gain over {found.baseline}", lead, text + _pairs(facts) + _ahead(facts))


def _ahead(facts: Facts) -> str:
    """The gain that each refit saw ahead of it; it runs out with the budget."""
    story = facts.story
    if not any(d.gain is not None and math.isfinite(d.gain.mean) for d in predicted_ends(story)):
        return ""
    head = (
        f"Gain still ahead at each refit<small>the plan for the rest of the run, against going over to "
        f"{esc(facts.learnt.baseline)} from there</small>"
    )
    return grid([(head, facts.figures.place(gain_chart(story)))], 1)


def refits_section(facts: Facts) -> Section:
    story = facts.story
    lead = "Every decision in order: the reason, the figures behind it, and what it did to the mixture."
    rows = []
    before: Mapping[str, float] = {}
    for decision in story.decisions:
        part = moved(before, decision.weights) if before else 0.0
        kind = kind_of(decision, part > 1e-6)
        mark = ' class="reason warn"' if kind == "hold" or "failed" in decision.reason else ' class="reason"'
        rows.append(
            [
                count(decision.position),
                f"<span{mark}>{esc(decision.reason)}</span>",
                esc(decision.detail) or '<span class="quiet">–</span>',
                _change(before, decision.weights),
                esc(gain_cell(decision.gain, story.objective)),
                esc(", ".join(decision.binding)) or "–",
                duration_cell(story.refit_seconds.get(decision.position)),
            ]
        )
        before = decision.weights
    head = ["from draw", "reason", "why", "mixture", "gain ahead", "limits reached", "CPU"]
    return Section("refits", "All refits", lead, table(head, rows, numbers=(0, 6), texts=(2, 3)) if rows else "")


def key(facts: Facts, name: str) -> str:
    """A colour key and the name."""
    return f'<i class="key" style="background:{facts.look[name].colour}"></i>{esc(name)}'


def coverage(story: Story, found: Learnt) -> str:
    """How many of all predictions of the end held what was reached."""
    if not story.finished:
        return "The run has not reached its end, so no prediction can be judged yet."
    reached = {f.target: f.reached for f in found.finals if math.isfinite(f.reached)}
    said = [
        value.low <= reached[target] <= value.high
        for d in predicted_ends(story)
        for target, value in (d.predicted or {}).items()
        if target in reached and math.isfinite(value.low)
    ]
    if not said:
        return "There is no prediction of the end to judge."
    return (
        f"Over the whole run {sum(said)} of {len(said)} predictions of the end ({percent(sum(said) / len(said), 0)}) "
        "held the reached loss in their 90 % interval; early ones assumed a mixture that was changed later."
    )


def duration_cell(seconds: float | None) -> str:
    """CPU seconds of a refit, to a hundredth below ten."""
    return "–" if seconds is None else f"{seconds:.2f} s" if seconds < 10 else duration(seconds)


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


def _final_row(facts: Facts, final: Final) -> list[str]:
    verdict = {True: "yes", False: '<span class="warn">no</span>', None: "–"}[final.inside]
    if not facts.story.finished:
        verdict = "–"
    return [
        key(facts, final.target),
        figure(final.reached),
        interval(final.predicted),
        count(final.predicted_at),
        verdict,
    ]


def _pairs(facts: Facts) -> str:
    found = facts.learnt.measured
    if found is None:
        return ""
    rows = [
        [key(facts, t), figure(mine), figure(theirs), percent(mine / theirs - 1, signed=True)]
        for t, (mine, theirs) in found.losses.items()
    ]
    return table(["target", "this run", f"{found.policy}", "difference"], rows, numbers=(1, 2, 3))


def _drawn(story: Story, name: str) -> str:
    return count(story.reports[-1].draws.get(name, 0.0)) if story.reports else "–"


def _change(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """What moved by half a percentage point or more; the whole mixture at the start."""
    if not before:
        return esc(", ".join(f"{n} {percent(s, 0)}" for n, s in after.items()))
    steps = [(n, before.get(n, 0.0), s) for n, s in after.items() if abs(s - before.get(n, 0.0)) >= 0.005]
    steps.sort(key=lambda step: -abs(step[2] - step[1]))
    if not steps:
        return '<span class="quiet">unchanged</span>'
    return ", ".join(f"{esc(n)} {percent(a, 0)} → {percent(b, 0)}" for n, a, b in steps)


def refit_words(found: Learnt) -> str:
    """'8 refits: 5 x refit, 3 x kept: no gain beyond uncertainty'."""
    said = [f"{number} × {reason}" for reason, number in sorted(found.reasons.items(), key=lambda item: -item[1])]
    return plural(found.refits, "refit") + (": " + ", ".join(said) if said else "")
