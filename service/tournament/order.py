"""What is to be run: who, where, how often; checked as a whole before anything starts."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from policies import available_policies
from policies.intake import nearest
from policies.tournament.table import OURS
from policies.worlds import available_worlds
from service.tournament.code import digest_of
from service.tournament.errors import BadTournament
from service.tournament.runs_table import RunsTable

Options = Mapping[str, Any]
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "odm_exp3": ("odm", {"form": "exp3"}),  # ODM has two forms
    "transfer_law_losses": (OURS, {"products": 0}),  # ours where nobody reports gradient products
}
NO_ENTRANT = ("fixed",)  # needs its weights from somebody
CHEAP_OR_OURS = (OURS, "uniform", "proportional")  # may be given more seeds than the others
SEEDS, DOMAINS, NOISE = 20, (5, 8), (0.003, 0.01)
FULL: dict[str, Any] = {"seeds": 50, "many": 400, "domains": (5, 8, 12, 20)}


@dataclasses.dataclass(frozen=True)
class Entrant:
    """A policy under the name it has in the tables, with its options."""

    name: str
    policy: str
    options: Options = dataclasses.field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of its options and of the code that its cells depend on: other code, other cells."""
        options = json.dumps(dict(self.options), sort_keys=True)
        return hashlib.sha256(f"{self.policy} {options} {digest_of(self.policy)}".encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True)
class Place:
    """A world of K domains with this noise and this seed; `seed` is the policies' seed too."""

    world: str
    K: int
    noise: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Job:
    """One place and all who run there: what they share, such as the oracle, is found once."""

    place: Place
    entrants: tuple[Entrant, ...]


def known_policies() -> tuple[str, ...]:
    """Everybody who can enter, in the order of the tables."""
    names = [name for name in available_policies() if name not in NO_ENTRANT]
    for variant, (policy, _) in VARIANTS.items():
        names.insert(names.index(policy) + 1, variant)
    return tuple(names)


def entrant(name: str, tuned: Mapping[str, Options] | None = None) -> Entrant:
    """The entrant of that name, with its tuned options if there are any; `BadTournament` for a wrong name."""
    known = known_policies()
    if name not in known:
        raise BadTournament(f"no policy is named '{name}'{nearest(name, known)}; known: {', '.join(known)}")
    policy, options = VARIANTS.get(name, (name, {}))
    return Entrant(name, policy, {**options, **(tuned or {}).get(name, {})})


@dataclasses.dataclass(frozen=True)
class Order:
    """A tournament.

    Parameters
    ----------
    entrants, worlds:
        Who runs, where. The name of `table` is one of the worlds if there is one.
    domains, noise:
        K and evaluation noise. A world's seeds are dealt out over all pairs of them in turn, so each
        seed has one K and one noise.
    seeds, many:
        Seeds of each world; `many` is for ours, uniform and proportional, whose harm rates need them.
    first_seed:
        The seeds judged are first_seed, first_seed + 1, ...
    table:
        Runs to replay, if any; K is then the table's.
    """

    entrants: tuple[Entrant, ...]
    worlds: tuple[str, ...]
    domains: tuple[int, ...] = DOMAINS
    noise: tuple[float, ...] = NOISE
    seeds: int = SEEDS
    many: int = SEEDS
    first_seed: int = 0
    table: RunsTable | None = None

    def __post_init__(self) -> None:
        known = available_worlds() + (() if self.table is None else (self.table.name,))
        for world in self.worlds:
            if world not in known:
                raise BadTournament(f"no world is named '{world}'{nearest(world, known)}; known: {', '.join(known)}")
        for what, values in (("policies", self.entrants), ("worlds", self.worlds), ("domains", self.domains)):
            if not values:
                raise BadTournament(f"there are no {what}; name at least one")
        for size in self.domains:
            if size < 2:
                raise BadTournament(f"domains are {size}; a world needs at least 2")
        for level in self.noise:
            if not (math.isfinite(level) and 0 <= level < 1):
                raise BadTournament(f"noise is {level:g}; it must be in [0, 1), such as 0.01 for 1 %")
        if self.seeds < 1 or self.first_seed < 0:
            raise BadTournament(
                f"seeds are {self.seeds} from {self.first_seed}; there must be at least 1, and the first must be >= 0"
            )
        if self.many < self.seeds:
            raise BadTournament(f"many is {self.many}; give at least as many as the seeds of the others, {self.seeds}")

    def jobs(self) -> list[Job]:
        """Seed by seed over all worlds, so that a tournament that was stopped has seen each equally often."""
        some = [e for e in self.entrants if e.name in CHEAP_OR_OURS]
        found = []
        for number in range(self.many):
            entrants = self.entrants if number < self.seeds else tuple(some)
            places = (self._place(world, number) for world in self.worlds)
            found += [Job(place, entrants) for place in places if entrants]
        return found

    def _place(self, world: str, number: int) -> Place:
        replayed = self.table is not None and world == self.table.name
        sizes = (self.table.K,) if self.table is not None and replayed else self.domains
        pairs = list(itertools.product(sizes, self.noise))
        size, noise = pairs[number % len(pairs)]
        return Place(world, size, noise, self.first_seed + number)

    def cell_key(self, place: Place, entrant: Entrant) -> str:
        """What a finished cell is found again by."""
        replayed = self.table is not None and place.world == self.table.name
        table = f" {self.table.digest}" if self.table is not None and replayed else ""
        where = f"{place.world} K={place.K} noise={place.noise:g} seed={place.seed}"
        return f"{entrant.name} {where} {entrant.digest}{table}"


def make_order(
    policies: Sequence[str] | None = None,
    worlds: Sequence[str] | None = None,
    *,
    tuned: Mapping[str, Options] | None = None,
    table: RunsTable | None = None,
    many: int | None = None,
    **rest: Any,
) -> Order:
    """An order by names: all policies and all worlds by default; with a table and no worlds, the table alone."""
    names = known_policies() if policies is None else tuple(dict.fromkeys(policies))
    if worlds is None:
        worlds = available_worlds() if table is None else (table.name,)
    elif table is not None and table.name not in worlds:
        worlds = (*worlds, table.name)
    seeds = rest.pop("seeds", SEEDS)
    return Order(
        entrants=tuple(entrant(name, tuned) for name in names),
        worlds=tuple(dict.fromkeys(worlds)),
        seeds=seeds,
        many=seeds if many is None else many,
        table=table,
        **rest,
    )
