"""The mathematics of Isthmus: laws, transfer, allocation, policies. Pure: no clock, no I/O, no global RNG."""

from policies.allocation import Allocation, plan_allocation
from policies.conformance import check_policy
from policies.laws import JointLaw, fit_joint_law
from policies.policy import BasePolicy, Policy
from policies.records import BadReport, BadSetup, Decision, Domain, Interval, LossReport, MixtureSchedule
from policies.registry import available_policies, load_policy, make_policy
from policies.tournament import CellResult, run_cell
from policies.worlds import World, available_worlds, make_replay, make_world

__all__ = [
    "Allocation",
    "BadReport",
    "BadSetup",
    "BasePolicy",
    "CellResult",
    "Decision",
    "Domain",
    "Interval",
    "JointLaw",
    "LossReport",
    "MixtureSchedule",
    "Policy",
    "World",
    "available_policies",
    "available_worlds",
    "check_policy",
    "fit_joint_law",
    "load_policy",
    "make_policy",
    "make_replay",
    "make_world",
    "plan_allocation",
    "run_cell",
]
