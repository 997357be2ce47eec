"""The chapters on the data that was used and on what went wrong."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from service.report.facts import Facts, key
from service.report.page import Section, table
from service.story import Story
from service.story.words import count, esc, figure, plural

QUIET = ("checkpoint", "throughput", "finished", "compare", "mode_read")
PREFIX = 12  # hex digits of a SHA-256 that are shown


def data_section(facts: Facts, manifest: Mapping[str, Any] | None) -> Section:
    """Volumes, pools and repeats by domain; the files left out; a hash for each volume used."""
    story = facts.story
    lead = "What each domain could give and what was taken. A pool is the number of different crops before one repeats."
    domains: Mapping[str, Any] = (manifest or {}).get("domains", {})
    rows = [_domain_row(facts, name, domains.get(name, {})) for name in story.names]
    head = ["domain", "kind", "training volumes", "held-out volumes", "pool", "draws", "epochs", "left out"]
    body = table(head, rows, numbers=(2, 3, 4, 5, 6, 7))
    slabs = [name for name in story.names if domains.get(name, {}).get("slab")]
    if slabs:
        body += (
            f'<p class="say">Held out as a slab of the training volumes, for want of a second subject: '
            f"{esc(', '.join(slabs))}. Their held-out loss says less about new subjects.</p>"
        )
    return Section("data", "Data", lead, body + _left_out(domains) + _volumes(domains))


def problems_section(story: Story) -> Section:
    """Everything in the journal that was not plain sailing."""
    lead = "Skipped steps, volumes lost in mid-run, failed fits, answers that came too late, and restarts."
    rows = [
        [count(note.position), esc(_title(note.kind)), _body(note.body), _clock(note.at)]
        for note in story.notes
        if note.kind not in QUIET
    ]
    rows += _masked(story)
    rows += [
        [count(d.position), "hold", esc(d.detail) or "the mixture was kept", ""]
        for d in story.decisions
        if d.reason.startswith("hold")
    ]
    rows.sort(key=lambda row: int(row[0].replace(",", "")))
    none = '<p class="say">Nothing was recorded: no step was skipped, no file was lost, no answer came late.</p>'
    return Section(
        "problems",
        "Problems",
        lead,
        table(["draw", "what", "details", "when (UTC)"], rows, numbers=(0,)) if rows else none,
    )


def _masked(story: Story) -> list[list[str]]:
    """Draws that were left out of the loss, as last counted."""
    counted = [note for note in story.kind("throughput") if note.body.get("masked_draws")]
    if not counted:
        return []
    text = (
        f"{count(counted[-1].body['masked_draws'])} draws of volumes that could not be read were left out of the loss"
    )
    return [[count(counted[-1].position), "draws masked", text, _clock(counted[-1].at)]]


def _domain_row(facts: Facts, name: str, body: Mapping[str, Any]) -> list[str]:
    story = facts.story
    domain = next(d for d in story.domains if d.name == name)
    drawn = story.reports[-1].draws.get(name, 0.0) if story.reports else 0.0
    lost = sum(p["severity"] == "quarantined" for p in body.get("problems", ()))
    return [
        key(facts, name),
        esc(body.get("kind", "–")),
        count(len(body["train"])) if "train" in body else "–",
        count(len(body["held_out"])) if "held_out" in body else "–",
        "endless" if domain.pool is None else count(domain.pool),
        count(drawn),
        "–" if domain.pool is None else figure(drawn / domain.pool, 2),
        f'<span class="warn">{lost}</span>' if lost else "0" if body else "–",
    ]


def _left_out(domains: Mapping[str, Any]) -> str:
    problems = [p for body in domains.values() for p in body.get("problems", ())]
    if not problems:
        return ""
    rows = [[esc(p["domain"]), esc(p["file"]), esc(p["severity"]), esc(p["cause"]), esc(p["value"])] for p in problems]
    return "<h3>Files with problems</h3>" + table(["domain", "file", "what was done", "cause", "found"], rows)


def _volumes(domains: Mapping[str, Any]) -> str:
    rows = []
    for name, body in domains.items():
        for side in ("train", "held_out"):
            rows += [_volume_row(name, side, volume) for volume in body.get(side, ())]
    if not rows:
        return ""
    head = ["domain", "volume", "side", "shape", "crops", "SHA-256"]
    title = f"{plural(len(rows), 'volume')} with SHA-256"
    return f"<details><summary>{title}</summary>{table(head, rows, numbers=(4,))}</details>"


def _volume_row(name: str, side: str, volume: Mapping[str, Any]) -> list[str]:
    shape = " × ".join(str(n) for n in volume.get("shape", ()))
    return [
        esc(name),
        esc(volume.get("name", "–")),
        "training" if side == "train" else "held out",
        esc(shape),
        count(volume.get("crops")) if side == "train" else "–",
        f"<code>{esc(str(volume.get('sha256', ''))[:PREFIX])}</code>",
    ]


def _title(kind: str) -> str:
    return {
        "skipped": "training step skipped",
        "quarantine": "volume taken out",
        "fit_failed": "fit failed",
        "resumed": "went on from a checkpoint",
        "rewind": "rewound to a checkpoint",
        "differs": "report repeated with other losses",
        "domains": "domains changed",
        "mode": "steering changed",
        "hold_applied": "hold that could not be stored in time",
    }.get(kind, kind.replace("_", " "))


def _body(body: Mapping[str, Any]) -> str:
    if isinstance(body.get("domains"), Mapping):  # a quarantine tells volumes by domain
        return "; ".join(_lost(name, lost) for name, lost in body["domains"].items())
    if isinstance(body.get("domains"), list):
        return esc("pools now: " + ", ".join(_pool(domain) for domain in body["domains"]))
    said = [
        f"{esc(name.replace('_', ' '))}: {esc(_short(value))}"
        for name, value in body.items()
        if value not in (None, "", [], {})
    ]
    return "; ".join(said) or "–"


def _lost(domain: str, lost: Mapping[str, Any]) -> str:
    volumes = [f"{volume['name']} ({volume['cause']})" for volume in lost.get("volumes", ())]
    return esc(f"{domain}: {', '.join(volumes)}; pool now {count(lost.get('pool'))}")


def _pool(domain: Mapping[str, Any]) -> str:
    return f"{domain['name']} {'endless' if domain.get('pool') is None else count(domain['pool'])}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 240 else text[:237] + "..."


def _clock(at: float) -> str:
    return f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%H:%M:%S}"
