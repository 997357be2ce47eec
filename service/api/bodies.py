"""What requests may hold: the records of the contract, as JSON."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from policies import Domain, LossReport
from policies.records.names import LONGEST_NAME, PATTERN, RULE, check_apart
from service.api.fields import (
    MOST_DOMAINS,
    Amount,
    Body,
    ByName,
    Counts,
    Draws,
    Name,
    Option,
    Position,
    Share,
    Text,
    by_name,
    sized,
)

Objective = Literal["mean_log", "mean_excess", "worst_excess"]
MOST_REPORTS = 1000
MOST_RATES = 10_000  # of a plan of learning rates


Amounts = Annotated[dict[Name, Amount], Field(min_length=1, max_length=MOST_DOMAINS), by_name(MOST_DOMAINS)]
Shares = Annotated[dict[Name, Share], Field(max_length=MOST_DOMAINS), by_name(MOST_DOMAINS)]


def _record(value: Any) -> str:
    return "name" if isinstance(value, str) else "record"


# The rule itself is `Domain`'s, so that an allocation from before it is still found under its names.
DomainName = Annotated[Name, Field(description=RULE, json_schema_extra={"pattern": PATTERN, "maxLength": LONGEST_NAME})]


class Limits(Body):
    """What limits a domain; `pool` null means endless."""

    pool: Draws | None = None
    cost: Annotated[float, Field(strict=True, gt=0, le=1e12)] = 1.0
    max_epochs: Annotated[float, Field(strict=True, gt=0, le=1e12)] | None = None
    min_share: Share = 0.0
    max_share: Share = 1.0
    group: Name | None = None


class DomainRecord(Limits):
    """A source of volumes that is mixed as one."""

    name: DomainName


# Tags of a union show up in the place of an error; `problems` takes them out again.
OneDomain = Annotated[
    Annotated[DomainName, Tag("name")] | Annotated[DomainRecord, Tag("record")], Discriminator(_record)
]
Domains = Annotated[
    Annotated[list[OneDomain], Field(min_length=1, max_length=MOST_DOMAINS), sized(MOST_DOMAINS), Tag("several")]
    | Annotated[
        dict[DomainName, Limits], Field(min_length=1, max_length=MOST_DOMAINS), by_name(MOST_DOMAINS), Tag("by name")
    ],
    Discriminator(lambda value: "by name" if isinstance(value, dict) else "several"),
]


def read_domains(
    given: list[str | DomainRecord] | dict[str, Limits], known: Collection[str] = ()
) -> tuple[Domain, ...]:
    """The records that a list of names or records, or a mapping by name, stands for; raises `BadSetup`.

    `known` are names that the allocation has already: they stay, whatever the rule for new ones is.
    """
    if isinstance(given, dict):
        records = [{"name": name, **limits.model_dump()} for name, limits in given.items()]
    else:
        records = [{"name": one} if isinstance(one, str) else one.model_dump() for one in given]
    domains = tuple(Domain.from_dict(one) if one["name"] in known else Domain(**one) for one in records)
    check_apart(domain.name for domain in domains)
    return domains


class NewAllocation(Body):
    """What to mix, for how many draws, and who decides. `options` are the policy's own."""

    name: Name
    domains: Domains
    budget: Draws
    interval: Draws
    policy: Name = "transfer_law"
    targets: Amounts | None = None
    objective: Objective = "mean_log"
    baseline: Annotated[Shares, Field(min_length=1)] | None = None
    lr_plan: (
        Annotated[
            list[Annotated[list[Amount], Field(min_length=2, max_length=2), sized(2)]],
            Field(min_length=1, max_length=MOST_RATES, fail_fast=True),
            sized(MOST_RATES),
        ]
        | None
    ) = None
    seed: Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)] = 0
    options: Annotated[dict[Name, Option], Field(max_length=100), by_name(100)] = Field(default_factory=dict)


class Report(Body):
    """One held-out evaluation: cumulative draws by domain, losses by target; null where not measured."""

    position: Position
    draws: Amounts
    eval_loss: ByName
    eval_sem: Counts | None = None
    train_loss: ByName | None = None
    train_count: Counts | None = None
    lr_sum: Annotated[float, Field(strict=True, ge=0, le=1e18)] | None = None
    grad_dot: Annotated[dict[Name, ByName], Field(max_length=1000), by_name(1000)] | None = None

    def record(self) -> dict[str, Any]:
        """As the hosts take it; raises `BadReport`."""
        body = self.model_dump()
        LossReport.from_dict(body)
        return body


Reports = Annotated[
    Annotated[Report, Tag("one")]
    | Annotated[list[Report], Field(min_length=1, max_length=MOST_REPORTS), Tag("several")],
    Discriminator(lambda value: "several" if isinstance(value, list) else "one"),
]


class Plan(Body):
    """Budgets of new runs, in draws; `domains` where they would differ from the run's own."""

    budgets: Annotated[list[Draws], Field(min_length=1, max_length=20), sized(20)]
    objective: Objective | None = None
    domains: Domains | None = None


class Change(Body):
    """All domains from `position` (by default the last report) on."""

    domains: Domains
    position: Position | None = None


class Mode(Body):
    """What is left out stays as it is; an empty `pin` lets all shares go."""

    mode: Literal["act", "advise", "pause"] | None = None
    pin: Shares | None = None


class Rewind(Body):
    """Back to a checkpoint: what was reported and decided behind `position` stays, but inactive."""

    position: Position
    why: Text = ""
