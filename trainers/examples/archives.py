"""Reading single files out of package archives without unpacking the rest: zip, tar and Debian, also nested."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from .errors import WrongContent

STEP_INTO = "!"


def read_members(archive: Path, members: Iterable[str]) -> dict[str, tuple[bytes, ...]]:
    """Contents by member path. A path ending in '/' gives all files of that folder, in order of name.

    '!' steps into an archive inside the archive; an inner archive is opened once for all its members.
    Raises WrongContent when a member is not there.
    """
    with archive.open("rb") as stream:
        return _read(stream, archive.name, list(members))


def _read(stream: IO[bytes], label: str, members: list[str]) -> dict[str, tuple[bytes, ...]]:
    wanted: dict[str, list[str]] = {}
    for member in members:
        outer, _, inner = member.partition(STEP_INTO)
        wanted.setdefault(outer, []).append(inner)
    found: dict[str, tuple[bytes, ...]] = {}
    names, read = _open(stream, label)
    for outer, inners in wanted.items():
        files = sorted(n for n in names if n == outer or (outer.endswith("/") and n.startswith(outer) and n != outer))
        if not files:
            raise WrongContent(f"{label} holds no {outer!r}; the package has changed, fetch the catalogue's version")
        if inners == [""]:
            found[outer] = tuple(read(name) for name in files)
        else:
            nested = _read(io.BytesIO(read(files[0])), outer, inners)
            found.update({outer + STEP_INTO + inner: content for inner, content in nested.items()})
    return found


def _open(stream: IO[bytes], label: str) -> tuple[list[str], Callable[[str], bytes]]:
    magic = stream.read(8)
    stream.seek(0)
    if magic.startswith(b"PK"):
        bundle = zipfile.ZipFile(stream)
        return [i.filename for i in bundle.infolist() if not i.is_dir()], bundle.read
    if magic == b"!<arch>\n":
        stream = _debian_tar(stream)
    try:
        tar = tarfile.open(fileobj=stream)  # noqa: SIM115 - lives as long as the reader below
    except tarfile.TarError as error:
        raise WrongContent(f"{label} is no zip, tar or Debian archive: {error}") from error
    files = {m.name: m for m in tar.getmembers() if m.isfile()}

    def read(name: str) -> bytes:
        content = tar.extractfile(files[name])
        assert content is not None  # only regular files are listed
        return content.read()

    return list(files), read


def _debian_tar(stream: IO[bytes]) -> IO[bytes]:
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", stream.name], capture_output=True, check=False)
    if done.returncode != 0:
        raise WrongContent(f"{Path(stream.name).name} cannot be unpacked: {done.stderr.decode().strip()}")
    return io.BytesIO(done.stdout)
