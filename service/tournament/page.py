"""The page of a tournament: what was asked, who won, where we lose; one file that loads nothing from outside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from policies.tournament import CellResult, Table, goals
from policies.tournament.figures import Figures
from policies.tournament.static import StaticFigures
from policies.tournament.table import OURS
from service.report.page import Section, document, table
from service.report.palette import COLOURS, pale
from service.story.words import esc, listing, plural
from service.tournament import charts, parts
from service.tournament.cell import Outcome
from service.tournament.heading import Heading

# Nothing may be fetched and nothing runs: the page has no script.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
MORE_STYLE = """
table.heat { font-size: 12.5px; }
table.heat td { text-align: center; padding: 4px 3px; border: 1px solid #fff; white-space: nowrap; }
table.heat th { white-space: normal; padding: 4px 3px; font-size: 11.5px; text-align: center; }
table.heat th[scope=row] { text-align: left; white-space: nowrap; border-bottom: 0; }
th, th.n { white-space: normal; vertical-align: bottom; }
td:first-child, td:nth-child(2) { white-space: nowrap; }
#asked td { white-space: normal; min-width: 0; overflow-wrap: anywhere; }
.pair { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
.pair figure { max-width: 620px; }
figure svg { display: block; width: 100%; }
.command { overflow-wrap: anywhere; }
"""


def page(
    found: Table,
    cells: Sequence[CellResult],
    failed: Sequence[Outcome],
    heading: Heading,
    static: Sequence[StaticFigures] = (),
) -> str:
    """The whole HTML document."""
    sections = [_asked(found), _overall(found), _worlds(found), _ours(found, cells), _calibration(found), _laws(found)]
    sections += [_static(static), _failed(failed)]
    title, header = "Isthmus: tournament", _header(found, cells, heading)
    return document(title, header, sections, _footer(heading), policy=POLICY, style=MORE_STYLE)


def _header(found: Table, cells: Sequence[CellResult], heading: Heading) -> str:
    date = f" · {esc(heading.date)}" if heading.date else ""
    facts = [
        ("policies", f"{len(found.policies)}<small>{plural(len(cells), 'run')}</small>"),
        ("worlds", f"{len(found.worlds)}<small>seeds {esc(heading.seeds)}</small>"),
        ("domains", f"{_listed(heading.domains)}<small>dealt out over the seeds</small>"),
        (
            "evaluation noise",
            f"{' and '.join(f'{100 * level:g} %' for level in heading.noise)}<small>of a loss</small>",
        ),
        (
            "version",
            f"{esc(heading.version.split(',')[0])}<small>{esc(', '.join(heading.version.split(', ')[1:]))}</small>",
        ),
    ]
    body = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return (
        f'<p class="kicker">Isthmus · simulated trainings with known truth{date}</p>'
        "<h1>Tournament of mixing policies</h1>"
        f'<div class="outcome">{"".join(f"<p>{esc(text)}</p>" for text in _said(found))}'
        f'<p class="command"><code>{esc(heading.command)}</code></p></div><dl class="facts">{body}</dl>'
    )


def _said(found: Table) -> list[str]:
    """The outcome in two sentences, also where it is not ours."""
    order = parts.ranked(found)
    first = order[0]
    said = [
        f"Over {plural(first.worlds, 'world')}, each counted once, {first.policy} ended lowest: "
        f"{100 * -math.expm1(first.loss):.1f} % below the uniform mixture in mean loss"
        + (
            f", {first.closed.mean:.2f} of the way to the best fixed mixture."
            if math.isfinite(first.closed.mean)
            else "."
        )
    ]
    ours = found.over(OURS)
    if ours is not None:
        ahead = [o.policy for o in order if o.advantage is not None and o.advantage.low > 0]
        harmed = [w for w in found.worlds if (row := found.row(OURS, w)) is not None and row.harm.low > 0.02]
        better = f"{listing(ahead)} ended lower beyond doubt" if ahead else "no rival ended lower beyond doubt"
        where = f"in {listing(harmed)}" if harmed else "in no world"
        said.append(
            f"Against {OURS}, {better}. It ended worse than uniform in surely more than 2 % of the runs {where}."
        )
    return said


def _asked(found: Table) -> Section:
    rows = [
        [esc(goal.asked), esc(goal.found), "yes" if goal.reached else '<span class="warn">no</span>']
        for goal in goals(found)
    ]
    body = table(["asked of transfer_law", "found", "reached"], rows, texts=[0, 1]) if rows else ""
    return Section("asked", "What was asked", "Set down before the first tournament was run.", body)


def _overall(found: Table) -> Section:
    head, rows = parts.overall_rows(found)
    panels = [charts.closed_svg(found)]
    if any(o.advantage is not None for o in found.overall) and OURS in found.policies:
        panels.append(charts.advantage_svg(found))
    lead = (
        "Noise-free mean log loss at the end of the budget; all pilots and probes are paid from the same budget. "
        "Intervals are 95 % over seeds, the bootstrap within each world. An arrow: beyond the figure."
    )
    body = _pair(panels) + _table(head, rows, 1)
    return Section("overall", "All worlds", lead, body)


def _worlds(found: Table) -> Section:
    head = "".join(f'<th scope="col">{esc(world.replace("_", " "))}</th>' for world in found.worlds)
    lines = "".join(_heat_row(found, over.policy) for over in parts.ranked(found))
    body = (
        f'<div class="scroll" tabindex="0"><table class="heat"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )
    lead = (
        "Share of the gap from uniform (0) to the best fixed mixture (1), a ratio of sums over seeds; red is worse "
        "than uniform. Where there is no gap: the rate of harm, in percent."
    )
    return Section("worlds", "World by world", lead, body)


def _heat_row(found: Table, policy: str) -> str:
    cells = "".join(_heat_cell(found.row(policy, world)) for world in found.worlds)
    name = f"<strong>{esc(policy)}</strong>" if policy == OURS else esc(policy)
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _heat_cell(row: Figures | None) -> str:
    if row is None:
        return "<td>–</td>"
    value = row.closed.mean if row.has_gap else -row.harm.mean
    if not math.isfinite(value):
        return "<td>–</td>"
    depth = min(abs(value), 1.0) * 0.55
    fill = pale(COLOURS[0] if value >= 0 else COLOURS[1], round(depth, 3))
    title = parts.with_ends(row.closed) if row.has_gap else parts.with_ends(row.harm)
    return f'<td style="background:{fill}" title="{esc(title)}">{esc(parts.closed_or_harm(row))}</td>'


def _ours(found: Table, cells: Sequence[CellResult]) -> Section:
    if OURS not in found.policies:
        return Section("ours", OURS, "", "")
    head, rows = parts.world_rows(found)
    panels = [charts.strip_svg(found, cells), charts.harm_svg(found)]
    lead = (
        "Every world, also those we lose. Gap, regret and losses are in mean log loss; harm is an end worse than "
        "uniform by more than 0.002, with its Clopper-Pearson interval; the dashed line is at 2 %."
    )
    return Section("ours", f"{OURS} in every world", lead, _pair(panels) + _table(head, rows, 1))


def _calibration(found: Table) -> Section:
    judged = [policy for policy in found.policies if policy in found.laws]
    head, rows = parts.calibration_rows(found, judged)
    if not rows:
        return Section("plans", "Plans", "", "")
    lead = (
        "The plan published at 30 % of the budget, frozen and rolled out without noise, is the truth; coverage is "
        "clustered by run. The dashed lines are at 85 and 95 %."
    )
    figure = _pair([charts.coverage_svg(found, policy) for policy in _ours_first(judged)])
    return Section("plans", "Are the plans true?", lead, figure + _table(head, rows, 2))


def _laws(found: Table) -> Section:
    if not found.laws:
        return Section("laws", "Laws", "", "")
    head, rows = parts.law_rows(found)
    lead = (
        "Change of log loss from the report at 30 % to budgets 2 to 16 times as large, at the frozen plan, beside each "
        "domain's own power law carried forward. Rank is Spearman's over the targets of a run."
    )
    figure = _pair([charts.law_svg(found, policy) for policy in _ours_first(found.laws)])
    return Section("laws", "Laws alone", lead, figure + _table(head, rows, 3))


def _static(static: Sequence[StaticFigures]) -> Section:
    head, rows = parts.static_rows(static)
    lead = (
        "The law fitted on some runs of the real table and judged on the rest, mean over random splits; rank is "
        "Spearman's over the runs left out, averaged over targets."
    )
    return Section("static", "New mixtures", lead, _table(head, rows, 1) if rows else "")


def _failed(failed: Sequence[Outcome]) -> Section:
    rows = [[esc(o.entrant), esc(f"{o.place.world} K={o.place.K} seed={o.place.seed}"), esc(o.error)] for o in failed]
    body = table(["policy", "where", "what went wrong"], rows, texts=[2]) if rows else ""
    return Section("failed", "Cells that failed", "They are left out of all figures above.", body)


def _ours_first(policies: Iterable[str]) -> list[str]:
    return sorted(policies, key=lambda policy: policy != OURS)


def _pair(figures: Sequence[str]) -> str:
    """Figures side by side where there is room."""
    return f'<div class="pair">{"".join(f"<figure>{figure}</figure>" for figure in figures)}</div>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], first: int) -> str:
    """Rows of plain words; numbers begin in column `first`."""
    return table(head, [_escaped(row) for row in rows], numbers=range(first, len(head)))


def _escaped(row: Sequence[str]) -> list[str]:
    cells = [esc(cell) for cell in row]
    return [f"<strong>{cells[0]}</strong>" if row[0] == OURS else cells[0], *cells[1:]]


def _footer(heading: Heading) -> str:
    options = "; ".join(
        f"{policy} " + ", ".join(f"{name}={_short(value)}" for name, value in chosen.items())
        for policy, chosen in heading.options.items()
    )
    said = (
        f"Options other than the published defaults: {options}. "
        if options
        else "All policies run with their defaults. "
    )
    return f"<p>{esc(said)}Seeds {esc(heading.seeds)}. The page loads nothing from outside.</p>"


def _listed(values: Sequence[object]) -> str:
    return ", ".join(esc(value) for value in values)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
