"""What an allocation is asked to do: the body of its first event."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from policies import Domain
from policies.policy import BasePolicy
from policies.registry import load_policy, make_policy
from service.owner.steering import Steering


@dataclasses.dataclass(frozen=True)
class Spec:
    """Domains, budget and policy of an allocation; `about` says what run it serves (names, digests)."""

    domains: tuple[Domain, ...]
    budget: int
    interval: int
    policy: str = "transfer_law"
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    targets: Mapping[str, float] | None = None
    objective: str = "mean_log"
    baseline: Mapping[str, float] | None = None
    lr_plan: Sequence[Sequence[float]] | None = None
    seed: int = 0
    steering: Steering = dataclasses.field(default_factory=Steering)
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        body = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        body["domains"] = [domain.to_dict() for domain in self.domains]
        body["steering"] = self.steering.to_dict()
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Spec:
        values = dict(body)
        values["domains"] = tuple(Domain.from_dict(domain) for domain in body["domains"])
        values["steering"] = Steering.from_dict(body["steering"])
        return cls(**values)

    def build(self) -> BasePolicy:
        """A policy that has seen nothing; raises `BadSetup` where the spec makes no sense."""
        policy = make_policy(
            self.policy,
            self.domains,
            self.budget,
            interval=self.interval,
            targets=self.targets,
            objective=self.objective,
            baseline=self.baseline,
            lr_plan=self.lr_plan,
            seed=self.seed,
            **self.options,
        )
        self.steering.check(tuple(domain.name for domain in policy.domains))
        return policy

    def load(self, state: Mapping[str, Any]) -> BasePolicy:
        """The policy that a dump describes."""
        return load_policy(state)
