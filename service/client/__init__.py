"""Steer any training loop from the allocation service. Needs httpx and nothing else of ours."""

from service.client.asynchronous import AsyncAllocationClient
from service.client.callback import MixtureCallback
from service.client.errors import (
    BadValue,
    ClientError,
    Conflict,
    Forbidden,
    NotFound,
    Overloaded,
    QueueInUse,
    RankFailed,
    RanksApart,
    Refused,
    ServerFault,
    Unauthorized,
    UnknownName,
    Unreachable,
    WrongSettings,
)
from service.client.records import Answer, Decision, Interval, Planned, Schedule, Stage
from service.client.sync import AllocationClient

__all__ = [
    "AllocationClient",
    "Answer",
    "AsyncAllocationClient",
    "BadValue",
    "ClientError",
    "Conflict",
    "Decision",
    "Forbidden",
    "Interval",
    "MixtureCallback",
    "NotFound",
    "Overloaded",
    "Planned",
    "QueueInUse",
    "RankFailed",
    "RanksApart",
    "Refused",
    "Schedule",
    "ServerFault",
    "Stage",
    "Unauthorized",
    "UnknownName",
    "Unreachable",
    "WrongSettings",
]
