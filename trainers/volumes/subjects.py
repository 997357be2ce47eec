"""Which ids mean the same person, which may, and which mean nobody. Pure text: no files.

Ids are compared in two forms. `canonical` undoes what no person is told apart by: Unicode form, white space,
case, the prefix `sub-`, a spreadsheet's `.0`, a file's ending. `near` also undoes leading zeros, separators and
the name of a sequence: two ids that are equal only there may be two people, so they are kept on one side of the
split and both are said.
"""

from __future__ import annotations

import re
import unicodedata

ENDING = re.compile(r"\.(nii|nii\.gz|mgz|mgh|nrrd|dcm|ima|dicom)$", re.IGNORECASE)
SUB = re.compile(r"^sub[-_](?=.)", re.IGNORECASE)
WHOLE_FLOAT = re.compile(r"^(\d+)\.0+$")
BRATS_TIME_POINT = re.compile(r"^(brats-[a-z]+-\d{4,5})-\d{3}$", re.IGNORECASE)

# What stands for nobody, also with zeros behind it (ANON000).
_NOBODY = """
anonymous anonymized anonymised anonymize anonymise anonym anonyme anonymus anonimo anon unknown unnamed undefined
unspecified none null nil na nan nat noid noname nobody notavailable notapplicable missing removed redacted hidden
private deidentified deid pseudonymized pseudonymised blank empty dummy default placeholder tbd todo unbekannt inconnu
desconocido test x xx xxx xxxx xxxxx
"""
# What stands for nobody only where nothing else is there.
_ALONE = "patient pat subject subj sub person case id name patientid patientname subjectid no not available"
# Last words of a name that say how a person was scanned, not who was: sequences, phase, plane, processing.
_SEQUENCES = """
t1 t1n t1w t1c t1ce t1gd t1post t1pre t1wce t1fs t1map ce gd wce
t2 t2n t2w t2f t2fs t2s t2star t2map t2flair flair pd pdw pdt2
dwi dti adc b0 b1000 hbv swi swan qsm mra tof asl cbf cbv perf dce dsc bold fmri stir mprage mp2rage spgr fspgr vibe
dixon inphase outphase unit1 tse angio megre mr mri ct cta ctres cect ncct cbct pet petct spect suv
art arterial portal venous ven pvp delayed pre post preop postop baseline followup
ax axial cor coronal sag sagittal tra brain bet defaced deface anon skullstripped n4 reg registered resampled preproc
denoised cropped nifti dicom 3t 7t
"""
NOBODY, ALONE, SEQUENCES = (frozenset(words.split()) for words in (_NOBODY, _ALONE, _SEQUENCES))

ENTITY = re.compile(
    r"[_ ](?:ses|acq|ce|rec|dir|run|mod|echo|flip|inv|mt|part|proc|space|res|den|desc|task|split|chunk)-[^\W_]+$", re.I
)
TIME_POINT = re.compile(r"[-_. ](?:ses|session|visit|run|rep|echo|tp|timepoint)[-_ ]?\d+$", re.IGNORECASE)
LAST_WORD = re.compile(r"[-_. ]([^\W_]+)$")


def clean(text: str) -> str:
    """NFKC, no invisible characters, one kind of dash, single spaces, no ending of a volume."""
    text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    text = "".join("-" if unicodedata.category(c) == "Pd" else c for c in text)
    return ENDING.sub("", " ".join(text.split()))


def canonical(text: str) -> str:
    """The form in which equal ids mean the same person."""
    text = SUB.sub("", clean(text)).casefold().strip()
    return WHOLE_FLOAT.sub(r"\1", text)


def near(text: str) -> str:
    """The form in which equal ids may mean the same person."""
    shorter = without_sequence(clean(text))
    # Without a number what is left may be a study (`spm` of `spm-pet`), not a person.
    bare = canonical(shorter if any(c.isdigit() for c in shorter) else text)
    words = re.findall(r"[^\W\d_]+|\d+", bare)
    if len(words) > 1 and words[0] in ("sub", "subj", "subject"):
        words = words[1:]
    return "-".join(word.lstrip("0") or "0" if word.isdigit() else word for word in words) or bare


def is_nobody(text: str, *, zero: bool = True) -> bool:
    """Whether an id stands for no one in particular. `zero`: whether 0 and 000 do, too."""
    words = re.findall(r"[^\W\d_]+|\d+", clean(text).casefold())
    names = [word for word in words if not word.isdigit()]
    if any(word.strip("0") for word in words if word.isdigit()):
        return False
    if not names:
        return zero or not words
    if len(names) == len(words):
        return "".join(names) in NOBODY | ALONE or all(name in NOBODY | ALONE for name in names)
    return zero and all(name in NOBODY for name in names)


def without_sequence(text: str) -> str:
    """`00001` of `00001_t1n`, `p7` of `p7_ses-2_run-1_flair`: the id without how and when it was scanned.

    A text that is nothing but such words comes back as it is.
    """
    while True:
        word = LAST_WORD.search(text)
        known = word is not None and word[1].casefold() in SEQUENCES
        found = ENTITY.search(text) or TIME_POINT.search(text) or (word if known else None)
        if found is None or not found.start():
            break
        text = text[: found.start()]
    brats = BRATS_TIME_POINT.match(text)
    return brats[1] if brats else text


def is_sequence(text: str) -> bool:
    """Whether a name says only how somebody was scanned: `t1`, `T2_flair`, `ses-1`."""
    words = re.split(r"[-_. ]+", clean(text).casefold())
    if re.fullmatch(r"(ses|session|visit|run|tp|timepoint)[-_ ]?\d+", clean(text), re.IGNORECASE):
        return True
    return all(word in SEQUENCES for word in words)
