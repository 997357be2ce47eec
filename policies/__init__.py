"""The mathematics of Isthmus: laws, transfer, allocation, policies. Pure: no clock, no I/O, no global RNG."""

from policies.allocation import Allocation, plan_allocation
from policies.conformance import check_policy
from policies.laws import JointLaw, fit_joint_law
from policies.policy import BasePolicy, Policy
from policies.records import BadReport, BadSetup, Decision, Domain, Interval, LossReport, MixtureSchedule
from policies.registry import available_policies, load_policy, make_policy

__all__ = [
    "Allocation",
    "BadReport",
    "BadSetup",
    "BasePolicy",
    "Decision",
    "Domain",
    "Interval",
    "JointLaw",
    "LossReport",
    "MixtureSchedule",
    "Policy",
    "available_policies",
    "check_policy",
    "fit_joint_law",
    "load_policy",
    "make_policy",
    "plan_allocation",
]
