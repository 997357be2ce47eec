"""The mathematics of Isthmus: laws, transfer, allocation, policies. Pure: no clock, no I/O, no global RNG."""

from policies.records import BadReport, BadSetup, Decision, Domain, Interval, LossReport, MixtureSchedule

__all__ = ["BadReport", "BadSetup", "Decision", "Domain", "Interval", "LossReport", "MixtureSchedule"]
