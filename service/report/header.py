"""The head of the page: what was run, how it went and what came of it, in three plain sentences and a few facts."""

from __future__ import annotations

import datetime
import math

from service.report.facts import Facts
from service.report.section_course import refit_words
from service.story import Story
from service.story.words import count, duration, esc, figure, gain_words, listing, no_gain, percent, plural


def header(facts: Facts) -> str:
    story = facts.story
    sentences = "".join(f"<p>{esc(text)}</p>" for text in outcome(facts))
    facts_html = "".join(f"<div><dt>{esc(k)}</dt><dd>{v}</dd></div>" for k, v in _facts(facts))
    return (
        f'<p class="kicker">Isthmus · pretraining with a learnt mixture{_when(story)}</p><h1>{esc(story.name)}</h1>'
        f'<div class="outcome">{sentences}</div><dl class="facts">{facts_html}</dl>'
    )


def outcome(facts: Facts) -> list[str]:
    """Three sentences: what was run, what happened to the mixture, what it brought."""
    return [_setting(facts.story), _course(facts), _result(facts)]


def _setting(story: Story) -> str:
    state = (
        "finished"
        if story.finished
        else f"stands at draw {count(story.reached)}, {percent(_part(story), 0)} of the way"
    )
    return (
        f"One model was pretrained on {plural(len(story.names), 'domain')} ({listing(story.names, 8)}) with a budget "
        f"of {count(story.budget)} draws under the policy {story.policy}, and the run {state}."
    )


def _course(facts: Facts) -> str:
    story, found = facts.story, facts.learnt
    if not story.decisions:
        return "No mixture was decided before it stopped."
    if not found.changes:
        kept = "; ".join(dict.fromkeys(found.kept)) or story.decisions[-1].reason
        return f"The mixture stayed as it began over {plural(found.refits, 'refit')} ({kept})."
    text = f"The mixture changed {plural(found.changes, 'time')} in {plural(found.refits, 'refit')}"
    base, drawn = story.decisions[0].weights, story.drawn()
    most = sorted(drawn, key=lambda n: base.get(n, 0.0) - drawn[n])
    up, down = most[0], most[-1]
    if drawn[up] - base.get(up, 0.0) < 0.005:
        return f"{text}, but over the whole run each domain got about its share at the start."
    shares = (
        f"most was gained by {up} ({percent(drawn[up], 0)} of all draws, {percent(base.get(up, 0.0), 0)} at the start) "
        f"and lost by {down} ({percent(drawn[down], 0)}, {percent(base.get(down, 0.0), 0)} at the start)"
    )
    return f"{text}; {shares}{_why(facts)}."


def _why(facts: Facts) -> str:
    hubs = facts.learnt.hubs
    if facts.learnt.doubt:
        return ""
    verb = "proved" if all(role.sure for role in hubs) else "seem" if len(hubs) > 1 else "seems"
    return f"; {listing([role.name for role in hubs])} {verb} to help the other domains most" if hubs else ""


def _result(facts: Facts) -> str:
    found, story = facts.learnt, facts.story
    if found.measured is not None:
        return (
            f"Measured against a run with {found.measured.policy}, it ended with {gain_words(found.measured.gain)} "
            "(90 % interval; it holds the error of the evaluation, not the spread between seeds)."
        )
    if found.gain is None or not math.isfinite(found.gain.mean):
        losses = [f"{t} {figure(v)}" for t, v in story.final_losses.items() if math.isfinite(v)]
        why = story.no_law or "the law does not know every domain yet"
        return f"No gain is predicted, as {why}; the last held-out losses are {listing(losses, 8)}."
    if no_gain(found.gain):
        return f"The run drew as {found.baseline} would have, so no gain over it is predicted."
    if found.doubt:
        return (
            f"Its last law is doubted ({found.doubt}), so no gain over {found.baseline} is claimed; a second run "
            "with --compare measures it."
        )
    sure = "" if found.gain.low > 0 else "; the interval holds zero, so the gain is not certain"
    return (
        f"By the fitted laws the run ends with {gain_words(found.gain, found.objective)} than {found.baseline} would "
        f"reach (90 % interval{sure})."
    )


def _facts(facts: Facts) -> list[tuple[str, str]]:
    story, found = facts.story, facts.learnt
    seed = "–" if story.seed is None else str(story.seed)
    said = [
        ("draws", f"{count(story.reached)}<small>of {count(story.budget)}</small>"),
        ("policy", f"{esc(story.policy)}<small>objective {esc(story.objective)}, seed {esc(seed)}</small>"),
        ("refits", f"{found.refits}<small>{plural(found.changes, 'change')} of the mixture</small>"),
        ("mean loss", _mean_loss(story)),
    ]
    if found.gain is not None and math.isfinite(found.gain.mean):
        share = -math.expm1(-found.gain.mean) if story.objective == "mean_log" else None
        main = percent(share) if share is not None else figure(found.gain.mean)
        note = "by a law that is doubted" if found.doubt else _ends(facts)
        said.append((f"predicted gain over {found.baseline}", f"{main}<small>{esc(note)}</small>"))
    if story.started is not None and story.ended is not None:
        said.append(("time", f"{duration(story.ended - story.started)}<small>{_eval_share(story)}</small>"))
    return said


def _mean_loss(story: Story) -> str:
    """Geometric mean over the targets by weight, first and last."""
    ends = []
    for report in (story.reports[0], story.reports[-1]) if story.reports else ():
        pairs = [(w, report.eval_loss.get(t, math.nan)) for t, w in story.targets.items()]
        if any(math.isnan(v) for _, v in pairs):
            ends.append("–")
        else:
            total = math.fsum(w for w, _ in pairs)
            ends.append(figure(math.exp(math.fsum(w * math.log(v) for w, v in pairs) / total)))
    return f"{ends[1]}<small>{ends[0]} at the first report</small>" if ends else "–"


def _ends(facts: Facts) -> str:
    gain = facts.learnt.gain
    if gain is None or not (math.isfinite(gain.low) and math.isfinite(gain.high)):
        return "no interval"
    if facts.story.objective != "mean_log":
        return f"90 %: {figure(gain.low)} to {figure(gain.high)}"
    return f"90 %: {percent(-math.expm1(-gain.low))} to {percent(-math.expm1(-gain.high))}"


def _eval_share(story: Story) -> str:
    said = [n.body for n in story.kind("throughput", "finished") if n.body.get("eval_share") is not None]
    return f"evaluation took {percent(float(said[-1]['eval_share']))} of the compute" if said else "first to last event"


def _when(story: Story) -> str:
    if story.started is None:
        return ""
    at = datetime.datetime.fromtimestamp(story.started, datetime.UTC)
    return f" · begun {at:%Y-%m-%d %H:%M} UTC"


def _part(story: Story) -> float:
    return story.reached / story.budget


def footer(facts: Facts) -> str:
    """What a reader needs to judge the page."""
    return (
        f"<p>{esc(refit_words(facts.learnt))}. Intervals are 90 %. A draw is one training sample, a 3D crop. Subject "
        "ids are hashed; no patient field and no path is on this page. It loads nothing from outside.</p>"
    )
