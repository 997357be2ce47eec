"""Whether what a file says it is fits what the user says its domain is."""

from __future__ import annotations

from trainers.volumes.refused import Refused

MODALITIES = {"ct": ("CT",), "mr": ("MR",), "pet": ("PT", "NM")}  # DICOM's words; a SPECT is as good as a PET here


def check_modality(modality: str, kind: str) -> None:
    """Raise `Refused` where a DICOM modality contradicts the domain's kind; `other` takes any."""
    wanted = MODALITIES.get(kind)
    if wanted is None or not modality or modality in wanted:
        return
    raise Refused(
        f"Modality {modality}, kind {kind}",
        "its values are of another kind than the domain says; move it to another domain, or set kind: other",
    )
