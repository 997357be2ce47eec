"""The records that pass between training, policies and service: frozen, validated, JSON both ways."""

from policies.records.checks import MOST, OBJECTIVES, check_mixture, check_names, number
from policies.records.decision import Decision, Interval, LawSummary
from policies.records.domain import Domain, check_domains
from policies.records.errors import BadReport, BadSetup, OtherDraws
from policies.records.names import RecordedName, check_apart, check_name
from policies.records.report import LossReport
from policies.records.schedule import MixtureSchedule, Stage

__all__ = [
    "MOST",
    "OBJECTIVES",
    "BadReport",
    "BadSetup",
    "Decision",
    "Domain",
    "Interval",
    "LawSummary",
    "LossReport",
    "MixtureSchedule",
    "OtherDraws",
    "RecordedName",
    "Stage",
    "check_apart",
    "check_domains",
    "check_mixture",
    "check_name",
    "check_names",
    "number",
]
