"""From the configuration to `PreparedData`: scan, make sure of room, preprocess into the cache, fix the crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainers.config.data import DataConfig
from trainers.volumes.cache import Cached, cache_key, find_cached, places_in, store
from trainers.volumes.crops import centres_of
from trainers.volumes.errors import BadData
from trainers.volumes.files import check_room
from trainers.volumes.inspection import explain
from trainers.volumes.places import spread, whole_box
from trainers.volumes.readers import read_voxels
from trainers.volumes.recipe import execute, recipe_of
from trainers.volumes.records import Box, HeldOutCrop, PreparedData, PreparedDomain, PreparedVolume, Problem
from trainers.volumes.refused import Refused
from trainers.volumes.scanning import DomainScan, Item, Progress, Scan, assemble, scan
from trainers.volumes.slab import cut_slab
from trainers.volumes.split import Split

Pair = tuple[Item, Cached]


def prepare(config: DataConfig, *, seed: int, eval_crops: int, progress: Progress | None = None) -> PreparedData:
    """Preprocess every usable volume once and fix the places of all crops.

    `eval_crops` are wanted per domain. `seed` changes nothing here, on purpose: runs with other seeds
    are trained and evaluated on the same volumes and crops, so that their losses can be compared.

    Raises `BadData` where more than `max_missing` of a domain is quarantined or nothing is left to
    train on or to hold out, `NoRoom` before anything is written where the disk is too small.
    """
    del seed
    if eval_crops < 1:
        raise BadData(f"eval_crops is {eval_crops}; hold out at least one crop per domain")
    found = scan(config, progress)
    _check_losses(config, found)
    check_room(config.cache_path, found.bytes_needed)
    found, cached = _fill(config, found, progress)
    _check_losses(config, found)
    domains = {n: _domain(config, d, found, cached, eval_crops) for n, d in found.domains.items()}
    return PreparedData(domains=domains, crop=config.crop, cache=str(config.cache_path))


def _check_losses(config: DataConfig, found: Scan) -> None:
    for name, domain in found.domains.items():
        if domain.items and domain.missing <= config.max_missing:
            continue
        lines = "; ".join(p.line() for p in domain.problems if p.severity == "quarantined")
        raise BadData(
            f"domain '{name}': {domain.missing:.0%} of its volumes cannot be used, "
            f"more than max_missing {config.max_missing:.0%} or all of them: {lines}"
        )


def _fill(config: DataConfig, found: Scan, progress: Progress | None) -> tuple[Scan, Mapping[str, Cached]]:
    """Preprocess what the cache lacks; what fails now is quarantined, and the split is made anew."""
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
                path = str(item.source.path)
                problems.append(Problem(name, item.name, refused.value, refused.cause, "quarantined", path))
            done += 1
            if progress is not None:
                progress(done, total, f"preparing {name}")
        kept[name] = items, problems
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
    config: DataConfig, domain: DomainScan, found: Scan, cached: Mapping[str, Cached], eval_crops: int
) -> PreparedDomain:
    pairs = [(item, cached[item.key]) for item in domain.items]
    slab = domain.name in found.split.slab
    *sides, lost = _slabs(config, domain, pairs) if slab else _sides(domain.name, pairs, found.split)
    train, held = ([_volume(config, item, volume, box) for item, volume, box in side] for side in sides)
    crops = held_out_crops(held, eval_crops)
    return PreparedDomain(
        name=domain.name,
        kind=domain.config.kind,
        train=tuple(train),
        held_out=crops,
        problems=(*domain.problems, *lost, *_warnings(domain.name, found, len(crops), eval_crops)),
        transforms=(*recipe_of(domain.config), {"step": "store", "dtype": config.dtype}),
        slab=slab,
    )


Side = list[tuple[Item, Cached, Box]]
Sides = tuple[Side, Side, list[Problem]]


def _sides(name: str, pairs: Sequence[Pair], split: Split) -> Sides:
    """Whole volumes to train on and to hold out."""
    held = split.held_out[name]
    train = [(i, c, whole_box(c.shape)) for i, c in pairs if i.subject not in held]
    return train, [(i, c, whole_box(c.shape)) for i, c in pairs if i.subject in held], []


def _slabs(config: DataConfig, domain: DomainScan, pairs: Sequence[Pair]) -> Sides:
    """Two ends of every volume; those too short for that are quarantined."""
    fraction = domain.config.held_out if isinstance(domain.config.held_out, float) else config.held_out
    train: Side = []
    held: Side = []
    lost: list[Problem] = []
    for item, volume in pairs:
        try:
            one, other = cut_slab(volume.foreground, config.crop, fraction).boxes(volume.shape)
        except Refused as refused:
            path = str(item.source.path)
            lost.append(Problem(domain.name, item.name, refused.value, refused.cause, "quarantined", path))
            continue
        train.append((item, volume, one))
        held.append((item, volume, other))
    if not train:
        raise BadData(f"one subject is all there is, but {lost[0].line()}")
    return train, held, lost


def _volume(config: DataConfig, item: Item, volume: Cached, box: Box) -> PreparedVolume:
    places, crops = places_in(config.cache_path, volume, box, config.crop)
    return PreparedVolume(
        key=item.key,
        name=item.name,
        sha256=item.finding.sha256,
        file=str(volume.file),
        places=str(places),
        crops=crops,
        shape=volume.shape,
        box=box,
        fill=volume.fill,
        frame=item.frame.number,
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


def _warnings(name: str, found: Scan, crops: int, wanted: int) -> list[Problem]:
    lines = []
    if name in found.split.slab:
        cause = "one subject only: the end of each volume is held out, with a gap; add subjects for a better estimate"
        lines.append(Problem(name, "(all)", f"volumes: {len(found.domains[name].items)}", cause, "warning"))
    for file, held, train in found.both:
        if held == name:
            cause = (
                f"a slab of its subject is held out here, and '{train}' trains on the subject: the held-out loss will "
                "look better than it is; add a subject here, or leave this one out there"
            )
            if held == train:
                cause = "the CSV marks its subject held out and not; the whole subject is held out"
            lines.append(Problem(name, file, "", cause, "warning"))
    if crops < wanted:
        cause = f"fewer distinct held-out crops than the {wanted} asked for; hold out more subjects"
        lines.append(Problem(name, "(held out)", f"crops: {crops}", cause, "warning"))
    return lines


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
