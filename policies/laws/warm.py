"""What one fit leaves to the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.laws.joint import JointLaw
from policies.laws.priors import Hyper
from policies.laws.products import Belief

Array = NDArray[np.float64]

DOUBTED = 2.0  # times their variance
STRANGE = 0.2  # root mean squares: products that are off by more are none that the law's form can give


@dataclasses.dataclass(frozen=True)
class WarmStart:
    """What a later fit starts from: the parameters of a law without their uncertainty.

    thetas: one (M, P) a family; parts: the same for the fits that weigh the families (see `fit`);
    hypers: the prior that each family learnt; beliefs: how far each could believe gradient products, empty without.
    """

    kinds: tuple[str, ...]
    domains: tuple[str, ...]
    targets: tuple[str, ...]
    total_ref: float
    time_ref: float
    start: float
    centre: Array
    noise: Array
    thetas: tuple[Array, ...]
    parts: tuple[Array, ...]
    hypers: tuple[Hyper, ...]
    beliefs: tuple[Belief, ...] = ()

    @property
    def told(self) -> bool:
        """Whether gradient products were reported, and agree with the losses."""
        return bool(self.beliefs) and max(belief.doubt for belief in self.beliefs) < DOUBTED

    @property
    def plain(self) -> bool:
        """Whether, beyond that, they are such as every family can give; with negative transfer they are not."""
        return self.told and max(belief.off for belief in self.beliefs) <= STRANGE

    @property
    def refuted(self) -> bool:
        """Whether the losses contradict reported products whatever the law's form."""
        return bool(self.beliefs) and min(belief.doubt for belief in self.beliefs) >= DOUBTED

    def earlier(self, law: JointLaw) -> JointLaw:
        """`law`, which was fitted along with this, as it was without its latest rows."""
        pairs = zip(law.families, self.parts, strict=True)
        return dataclasses.replace(law, families=tuple(dataclasses.replace(f, theta=theta) for f, theta in pairs))

    def to_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = dataclasses.asdict(self)
        body.update(hypers=[hyper.to_dict() for hyper in self.hypers])
        body.update(thetas=[t.tolist() for t in self.thetas], parts=[t.tolist() for t in self.parts])
        return {**body, "centre": self.centre.tolist(), "noise": self.noise.tolist()}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> WarmStart:
        return cls(
            tuple(body["kinds"]),
            tuple(body["domains"]),
            tuple(body["targets"]),
            float(body["total_ref"]),
            float(body["time_ref"]),
            float(body["start"]),
            np.array(body["centre"], dtype=np.float64),
            np.array(body["noise"], dtype=np.float64),
            tuple(np.array(theta, dtype=np.float64) for theta in body["thetas"]),
            tuple(np.array(theta, dtype=np.float64) for theta in body["parts"]),
            tuple(Hyper.from_dict(hyper) for hyper in body["hypers"]),
            tuple(Belief(**belief) for belief in body.get("beliefs", ())),  # dumps of before there were any
        )
