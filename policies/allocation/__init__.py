"""The best mixture for the rest of a budget: exact, within bounds, with prices."""

from policies.allocation.plan import Allocation, plan_allocation

__all__ = ["Allocation", "plan_allocation"]
