"""A second run of the same seed, data and budget with another policy: the gain measured, not predicted."""

from __future__ import annotations

from policies import available_policies
from policies.intake import nearest
from service.config import BadConfig, Config, PolicyConfig
from service.owner import Owner
from service.pretrain.begin import Run


def check_policy_name(policy: str, config: Config) -> None:
    """Raise `BadConfig` unless a second run with `policy` makes sense."""
    known = available_policies()
    if policy not in known:
        raise BadConfig(f"--compare {policy}: no such policy{nearest(policy, known)}; known are {', '.join(known)}")
    if policy == config.policy.name:
        raise BadConfig(f"--compare {policy}: the run itself uses that policy; name another one")


def other_config(run: Run, policy: str) -> Config:
    """The configuration of the second run; it shares the first one's journal and experiment."""
    config = run.config
    return config.model_copy(
        update={
            "name": f"{run.name}-{policy}",
            "store": config.store or run.journal.url,  # as written: it may name a variable that holds a password
            "policy": PolicyConfig(name=policy, objective=config.policy.objective, targets=config.policy.targets),
            "tracking": config.tracking.model_copy(update={"experiment": config.experiment}),
        }
    )


def note(run: Run, other: Run) -> None:
    """Write down that `other` is the run to measure against; the report finds it there."""
    last = run.journal.last(run.allocation, ["compare"])
    if last is None or last.body["allocation"] != other.allocation:
        Owner(run.journal, run.allocation).note("compare", run.config.budget, {"allocation": other.allocation})
