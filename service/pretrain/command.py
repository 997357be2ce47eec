"""`isthmus pretrain`, top to bottom."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

from service.config import BadConfig, Config, changed_keys, load_config, load_resumed
from service.config.load import STEERING
from service.config.model import TrackingConfig
from service.pretrain import compare as comparison
from service.pretrain.begin import Run, begun, prepare_data, settle_name
from service.pretrain.console import Console
from service.pretrain.dry_run import dry_run
from service.pretrain.kept import kept_config
from service.runs import RunFolder, find_run
from service.tracking.ready import check_ready
from service.urls import is_known
from trainers.volumes import PreparedData


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked for on the command line."""

    config: Path | None = None
    overrides: tuple[str, ...] = ()
    resume: str | None = None
    dry_run: bool = False
    compare: str | None = None
    from_start: bool = False

    @property
    def steers(self) -> bool:
        """Whether a run that goes on is given another mode or pins by hand."""
        return self.resume is not None and any(o.strip().startswith(STEERING) for o in self.overrides)


def pretrain(request: Request, console: Console) -> None:
    """Train, track and report one run, or two with `compare`.

    Raises `ValueError` where the input is wrong (nothing has started then), other errors where the
    work failed; the last good state is kept.
    """
    config = read(request, console)
    if not request.dry_run or (is_known(config.store) and is_known(config.tracking.uri)):
        check_ready(config, RunFolder(config.runs_path / config.name).store(config))
    config.check_model()
    if request.compare is not None:
        comparison.check_policy_name(request.compare, config)
    if request.dry_run:
        dry_run(config, console)
        return
    data = prepare_data(config, console)
    _run(config, data, request, console)


def read(request: Request, console: Console) -> Config:
    """The configuration of the run to begin or to go on with."""
    if request.resume is not None:
        return read_resumed(request, request.resume)
    if request.config is None:
        raise BadConfig("give the configuration of a new run, or --resume RUN to go on with one")
    config = load_config(request.config, request.overrides)
    return config if request.dry_run else settle_name(config, console)


def read_resumed(request: Request, resume: str) -> Config:
    """The configuration of a run that goes on: its own, or the one given, which then may not draw or learn otherwise.

    With a configuration the run is looked for in that one's `runs` first.
    """
    if request.config is None:
        folder = find_run(resume)
        kept_config(folder.config)
        config = load_resumed(folder.config, request.overrides)
    else:
        config = load_config(request.config, request.overrides)
        folder = find_run(resume, config.runs_path)
        before = kept_config(folder.config)
        config = config.model_copy(
            update={"name": before.name, "runs": before.runs, "tracking": _one_experiment(config)}
        )
        for key in changed_keys(before, config):
            raise BadConfig(
                f"{request.config.name} has another {key} than run '{folder.name}' was begun with; "
                f"leave it out to go on as the run was begun: isthmus pretrain --resume {shlex.quote(str(folder.path))}"
            )
    return config.model_copy(update={"name": folder.name, "runs": str(folder.path.parent)})


def _one_experiment(config: Config) -> TrackingConfig:
    """Tracked where the configuration says, whatever number the run has behind its name."""
    return config.tracking.model_copy(update={"experiment": config.experiment})


def _run(config: Config, data: PreparedData, request: Request, console: Console) -> None:
    from service.pretrain.cluster import connected
    from service.pretrain.ending import tell
    from service.pretrain.session import train

    with begun(config, data, console, from_start=request.from_start) as run, connected(config.ray):
        more = [] if request.compare is None else ["--compare", request.compare]
        resume = shlex.join([str(run.folder.path), *more])
        result = train(run, console, resume=resume, steer=request.steers)
        if request.compare is not None:
            _measure(run, request.compare, resume, console)
        tell(run, result, console)


def _measure(run: Run, policy: str, resume: str, console: Console) -> None:
    """Run the other policy on the same data, seed and budget, and let the first run's report show both."""
    from service.pretrain.session import train

    console.line(f"now the same again with policy '{policy}', to measure the gain")
    with begun(comparison.other_config(run, policy), run.data, console) as other:
        train(other, console, resume=resume)
        comparison.note(run, other)
    train(run, console)  # finished: writes the report again, with both, and tracks it
