"""The mathematics of Isthmus: laws, transfer, allocation, policies. Pure: no clock, no I/O, no global RNG."""

from policies.conformance import check_policy
from policies.policy import BasePolicy, Policy
from policies.records import BadReport, BadSetup, Decision, Domain, Interval, LossReport, MixtureSchedule
from policies.registry import available_policies, load_policy, make_policy

__all__ = [
    "BadReport",
    "BadSetup",
    "BasePolicy",
    "Decision",
    "Domain",
    "Interval",
    "LossReport",
    "MixtureSchedule",
    "Policy",
    "available_policies",
    "check_policy",
    "load_policy",
    "make_policy",
]
