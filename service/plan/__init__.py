"""What-if: other budgets, and which data to collect next, from the laws that a run has fitted."""

from service.plan.collect import Advice
from service.plan.plan import plan, plan_story
from service.plan.table import PlanRow, PlanTable

__all__ = ["Advice", "PlanRow", "PlanTable", "plan", "plan_story"]
