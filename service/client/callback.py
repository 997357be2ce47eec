"""The mixture of a training run, steered by the service: count draws, report losses, ask for weights."""

from __future__ import annotations

import functools
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from service.client import choosing
from service.client.agenda import Agenda
from service.client.desk import START_SECONDS, Desk
from service.client.errors import BadValue, WrongSettings
from service.client.group import Group, loads_data
from service.client.ledger import Ledger
from service.client.names import domain_name, finite, listed, mean_losses, unknown_domain, whole_draws
from service.client.notices import Notices
from service.client.rounds import Rounds
from service.client.sync import AllocationClient
from service.client.wire import DomainsLike, at_least_one, domain_names, plain, whole

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _never_raises(method: Callable[_P, _R]) -> Callable[_P, _R | None]:
    """What fails in here is said and training goes on with the mixture it has; `strict` lets it raise.

    A forked child has no part in the run: there it does nothing.
    """

    @functools.wraps(method)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        self = args[0]
        assert isinstance(self, MixtureCallback)
        self.start()
        if self._apart(method.__name__):
            return None
        try:
            return method(*args, **kwargs)
        except Exception as error:
            if self.strict:
                raise
            self._notices.warn(error)
            return None

    return guarded


class MixtureCallback:
    """Which domain next, and how many draws were learnt from each; talks to the service at each interval.

    Three calls steer a loop: `choose()` before a batch, `count(...)` after it, and `report(...)` when `due`.
    The service is asked in the background; its answer is taken at the same later draw on every rank. Once training
    has begun nothing in here raises: a service that fails keeps the mixture, and the log says so. The logger is
    `isthmus`: the page's address and each new mixture at INFO, what is wrong at WARNING.

    Parameters
    ----------
    name, domains, budget, interval:
        See `AllocationClient.create`, which also takes `allocation`: policy, targets, objective, baseline, ...
        The same name and settings again go on with the same allocation.
    client:
        Else one is made from `ISTHMUS_URL` and `ISTHMUS_TOKEN`, with the queue file `queue` where one is named.
    lag:
        Draws between a report and the moment its answer is taken: default a quarter of the interval, 0 waits.
    patience:
        Seconds to wait for the answer when that moment comes; then the mixture is kept until the next one.
    start_patience:
        Seconds to wait for the service at the start; then training begins with the baseline, and it is asked again.
    seed:
        Of `choose` and `sampler`.
    group:
        Ranks that train together; default: torch.distributed where it is set up when training begins. Every rank
        makes the same calls; rank 0 alone talks to the service.
    strict:
        Raise what goes wrong.

    Raises
    ------
    ClientError
        At the first use, before anything was drawn, for what only a person can mend: a refused token, a wrong
        setting. A service that cannot be reached is no such thing.
    """

    def __init__(
        self,
        name: str,
        domains: DomainsLike,
        budget: int,
        interval: int,
        *,
        client: AllocationClient | None = None,
        queue: str | os.PathLike[str] | None = None,
        lag: int | None = None,
        patience: float = 10.0,
        start_patience: float = START_SECONDS,
        seed: int = 0,
        group: Group | None = None,
        strict: bool = False,
        **allocation: Any,
    ) -> None:
        self.domains = domain_names(domains)
        self.budget, self.interval = at_least_one(budget, "budget"), at_least_one(interval, "interval")
        self.lag = self.interval // 4 if lag is None else whole(lag, "lag")
        self.seed, self.strict = seed, strict
        self._notices = Notices()
        self._ledger = Ledger(self.domains)
        ask = {"name": name, "domains": domains, "budget": budget, "interval": interval, "seed": seed, **allocation}
        self._desk = Desk(client, queue, ask, self._notices, start_patience)
        agenda = Agenda(self.budget, self.interval, self.lag)
        terms = {**{key: plain(value) for key, value in ask.items()}, "lag": self.lag, "strict": strict}
        self._rounds = Rounds(
            self._desk,
            self._ledger,
            agenda,
            self._notices,
            terms=terms,
            group=group,
            patience=patience,
            strict=strict,
        )
        self._targets = tuple(allocation.get("targets") or ())
        self._choices = 0

    # -- what a training loop needs

    @property
    def weights(self) -> dict[str, float]:
        """Shares of the domains this run can draw from, summing to 1."""
        self.start()
        self.end_step()
        known = {name: self._desk.weights.get(name, 0.0) for name in self.domains}
        total = math.fsum(known.values())
        return {name: share / total if total > 0 else 1.0 / len(known) for name, share in known.items()}

    def choose(self, generator: Any = None) -> str:
        """The domain of the next batch.

        `generator`: a `random.Random`, a numpy or torch generator, or a callable giving numbers in [0, 1). Without
        one the choice depends on the seed and on how many were made, so that a resumed run chooses the same.
        """
        weights = self.weights
        self._choices += 1
        if self._choices >= self.interval and not self._rounds.steps:
            self._notices.repeat(
                "loop:uncounted", "choose() was called for a whole interval and count() never: nothing will be reported"
            )
        if generator is not None:
            return choosing.pick(weights, choosing.uniform(generator))
        return choosing.pick(weights, choosing.point(self.seed, self._rounds.ranks.rank, self._choices))

    @_never_raises
    def count(self, domains: Any, draws: int = 1, *, loss: Any = None, lr: float | None = None) -> None:
        """This rank learnt from `draws` draws of a domain, or of each in a batch of names or numbers of domains.

        `loss`: their training loss, one number, or one for each. `lr`: the learning rate of this step. What it
        cannot use raises where `strict`, else it is said and left out. Ranks may count unequal numbers.
        """
        self._rounds.counted()
        try:
            names = [domain_name(value, self.domains) for value in listed(domains)]
            each = whole_draws(draws)
            losses = mean_losses(loss, len(names))
            step_lr = None if lr is None else finite(lr, "lr")
        except Exception as error:
            self._rounds.failed(error)
            raise
        for name, mean in zip(names, losses, strict=True):
            self._ledger.count(name, each, mean)
        if step_lr is not None:
            self._ledger.add_lr(step_lr)

    def end_step(self) -> None:
        """A step is over. What reads after `count` says so by itself; a framework's hook may say it, too."""
        try:
            self._rounds.end_step()
        except Exception as error:
            if self.strict:
                raise
            self._notices.warn(error)

    @property
    def due(self) -> bool:
        """An interval is full, the budget is reached, or the next step would pass it: evaluate and `report`."""
        self.end_step()
        return self._rounds.due

    @_never_raises
    def report(
        self,
        eval_loss: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None,
        *,
        eval_sem: Mapping[str, Any] | None = None,
        lr_sum: float | None = None,
    ) -> None:
        """Held-out loss by target, as of now; NaN, or left out, where it was not measured.

        A callable is evaluated here: where it raises, the other ranks hear of it. Of several ranks the losses of
        rank 0 count, and for what it did not measure those of the next that did; a rank without any passes None.
        """
        self._rounds.end_step()
        self._rounds.report(eval_loss, eval_sem, lr_sum, lambda: (self.targets, self._known_targets()))

    @_never_raises
    def add_lr(self, lr: float) -> None:
        """The learning rate of one more step, where `count` is not told it."""
        self._ledger.add_lr(finite(lr, "lr"))

    def offer(self, domain: str) -> None:
        """This run can draw from one more domain from now on; `AllocationClient.domains` tells the service."""
        if domain not in self.domains:
            self.domains = (*self.domains, domain)

    # -- for loops that sample by item

    def probabilities(self, domain_of_item: Iterable[str]) -> list[float]:
        """One probability an item, summing to 1: a domain's share divided among its items."""
        names = list(domain_of_item)
        if not names:
            raise BadValue("probabilities() was given no items; give the domain of each")
        sizes = Counter(names)
        self._check_known(sizes, "probabilities()", "its items are never drawn")
        weights = {name: share for name, share in self.weights.items() if name in sizes}
        total = math.fsum(weights.values())
        if total <= 0:
            return [1.0 / len(names)] * len(names)
        return [weights.get(name, 0.0) / total / sizes[name] for name in names]

    def sampler(self, sizes: Mapping[str, int], length: int | None = None) -> choosing.MixtureSampler:
        """For a `DataLoader` over the concatenation of one dataset a domain; `length` draws, default what is left."""
        if not isinstance(sizes, Mapping):
            raise BadValue(f"sizes of the sampler is {sizes!r}; send a mapping from domain to number of items")
        self._check_known(sizes, "sampler()", "its items are not steered (offer(...) adds a domain)")
        return choosing.MixtureSampler(self, sizes, length, self.seed)

    # -- the state of a run

    @property
    def position(self) -> int:
        """Draws so far, over all domains and ranks."""
        self.end_step()
        return self._ledger.position

    @property
    def draws(self) -> dict[str, float]:
        """The same by domain, as far as this rank knows."""
        draws = self._ledger.draws
        return {name: draws.get(name, 0) for name in self.domains}

    @property
    def left(self) -> int:
        """Draws of the budget that are left for this rank."""
        return max(0, self.budget - self.position) // self._rounds.ranks.size

    @property
    def here(self) -> tuple[int, int, Mapping[str, int]]:
        """Rank, draws of this rank so far, and the same by domain."""
        ranks = self._rounds.ranks
        return ranks.rank, self.position // ranks.size, {n: int(v) // ranks.size for n, v in self.draws.items()}

    @property
    def reason(self) -> str:
        """Why the mixture is what it is, in the service's words."""
        return self._desk.reason

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps; plain JSON. Every rank must call it, since their counts are added up."""
        self.start()
        if self._rounds.forked:
            raise WrongSettings("a forked child has no checkpoint of the run; call state_dict in the training process")
        self._rounds.end_step()
        return {**self._rounds.state(), "choices": self._choices}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint; a report whose answer was still to come is sent again."""
        self.start()
        self._choices = int(state["choices"])
        self._rounds.load(state)

    def start(self) -> None:
        """Get or create the allocation; done by the first use of anything else."""
        if not self._rounds.started and not self._apart("start"):
            self._rounds.start()

    def close(self) -> None:
        """Wait for the last report to be delivered, at most the client's deadline; closes the client, too."""
        self._rounds.close(sys.exc_info()[1])

    def __enter__(self) -> MixtureCallback:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rounds.close(error)

    # -- frameworks

    def tell(self, channel: Callable[[str], None]) -> None:
        """Lines at INFO go to `channel`, too, where the logger `isthmus` shows them nowhere."""
        self._notices.channel = channel

    def for_transformers(self, loss_key: str = "eval_{target}_loss") -> Any:
        """A `TrainerCallback` for the Hugging Face Trainer; see `service.client.adapters.transformers`."""
        from service.client.adapters.transformers import adapt

        return adapt(self, loss_key)

    def for_lightning(self, loss_key: str = "val_loss/{target}", domain_key: str | None = "domain") -> Any:
        """A `Callback` for Lightning; see `service.client.adapters.lightning`."""
        from service.client.adapters.lightning import adapt

        return adapt(self, loss_key, domain_key)

    @_never_raises
    def on_epoch_end(
        self,
        eval_loss: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None,
        draws: Mapping[str, int] | None = None,
        train_loss: Mapping[str, Any] | None = None,
    ) -> None:
        """For loops that know epochs only: what this rank drew in the epoch by domain, and the losses after it."""
        self._rounds.counted()  # an epoch is one step, also where this rank drew nothing
        drawn = self._by_domain(draws, "draws")
        losses = self._by_domain(train_loss, "train_loss")
        for name, number in drawn.items():
            self.count(name, number, loss=losses.get(name))
        if self.due:
            self.report(eval_loss)

    # -- inside

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the held-out losses that a report holds."""
        return self._targets or self._desk.names

    def _by_domain(self, values: Any, field: str) -> Mapping[str, Any]:
        """What an epoch gives by domain; what cannot be read is said, and raises where strict."""
        if values is None:
            return {}
        if not isinstance(values, Mapping):
            self._object(BadValue(f"{field} is {values!r}; send a mapping by domain"))
            return {}
        if field != "draws":  # `count` looks at the names of draws itself
            self._check_known(values, field, "its value is left out")
        return values

    def _check_known(self, given: Iterable[Any], field: str, then: str) -> None:
        """A name that is no domain of this run would be passed over without a word."""
        for name in given:
            if name not in self.domains:
                self._object(unknown_domain(name, self.domains, field, then))

    def _object(self, error: Exception) -> None:
        if self.strict:
            self._rounds.failed(error)
            raise error
        self._notices.warn(error)

    def _known_targets(self) -> tuple[str, ...]:
        """These, and domains that this run has and the service does not know yet, or no more."""
        return self._targets or tuple(dict.fromkeys((*self._desk.names, *self.domains)))

    def _apart(self, call: str) -> bool:
        """Whether this process has no part in the run: it was forked from the one that trains, or loads its data."""
        if not self._rounds.forked and (self._rounds.started or not loads_data()):
            return False
        self._notices.repeat(
            "loop:forked",
            f"{call}() in process {os.getpid()} does nothing: it is a child of the process that trains, such as a "
            f"loader's worker; call it in the training loop",
        )
        return True
