"""Tournaments: many cells over many cores, and one page at the end."""

from service.tournament.errors import BadTournament, CellsFailed
from service.tournament.run import Finished, run_order, run_tournament
from service.tournament.runs_table import RunsTable, read_table

__all__ = ["BadTournament", "CellsFailed", "Finished", "RunsTable", "read_table", "run_order", "run_tournament"]
