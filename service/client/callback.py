"""The mixture of a training run, steered by the service: count draws, report losses, ask for weights."""

from __future__ import annotations

import functools
import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from service.client import choosing
from service.client.desk import Desk
from service.client.errors import ClientError
from service.client.evaluation import Evaluation, listed
from service.client.group import Group, find_group
from service.client.ledger import Ledger
from service.client.sync import AllocationClient
from service.client.wire import DomainsLike, domain_names

_P = ParamSpec("_P")
_R = TypeVar("_R")
log = logging.getLogger("isthmus")


def _never_raises(method: Callable[_P, _R]) -> Callable[_P, _R | None]:
    """What fails in here is said once and training goes on with the mixture it has; `strict` lets it raise."""

    @functools.wraps(method)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        self = args[0]
        assert isinstance(self, MixtureCallback)
        self.start()
        try:
            return method(*args, **kwargs)
        except Exception as error:
            if self.strict:
                raise
            self._say(error)
            return None

    return guarded


class MixtureCallback:
    """Which domain next, and how many draws were learnt from each; talks to the service at each interval.

    Three calls steer a loop: `choose()` before a batch, `count(...)` after it, and `report(...)` when `due`.
    The service is asked in the background; its answer is taken at the same later draw on every rank. Once training
    has begun nothing in here raises: a service that fails keeps the mixture, and the log says so once.

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
        seed: int = 0,
        group: Group | None = None,
        strict: bool = False,
        **allocation: Any,
    ) -> None:
        self.domains = domain_names(domains)
        self.budget, self.interval = int(budget), int(interval)
        self.lag = self.interval // 4 if lag is None else int(lag)
        self.patience, self.seed, self.strict = patience, seed, strict
        self._group = group
        self._ledger = Ledger(self.domains)
        ask = {"name": name, "domains": domains, "budget": budget, "interval": interval, "seed": seed, **allocation}
        self._desk = Desk(client, queue, ask)
        self._next_report, self._take_at = self.interval, -1
        self._targets = tuple(allocation.get("targets") or ())
        self._choices = 0
        self._said: set[str] = set()
        self._started = False

    # -- what a training loop needs

    @property
    def weights(self) -> dict[str, float]:
        """Shares of the domains this run can draw from, summing to 1."""
        self.start()
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
        if generator is not None:
            return choosing.pick(weights, choosing.uniform(generator))
        return choosing.pick(weights, choosing.point(self.seed, self._ranks().rank, self._choices))

    @_never_raises
    def count(self, domains: Any, draws: int = 1, *, loss: Any = None, lr: float | None = None) -> None:
        """This rank learnt from `draws` draws of a domain, or of each in a batch of names or numbers of domains.

        `loss`: their training loss, one number, or one for each. `lr`: the learning rate of this step.
        """
        names = self._names(domains)
        losses = listed(loss) if loss is not None else None
        for index, name in enumerate(names):
            mine = None if losses is None else losses[index if len(losses) == len(names) else 0]
            self._ledger.count(name, draws, mine)
        if lr is not None:
            self._ledger.add_lr(float(lr))
        if 0 <= self._take_at <= self.position:
            self._take(self.patience)

    @property
    def due(self) -> bool:
        """An interval is full: evaluate and `report`."""
        return self._next_report <= self.position <= self.budget

    @_never_raises
    def report(
        self,
        eval_loss: Mapping[str, Any],
        *,
        eval_sem: Mapping[str, Any] | None = None,
        lr_sum: float | None = None,
    ) -> None:
        """Held-out loss by target, as of now; NaN, or left out, where it was not measured."""
        if self._take_at >= 0:
            self._take(self.patience)
        merged = self._ledger.merged(self._ranks().gather(self._ledger.share()))
        self._ledger.settle(merged)
        position = self.position
        self._next_report = (position // self.interval + 1) * self.interval
        if position > self.budget:
            return
        self._take_at = position + self.lag
        if self._ranks().rank == 0:
            told = Evaluation(self.targets, eval_loss, eval_sem, lr_sum)
            # The service's names: a site that joined or left has changed them.
            self._desk.send(told.report(position, merged, self._desk.names, self._say), self._say)
        if self.lag == 0:
            self._take(None)

    def add_lr(self, lr: float) -> None:
        """The learning rate of one more step, where `count` is not told it."""
        self._ledger.add_lr(float(lr))

    def offer(self, domain: str) -> None:
        """This run can draw from one more domain from now on; `AllocationClient.domains` tells the service."""
        if domain not in self.domains:
            self.domains = (*self.domains, domain)

    # -- for loops that sample by item

    def probabilities(self, domain_of_item: Iterable[str]) -> list[float]:
        """One probability an item, summing to 1: a domain's share divided among its items."""
        names = list(domain_of_item)
        sizes = Counter(names)
        weights = {name: share for name, share in self.weights.items() if name in sizes}
        total = math.fsum(weights.values())
        if total <= 0:
            return [1.0 / len(names)] * len(names)
        return [weights.get(name, 0.0) / total / sizes[name] for name in names]

    def sampler(self, sizes: Mapping[str, int], length: int | None = None) -> choosing.MixtureSampler:
        """For a `DataLoader` over the concatenation of one dataset a domain; `length` draws, default what is left."""
        return choosing.MixtureSampler(self, sizes, length, self.seed)

    # -- the state of a run

    @property
    def position(self) -> int:
        """Draws so far, over all domains and ranks."""
        return self._ledger.position

    @property
    def draws(self) -> dict[str, float]:
        """The same by domain, as far as this rank knows."""
        return {
            name: self._ledger.total.get(name, 0) + self._ledger.ranks * self._ledger.fresh.get(name, 0)
            for name in self.domains
        }

    @property
    def left(self) -> int:
        """Draws of the budget that are left for this rank."""
        return max(0, self.budget - self.position) // self._ranks().size

    @property
    def here(self) -> tuple[int, int, Mapping[str, int]]:
        """Rank, draws of this rank so far, and the same by domain."""
        ranks = self._ranks()
        return ranks.rank, self.position // ranks.size, {n: int(v) // ranks.size for n, v in self.draws.items()}

    @property
    def reason(self) -> str:
        """Why the mixture is what it is, in the service's words."""
        return self._desk.reason

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps; plain JSON. Every rank must call it, since their counts are added up."""
        self.start()
        ranks = self._ranks()
        merged = self._ledger.merged(ranks.gather(self._ledger.share()))
        desk = ranks.broadcast(self._desk.state())
        return {
            "version": 1,
            "counts": merged,
            "next_report": self._next_report,
            "take_at": self._take_at,
            "choices": self._choices,
            **desk,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint; a report whose answer was still to come is sent again."""
        self.start()
        ranks = self._ranks()
        self._ledger.restore(state["counts"], ranks.size, ranks.rank)
        self._next_report, self._take_at = int(state["next_report"]), int(state["take_at"])
        self._choices = int(state["choices"])
        self._desk.restore(state, resend=ranks.rank == 0 and self._take_at >= 0)

    def start(self) -> None:
        """Get or create the allocation; done by the first use of anything else."""
        if self._started:
            return
        ranks = self._ranks()
        self._started = True
        self._ledger.ranks = ranks.size
        failure: Exception | None = None
        if ranks.rank == 0:
            try:
                self._desk.open(self._say)
            except ClientError as error:
                failure = error
        word = ranks.broadcast({"desk": self._desk.state(), "failure": None if failure is None else str(failure)})
        if word["failure"] is not None:
            self._started = False
            raise failure or ClientError(word["failure"])
        self._desk.restore(word["desk"], resend=False)

    def close(self) -> None:
        """Wait for the last report to be delivered, at most the client's deadline; closes the client, too."""
        self._desk.close()

    def __enter__(self) -> MixtureCallback:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- frameworks

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
        eval_loss: Mapping[str, Any],
        draws: Mapping[str, int] | None = None,
        train_loss: Mapping[str, Any] | None = None,
    ) -> None:
        """For loops that know epochs only: what this rank drew in the epoch by domain, and the losses after it."""
        for name, number in (draws or {}).items():
            self.count(name, number, loss=(train_loss or {}).get(name))
        if self.due:
            self.report(eval_loss)

    # -- inside

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the held-out losses that a report holds."""
        return self._targets or self._desk.names

    def _ranks(self) -> Group:
        if self._group is None:
            self._group = find_group()
        return self._group

    def _names(self, domains: Any) -> list[str]:
        names = [self.domains[int(n)] if not isinstance(n, str) else n for n in listed(domains)]
        for name in names:
            if name not in self.domains:
                raise ValueError(f"'{name}' is no domain of this run; known are {', '.join(self.domains)}")
        return names

    def _take(self, seconds: float | None) -> None:
        """Rank 0 hears what the service said, and all ranks follow; nothing heard keeps the mixture."""
        self._take_at = -1
        ranks = self._ranks()
        word, failure = self._desk.hear(seconds) if ranks.rank == 0 else (None, None)
        word, trouble = ranks.broadcast((word, None if failure is None else str(failure)))
        if word is not None:
            self._desk.follow(word)
            self._said.clear()
        if trouble is not None and self.strict:
            raise failure or ClientError(trouble)
        if failure is not None:
            self._say(failure)

    def _say(self, error: Exception) -> None:
        kind = type(error).__name__
        if kind not in self._said:
            self._said.add(kind)
            log.warning("the mixture is kept: %s: %s", kind, error)
