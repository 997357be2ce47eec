"""The chapters on the end: predicted against reached, and the gain over the baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence

from service.report.chart_losses import ends_chart, gain_chart
from service.report.facts import Facts, key
from service.report.learnt import Final, Learnt, predicted_ends
from service.report.measured import Measured
from service.report.page import Section, grid, table
from service.report.told import predicted_gain
from service.story import Story
from service.story.words import (
    count,
    esc,
    figure,
    gain_words,
    interval,
    percent,
)


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
    body = ends_table(facts, finals) + f'<p class="say">{coverage(story, found)}</p>' + grid(panels)
    return Section("reached", "Predicted against reached", lead, body)


def ends_table(facts: Facts, finals: Sequence[Final]) -> str:
    """By target: the last loss, and the end as it was predicted."""
    last = "reached" if facts.story.finished else "last measured"
    head = ["target", last, "predicted end", "at draw", "in the interval"]
    rows = [_final_row(facts, final) for final in finals]
    if not facts.story.finished:  # nothing can be judged yet
        head, rows = head[:-1], [row[:-1] for row in rows]
    return table(head, rows, numbers=(1, 2, 3))


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
        said += _losers(found.measured)
    else:
        said.append("It was not measured: that needs a second run (<code>--compare uniform</code>).")
    text = "".join(f'<p class="say">{one}</p>' for one in said)
    return Section("gain", f"Gain over {found.baseline}", lead, text + _pairs(facts) + _foreseen(facts))


def _losers(measured: Measured) -> list[str]:
    """The targets that ended higher, so that a better mean hides nothing."""
    worse = {t: mine / theirs - 1 for t, (mine, theirs) in measured.losses.items() if mine > theirs}
    said = [f"{esc(t)} by {percent(share)}" for t, share in sorted(worse.items(), key=lambda item: -item[1])]
    return [f"Not every target gained: higher ended {', '.join(said)}."] if said else []


def _foreseen(facts: Facts) -> str:
    """The gain of the whole run as each refit foresaw it, with the measured one at the end."""
    story, measured = facts.story, facts.learnt.measured
    if not any(d.gain is not None and math.isfinite(d.gain.mean) for d in predicted_ends(story)):
        return ""
    head = "The gain as each refit foresaw it" + ("<small>diamond: measured</small>" if measured else "")
    chart = gain_chart(story, None if measured is None else measured.gain)
    return grid([(head, facts.figures.place(chart))], 1)


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


def _final_row(facts: Facts, final: Final) -> list[str]:
    verdict = {True: "yes", False: '<span class="warn">no</span>', None: "–"}[final.inside]
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
