"""From the configuration to `PreparedData`: scan, make sure of room, preprocess into the cache, fix the crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainers.config.data import DataConfig
from trainers.volumes.cache import Cached, cache_key, find_cached, places_in, store
from trainers.volumes.crops import centres_of
from trainers.volumes.errors import BadData
from trainers.volumes.files import check_room
from trainers.volumes.inspection import explain
from trainers.volumes.places import spread
from trainers.volumes.readers import read_voxels
from trainers.volumes.recipe import execute, recipe_of
from trainers.volumes.records import HeldOutCrop, PreparedData, PreparedDomain, PreparedVolume, Problem
from trainers.volumes.refused import Refused
from trainers.volumes.scanning import Item, Progress, Scan, assemble, scan
from trainers.volumes.verdict import Part, Verdict, decide


def prepare(
    config: DataConfig, *, seed: int, eval_crops: int, progress: Progress | None = None, found: Scan | None = None
) -> PreparedData:
    """Preprocess every usable volume once and fix the places of all crops.

    `eval_crops` are wanted per domain. `seed` changes nothing here, on purpose: runs with other seeds
    are trained and evaluated on the same volumes and crops, so that their losses can be compared. `found`
    is a scan made just before; without it the volumes are looked at here.

    Raises `BadData` where training may not start (see `verdict.decide`), `NoRoom` before anything is
    written where the disk is too small.
    """
    del seed
    if eval_crops < 1:
        raise BadData(f"eval_crops is {eval_crops}; hold out at least one crop per domain")
    found = found if found is not None else scan(config, progress)
    decide(config, found, eval_crops).check()
    check_room(config.cache_path, found.bytes_needed)
    found, cached = _fill(config, found, progress)
    verdict = decide(config, found, eval_crops)
    verdict.check()
    domains = {name: _domain(config, name, verdict, cached, eval_crops) for name in found.domains}
    return PreparedData(domains=domains, crop=config.crop, cache=str(config.cache_path))


def _fill(config: DataConfig, found: Scan, progress: Progress | None) -> tuple[Scan, Mapping[str, Cached]]:
    """Preprocess what the cache lacks.

    The scan has preprocessed each volume already, so what fails now was changed since: it is quarantined, and the
    split is made anew.
    """
    cached: dict[str, Cached] = {}
    kept: dict[str, tuple[list[Item], list[Problem]]] = {}
    total, done = sum(len(d.items) for d in found.domains.values()), 0
    for name, domain in found.domains.items():
        items: list[Item] = []
        problems = list(domain.problems)
        for item in domain.items:
            try:
                cached[item.key] = _cached(config, item)
                items.append(item)
            except Refused as refused:
                problems.append(item.problem(refused.value, refused.cause, "quarantined"))
            done += 1
            if progress is not None:
                progress(done, total, f"preparing {name}")
        kept[name] = items, problems
    if all(len(kept[name][0]) == len(domain.items) for name, domain in found.domains.items()):
        return found, cached
    return assemble(config, {n: d.found for n, d in found.domains.items()}, kept), cached


def _cached(config: DataConfig, item: Item) -> Cached:
    """The cached volume of an item, preprocessed now if need be; `Refused` if that fails."""
    steps = recipe_of(config.domains[item.domain])
    assert item.key == cache_key(item.finding.content, item.frame.number, steps, config.dtype)
    known = find_cached(config.cache_path, item.key)
    if known is not None:
        return known
    try:
        processed = execute(steps, *read_voxels(item.source.format, item.source.files, item.frame.number, whole=False))
    except Exception as error:
        raise explain(error, item.source) from None
    return store(config.cache_path, item.key, processed, config.dtype)


def _domain(
    config: DataConfig, name: str, verdict: Verdict, cached: Mapping[str, Cached], eval_crops: int
) -> PreparedDomain:
    sides, domain = verdict.sides[name], config.domains[name]
    train = tuple(_volume(config, part, cached[part.item.key]) for part in sides.train)
    held = [_volume(config, part, cached[part.item.key]) for part in sides.held_out]
    return PreparedDomain(
        name=name,
        kind=domain.kind,
        train=train,
        held_out=held_out_crops(held, eval_crops),
        problems=verdict.problems[name],
        transforms=(*recipe_of(domain), {"step": "store", "dtype": config.dtype}),
        slab=name in verdict.scan.split.slab,
    )


def _volume(config: DataConfig, part: Part, volume: Cached) -> PreparedVolume:
    places, crops = places_in(config.cache_path, volume, part.box, config.crop)
    return PreparedVolume(
        key=part.item.key,
        name=part.item.name,
        sha256=part.item.finding.sha256,
        file=str(volume.file),
        places=str(places),
        crops=crops,
        shape=volume.shape,
        box=part.box,
        fill=volume.fill,
        frame=part.item.frame.number,
    )


def held_out_crops(volumes: Sequence[PreparedVolume], wanted: int) -> tuple[HeldOutCrop, ...]:
    """At most `wanted` distinct crops, dealt out evenly over the volumes and spread within each."""
    shares = [0] * len(volumes)
    while sum(shares) < wanted:
        open_ = [n for n, volume in enumerate(volumes) if shares[n] < volume.crops]
        if not open_:
            break
        for n in open_[: wanted - sum(shares)]:
            shares[n] += 1
    return tuple(
        HeldOutCrop(volume, (int(x), int(y), int(z)))
        for volume, share in zip(volumes, shares, strict=True)
        for x, y, z in centres_of(volume)[spread(volume.crops, share)]
    )


def volumes_used(data: PreparedData) -> list[dict[str, str]]:
    """Domain, shown name, side and SHA-256 of each volume used, for people to check."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name, domain in data.domains.items():
        for side, volumes in (("train", domain.train), ("held out", [c.volume for c in domain.held_out])):
            for volume in volumes:
                row = rows.setdefault((name, volume.key), {"domain": name, "name": volume.name, "side": side})
                row["sha256"] = volume.sha256
                row["side"] = row["side"] if row["side"] == side else "both, apart by a slab"
    return list(rows.values())
