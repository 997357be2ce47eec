"""Any error of a reader as a refusal: what it was, and what to do about it.

Folders are taken out of the text; what DICOM errors quote never gets here (`dicom_slice`).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path

from trainers.memory_signs import is_out_of_memory
from trainers.volumes.refused import Refused

MESSAGE_LENGTH = 160
DAMAGED = "it cannot be read; it is cut short, damaged or packed in an unknown way"
CURES = {
    errno.ENOENT: "it was there when files were listed and is gone now; put it back, or look again",
    errno.EACCES: "it may not be read by this user; change its permissions",
    errno.EPERM: "it may not be read by this user; change its permissions",
    errno.EISDIR: "it is a folder; give the file, or a folder of DICOM slices",
    errno.ENOTDIR: "a part of its path is no folder; mend the path",
    errno.ESTALE: "the network file system has lost it; look again, or mount it anew",
    errno.EIO: "its disk cannot be read; see to the disk, or fetch the file again",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine; raise the limit",
    errno.ELOOP: "its link leads to itself; mend the link",
    errno.ETIMEDOUT: "its file system does not answer; look again when it does",
}
LASTING = (errno.EISDIR, errno.ENOTDIR, errno.ELOOP)


def explain(error: Exception, folders: Iterable[Path], *, secret: bool = False) -> Refused:
    """`error` as `Refused`, without `folders` in the text; `secret` leaves the library's own words out."""
    if isinstance(error, Refused):
        return error
    if is_out_of_memory(error):
        return Refused(
            "not enough memory", "it is too large for this machine; use a larger one, or crop the file", passing=True
        )
    if isinstance(error, OSError) and error.errno is not None:
        cure = CURES.get(error.errno, "the system cannot read it; see to the disk or the network, then look again")
        return Refused(error.strerror or type(error).__name__, cure, passing=error.errno not in LASTING)
    text = f"{type(error).__name__}: {error}".split("\n")[0]
    if secret:
        text = type(error).__name__
    for folder in sorted({str(f) for f in folders}, key=len, reverse=True):
        text = text.replace(folder + "/", "").replace(folder, "")
    return Refused(text[:MESSAGE_LENGTH], DAMAGED)
