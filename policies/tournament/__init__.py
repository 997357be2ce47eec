"""The tournament: cells (policy, world, seed) as pure functions, and tables of their results."""

from policies.tournament.cell import run_cell
from policies.tournament.result import CellResult

__all__ = ["CellResult", "run_cell"]
