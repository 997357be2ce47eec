"""The commands of `isthmus`. Each one reads its arguments and calls one function elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.errors import WRONG_INPUT, fail, reported
from service.cli.shadow import shadowed

app = typer.Typer(
    name="isthmus",
    help="Decides how much of each imaging domain a 3D medical foundation model should see, while it trains.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data = typer.Typer(help="Look at volumes, fill the cache, fetch examples.", no_args_is_help=True)
app.add_typer(data, name="data")
token = typer.Typer(help="Who may use the service.", no_args_is_help=True)
app.add_typer(token, name="token")

Store = Annotated[
    str | None, typer.Option(metavar="URL", help="Database; default: $ISTHMUS_STORE, or sqlite:///isthmus.db.")
]
ConfigFile = Annotated[Path, typer.Argument(help="YAML file of the run.", show_default=False)]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. train.lr=3e-4; repeatable.")
]


@app.command()
def pretrain(
    config: Annotated[Path | None, typer.Argument(help="YAML file of a new run.", show_default=False)] = None,
    overrides: Overrides = None,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Go on with this run (its folder or name).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take: hours, disk, refits.")] = False,
    compare: Annotated[
        str | None, typer.Option(metavar="POLICY", help="Then the same with this policy, to measure the gain.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin at draw 0 again where every checkpoint of the run is damaged.")
    ] = False,
) -> None:
    """Pretrain on several domains while the mixture is learnt."""
    with reported():
        from service.pretrain import Request, pretrain
        from service.pretrain.console import Console

        pretrain(Request(config, tuple(overrides or ()), resume, dry_run, compare, from_start), Console())


@data.command()
def check(config: ConfigFile, overrides: Overrides = None) -> None:
    """Look at every volume: what is there, what is wrong with it, what to do."""
    with reported():
        from service.cli.data import check

        check(config, tuple(overrides or ()))


@data.command()
def prepare(config: ConfigFile, overrides: Overrides = None) -> None:
    """Preprocess every volume into the cache, as pretrain would."""
    with reported():
        from service.cli.data import prepare

        prepare(config, tuple(overrides or ()))


@data.command("fetch-examples")
def fetch_examples(folder: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)]) -> None:
    """Bring real example volumes of several domains into DIR; phantoms where no registry can be reached."""
    with reported():
        from service.cli.data import fetch_examples

        fetch_examples(folder)


@app.command()
def plan(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or name of a run.", show_default=False)],
    budget: Annotated[str, typer.Option(metavar="N[,N...]", help="Budgets of a new run, in draws.")],
    objective: Annotated[str | None, typer.Option(help="mean_log, mean_excess or worst_excess.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What-if from a run's laws: losses and best mixture for other budgets, which data to collect next."""
    with reported():
        from service.cli.runs import plan

        plan(run, budget, objective, as_json)


@app.command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or name of a run.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the page goes.")],
) -> None:
    """Write the page that tells what happened in a run; works while it runs, too."""
    with reported():
        from service.cli.runs import report

        report(run, out)


@app.command()
def tournament(
    policies: Annotated[str | None, typer.Option(metavar="A,B", help="Who runs; default: everybody.")] = None,
    worlds: Annotated[str | None, typer.Option(metavar="A,B", help="Where; default: every world.")] = None,
    seeds: Annotated[int | None, typer.Option(metavar="N", help="Seeds of each world.")] = None,
    many: Annotated[
        int | None, typer.Option(metavar="N", help="Seeds for transfer_law, uniform and proportional.")
    ] = None,
    domains: Annotated[str | None, typer.Option(metavar="5,8", help="Numbers of domains.")] = None,
    noise: Annotated[str | None, typer.Option(metavar="0.003,0.01", help="Evaluation noise, in log loss.")] = None,
    table: Annotated[
        str | None,
        typer.Option(metavar="CSV", help="Replay real runs: columns share/.. and loss/.., or MIX.csv,LOSS.csv."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Results, and what is kept to go on.")] = Path(
        "runs/tournament"
    ),
    first_seed: Annotated[int | None, typer.Option(metavar="N", help="The first seed.")] = None,
    tuned: Annotated[Path | None, typer.Option(metavar="FILE", help="Options that --tune has found.")] = None,
    tune: Annotated[int | None, typer.Option(metavar="N", help="Tune instead: N trials for every policy.")] = None,
    full: Annotated[bool, typer.Option("--full", help="50 seeds, 400 for ours; 5, 8, 12 and 20 domains.")] = False,
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; default: this machine.")] = None,
    tracking: Annotated[str | None, typer.Option(metavar="URI", help="MLflow; default: runs/mlflow.db.")] = None,
) -> None:
    """Policies against each other in simulated trainings with known truth; goes on where it was stopped."""
    with reported():
        from service.cli.tournament import Asked, tournament

        tournament(
            Asked(
                policies, worlds, seeds, many, domains, noise, table, out, first_seed, tuned, tune, full, address,
                tracking,
            )
        )  # fmt: skip


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all, behind TLS only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8900,
    store: Store = None,
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; default: this machine.")] = None,
    shards: Annotated[int, typer.Option(metavar="N", help="Processes that own allocations.")] = 1,
    replicas: Annotated[int, typer.Option(metavar="N", help="Processes that answer HTTP.")] = 1,
    max_body: Annotated[int, typer.Option(metavar="BYTES", help="Most bytes of a request.")] = 2 * 2**20,
    rate: Annotated[float, typer.Option(metavar="N", help="Requests a second of each token.")] = 100.0,
    allocations: Annotated[int, typer.Option(metavar="N", help="Most open allocations of a project.")] = 10_000,
    mlflow: Annotated[str | None, typer.Option(metavar="URL", help="Of MLflow, for the links of the page.")] = None,
    dashboard: Annotated[str | None, typer.Option(metavar="URL", help="Of the Ray dashboard, for a link.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Believe X-Forwarded-For, -Proto and -Host of a proxy.")
    ] = False,
    proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Where that proxy is, also a network; again for more. Default: loopback."),
    ] = None,
    connections: Annotated[int, typer.Option(metavar="N", help="Most connections of a process.")] = 4000,
    connections_by_address: Annotated[
        int, typer.Option(metavar="N", help="Most of them from one address, a proxy's aside.")
    ] = 2500,
    domains: Annotated[int, typer.Option(metavar="N", help="Most domains of an allocation.")] = 100,
) -> None:
    """Answer trainers over HTTP: they report losses and get mixtures. Runs until Ctrl-C."""
    with reported():
        from service.cli.serve import serve

        limits = {"max_body": max_body, "rate": rate, "allocations": allocations, "domains": domains}
        limits |= {"connections": connections, "connections_by_address": connections_by_address}
        page = {"mlflow": mlflow, "dashboard": dashboard}
        named = {"proxies": tuple(proxy)} if proxy else {}
        serve(host, port, store, address, shards, replicas, behind_proxy=behind_proxy, **limits, **page, **named)


@token.command("create")
def token_create(
    project: Annotated[str, typer.Option(metavar="NAME", help="What it opens.", show_default=False)],
    scope: Annotated[str, typer.Option(help="read, report or admin.")] = "report",
    store: Store = None,
    days: Annotated[float | None, typer.Option(metavar="N", help="Valid so long; default: until revoked.")] = None,
) -> None:
    """Make a token and print it, this once."""
    with reported():
        from service.cli.tokens import create

        create(project, scope, store, days)


@token.command("list")
def token_list(
    store: Store = None,
    project: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this project.")] = None,
) -> None:
    """Show all tokens, without their secrets."""
    with reported():
        from service.cli.tokens import show

        show(store, project)


@token.command("revoke")
def token_revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.", show_default=False)],
    store: Store = None,
) -> None:
    """Have a token open nothing any more."""
    with reported():
        from service.cli.tokens import revoke

        revoke(id, store)


Address = Annotated[
    str | None, typer.Option(metavar="URL", help="Dashboard of the Ray cluster; default: $RAY_ADDRESS, this machine.")
]
JobName = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job, or name of a run.", show_default=False)]


@app.command()
def submit(
    config: ConfigFile,
    overrides: Overrides = None,
    address: Address = None,
    name: Annotated[str | None, typer.Option(metavar="RUN", help="Name of the run; default: the file's.")] = None,
    project: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose run it is in the service; default: the file's.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder on the cluster that relative paths start at.")
    ] = None,
    attempts: Annotated[int, typer.Option(metavar="N", help="Begin it again when it dies, N times in all.")] = 3,
    compare: Annotated[
        str | None, typer.Option(metavar="POLICY", help="Then the same with this policy, to measure the gain.")
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="ISTHMUS_URL", help="Of `isthmus serve`: look there for the run."),
    ] = None,
    python: Annotated[
        str | None, typer.Option(metavar="PATH", help="A Python of the nodes; default: the one that Ray runs in there.")
    ] = None,
    requirements: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Packages that Ray installs for the job, as pip takes them."),
    ] = None,
) -> None:
    """Send a run to a Ray cluster, where it goes on without this machine; again: it goes on where it was."""
    with reported():
        from service.cli.jobs import send
        from service.jobs.submit import Order

        send(
            Order(
                config, tuple(overrides or ()), address, name, project, root, attempts, compare, service, python,
                requirements,
            )
        )  # fmt: skip


@app.command()
def status(
    job: Annotated[
        str | None, typer.Argument(metavar="[RUN|JOB]", help="One of them in full.", show_default=False)
    ] = None,
    address: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Runs that were submitted to a cluster, and how they stand."""
    with reported():
        from service.cli.jobs import status

        status(job, address, as_json)


@app.command()
def logs(
    job: JobName,
    address: Address = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the job ends.")] = False,
) -> None:
    """What a job has printed."""
    with reported():
        from service.cli.jobs import logs

        logs(job, address, follow)


@app.command()
def stop(job: JobName, address: Address = None) -> None:
    """Stop a job; its run can be gone on with."""
    with reported():
        from service.cli.jobs import stop

        stop(job, address)


def main() -> None:
    """The entry point of the console script."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    wrong = shadowed()
    if wrong is not None:
        fail(wrong, WRONG_INPUT)
    app()
