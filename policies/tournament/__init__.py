"""The tournament: cells (policy, world, seed) as pure functions, and tables of their results."""

from policies.tournament.cell import run_cell
from policies.tournament.goals import Goal, goals
from policies.tournament.result import CellResult
from policies.tournament.table import Table, make_table

__all__ = ["CellResult", "Goal", "Table", "goals", "make_table", "run_cell"]
