"""Bringing a store to the tables of this version: once, under a lock, whoever opens it first."""

from service.journal.migrations.upgrade import HEAD, NewerStore, upgrade

__all__ = ["HEAD", "NewerStore", "upgrade"]
