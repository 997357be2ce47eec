"""What is different between the data that a run began with and those that are there now, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOST_NAMES = 3


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Files added, removed, changed, prepared otherwise or moved between the sides, from two manifests, in words."""
    try:
        found = list(_changes(before, now))
    except (AttributeError, KeyError, TypeError):
        return "which files cannot be said, since the manifest that the run has kept is written in another way"
    return "; ".join(found) or "the order of volumes or the places of crops are others"


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if before.get("crop") != now["crop"]:
        yield f"the crop was {before.get('crop')} and is {now['crop']}"
    old, new = before.get("domains", {}), now["domains"]
    for name in (*old, *(n for n in new if n not in old)):
        if name not in new or name not in old:
            yield f"domain '{name}' was {'added' if name in new else 'removed'}"
            continue
        parts = list(_in_domain(_volumes(old[name]), _volumes(new[name])))
        if not parts and old[name] != new[name] and old[name].get("digest") != new[name].get("digest"):
            parts = ["its crops are others"]
        if parts:
            yield f"domain '{name}': {', '.join(parts)}"


def _in_domain(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """By name of the file; a file that only moved has the same content under another name."""
    both = [name for name in old if name in new]
    for word, names in (
        ("added", [name for name in new if name not in old]),
        ("removed", [name for name in old if name not in new]),
        ("changed", [name for name in both if old[name]["sha256"] != new[name]["sha256"]]),
        (
            "prepared otherwise",
            [n for n in both if old[n]["sha256"] == new[n]["sha256"] and old[n]["key"] != new[n]["key"]],
        ),
        ("moved between training and held out", [n for n in both if old[n]["sides"] != new[n]["sides"]]),
    ):
        if names:
            more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
            yield f"{len(names)} {word} ({', '.join(names[:MOST_NAMES])}{more})"


def _volumes(domain: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for side in ("train", "held_out"):
        for volume in domain.get(side, ()):
            row = found.setdefault(volume["name"], {"sha256": volume["sha256"], "key": volume["key"], "sides": set()})
            row["sides"].add(side)
    return found
