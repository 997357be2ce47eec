"""The whole configuration. `data`, `model`, `train` and most of `ray` are described in `trainers.config`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator, model_validator

from policies import Domain
from policies.intake import nearest
from policies.records import check_mixture
from service.config.tracking_uri import check_uri
from service.owner.spec import Spec
from service.owner.steering import Steering
from trainers.config.base import Strict, is_recorded
from trainers.config.data import DataConfig
from trainers.config.model import ModelConfig
from trainers.config.training import RayConfig, TrainConfig, check_times, eval_crops_for

LONGEST_EXPERIMENT = 250
NAME = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}"


class PolicyConfig(Strict):
    """Who decides the mixture, and how far it may act.

    Parameters
    ----------
    name:
        One of `aioli`, `ado`, `doge`, `doremi`, `fixed`, `mixing_law`, `odm`, `own_law`, `proportional`, `regmix`,
        `skill_it`, `temperature`, `transfer_law`, `unimax`, `uniform`.
    options:
        Options of that policy, by name.
    objective:
        What is to be low at the end: `mean_log`, `mean_excess` or `worst_excess` of the held-out losses.
    targets:
        Weight of each held-out loss in the objective, by domain. Null: all alike.
    baseline:
        Mixture to fall back on, by domain; default uniform.
    mode:
        `act`; `advise` records what the policy would do and keeps the mixture; `pause` does not refit.
    pin:
        Shares held by hand, by domain.
    """

    name: str = "transfer_law"
    options: dict[str, Any] = Field(default_factory=dict)
    objective: str = "mean_log"
    targets: dict[str, float] | None = None
    baseline: dict[str, float] | None = None
    mode: str = "act"
    pin: dict[str, float] = Field(default_factory=dict)

    @property
    def steering(self) -> Steering:
        return Steering(self.mode, self.pin)


class TrackingConfig(Strict):
    """Where refits, losses and figures go.

    Parameters
    ----------
    enabled:
        False: nothing is tracked; the journal and `report.html` are there all the same.
    uri:
        MLflow tracking URI; default a SQLite file `mlflow.db` in `runs`. `$NAME` in it is read where the run trains;
        a password that stands here is kept in a file of the run that its owner alone can read.
    experiment:
        MLflow experiment. Null: the configuration's `name`.
    every_seconds:
        Seconds between two looks of the tracker for something new.
    flush_seconds:
        Seconds that the end of a run waits for a tracking server that is slow or gone.
    """

    enabled: bool = True
    uri: str | None = None
    experiment: str | None = None
    every_seconds: PositiveFloat = 1.0
    flush_seconds: PositiveFloat = 60.0

    @field_validator("experiment")
    @classmethod
    def _check_experiment(cls, value: str | None) -> str | None:
        if value is not None and not (value.strip() and len(value) <= LONGEST_EXPERIMENT and value.isprintable()):
            raise ValueError(
                f"experiment is {value[:40]!r} ({len(value)} characters); give 1 to {LONGEST_EXPERIMENT} printable ones"
            )
        return value

    @field_validator("uri")
    @classmethod
    def _check_uri(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not is_recorded(info):
            check_uri(value)
        return value


class ClusterConfig(RayConfig):
    """Where Ray runs, and how training is spread over it.

    Parameters
    ----------
    address:
        Address of a running cluster (`auto`, `ray://...`, `host:port`); None starts one on this machine.
    auth:
        Ray's own check of a token between its processes; `token` reads RAY_AUTH_TOKEN.
    """

    address: str | None = None
    auth: Literal["disabled", "token"] = "disabled"


class Config(Strict):
    """One pretraining run.

    Parameters
    ----------
    name:
        Name of the run, of its folder and of its experiment.
    budget:
        Draws of the whole run.
    interval:
        Draws between two changes of the mixture; give a law 50 intervals or more.
    seed:
        Seed of weights, stream and masks.
    runs:
        Folder of all runs, relative to the YAML.
    store:
        URL of the journal; default a SQLite file in the run's folder. A cluster's runs and its service share
        one, on PostgreSQL. `$ISTHMUS_STORE` in it is read where the run trains, so that no password is written.
    project:
        Whose run it is, where the service shares the store: tokens of that project see and steer the run there.
    """

    name: str = Field("run", pattern=f"^{NAME}$")
    budget: PositiveInt
    interval: PositiveInt
    seed: int = Field(0, ge=0, lt=2**63)
    runs: str = "runs"
    store: str | None = None
    project: str | None = Field(None, pattern=f"^{NAME}$")
    data: DataConfig
    model: ModelConfig = Field(default_factory=lambda: ModelConfig.model_validate({}))
    train: TrainConfig = Field(default_factory=lambda: TrainConfig.model_validate({}))
    policy: PolicyConfig = Field(default_factory=lambda: PolicyConfig.model_validate({}))
    tracking: TrackingConfig = Field(default_factory=lambda: TrackingConfig.model_validate({}))
    ray: ClusterConfig = Field(default_factory=lambda: ClusterConfig.model_validate({}))

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        check_times(self.train, self.budget, self.interval)
        self._check_workers()
        self._check_names()
        self.eval_crops()
        self.spec({}).build()
        return self

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.data.domains)

    @property
    def runs_path(self) -> Path:
        return Path(self.runs)

    @property
    def experiment(self) -> str:
        return self.tracking.experiment or self.name

    def eval_crops(self) -> int:
        """Held-out crops of each domain; raises `BadSetup` where evaluation would take too much."""
        return eval_crops_for(self.train, self.budget, self.interval, len(self.domains))

    def spec(self, pools: dict[str, int], about: dict[str, Any] | None = None) -> Spec:
        """The allocation of this run; `pools` holds the distinct draws of each domain, where known."""
        domains: list[Domain] = [d.policy_domain(name, pools.get(name)) for name, d in self.data.domains.items()]
        return Spec(
            domains=tuple(domains),
            budget=self.budget,
            interval=self.interval,
            policy=self.policy.name,
            options=self.policy.options,
            targets=self.policy.targets,
            objective=self.policy.objective,
            baseline=self.policy.baseline,
            seed=self.seed,
            steering=self.policy.steering,
            about=about or {},
        )

    def check_model(self) -> None:
        """Raise `BadModel` unless patches fill the crop and widths fit; loads torch, so asked for apart."""
        from trainers.model import resolve_shape

        resolve_shape(self.model, self.data.crop)

    def _check_workers(self) -> None:
        batch = self.train.global_batch
        counts = [self.ray.workers] if isinstance(self.ray.workers, int) else list(self.ray.workers)
        for workers in counts:
            if batch % workers:
                fits = [n for n in range(1, batch + 1) if batch % n == 0]
                near = min(fits, key=lambda n: (abs(n - workers), n))
                raise ValueError(
                    f"ray.workers is {workers}, which cannot share train.global_batch = {batch} evenly; "
                    f"set ray.workers to {near}, or train.global_batch to {max(1, round(batch / workers)) * workers}"
                )

    def _check_names(self) -> None:
        """Shares and weights by domain; the policies check the rest."""
        for key in ("targets", "baseline", "pin"):
            for name, value in (getattr(self.policy, key) or {}).items():
                if name not in self.domains:
                    known = ", ".join(self.domains)
                    hint = nearest(name, self.domains)
                    raise ValueError(f"policy.{key} names an unknown domain '{name}'{hint}; known are {known}")
                if not math.isfinite(value) or value < 0:
                    raise ValueError(f"policy.{key} of '{name}' is {value}; it must be finite and >= 0")
        if self.policy.baseline is not None:
            check_mixture(self.policy.baseline, self.domains)
