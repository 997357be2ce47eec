"""What is checked before anything is sent, and a job that cannot work on the cluster."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from service.api import create_app
from service.config import BadConfig, Config, load_config
from service.hosting import Host, LocalGateway
from service.jobs import BadJob, JobsUnreachable
from service.jobs.registering import registered
from service.jobs.server import connect
from service.jobs.submit import Order, checked, entrypoint
from service.journal import Journal
from service.journal.names import allocation_id
from service.runs import store_url
from service.tokens import Vault
from tests.deploy.two_nodes import free_port
from tests.service.jobs.conftest import isthmus, job_of, wait_for, write_run


def test_paths_start_where_the_cluster_sees_them(tmp_path: Path) -> None:
    file = write_run(tmp_path, "r")
    here = checked(Order(file))
    there = checked(Order(file, name="other", root=Path("/shared/isthmus"), overrides=("seed=3",)))
    assert here.runs == str(tmp_path / "runs")
    assert (there.name, there.seed, there.runs) == ("other", 3, "/shared/isthmus/runs")
    assert there.data.root == "/shared/isthmus/volumes"


def test_the_entrypoint_survives_the_shell(tmp_path: Path) -> None:
    order = Order(tmp_path / "a.yaml", attempts=4, compare="uniform", python="/opt/my env/python")
    assert entrypoint(order) == (
        "'/opt/my env/python' -m service.jobs.entry config.yaml --attempts 4 --compare uniform"
    )


def test_wrong_orders_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    file = write_run(tmp_path, "r")
    with pytest.raises(BadJob, match="--attempts is 0; give 1 or more"):
        checked(Order(file, attempts=0))
    with pytest.raises(BadConfig, match="no such policy"):
        checked(Order(file, compare="unifrom"))
    with pytest.raises(BadConfig, match="budgt: there is no such key"):
        checked(Order(file, overrides=("budgt=1",)))
    with pytest.raises(BadJob, match="give the dashboard's address"):
        connect("10.0.0.1:6379")


def test_nobody_answers_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as held:  # bound and not listening: refused, and nobody else can take the port
        held.bind(("127.0.0.1", 0))
        with pytest.raises(JobsUnreachable, match="no Ray Jobs server answers at http"):
            connect(f"http://127.0.0.1:{held.getsockname()[1]}")


def test_a_store_named_by_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ISTHMUS_STORE", "postgresql+psycopg://u:p@db/isthmus")
    assert store_url("$ISTHMUS_STORE") == store_url("${ISTHMUS_STORE}") == "postgresql+psycopg://u:p@db/isthmus"
    assert store_url("sqlite:////a/b.db") == "sqlite:////a/b.db"
    config = load_config(write_run(tmp_path, "r", store="$ISTHMUS_STORE"))
    assert config.store == "$ISTHMUS_STORE", "the password is never written into a run's folder"
    monkeypatch.delenv("ISTHMUS_STORE")
    with pytest.raises(BadConfig, match="ISTHMUS_STORE is not set here"):
        store_url("$ISTHMUS_STORE")


def test_a_run_shows_in_a_service_through_the_store_they_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a real service of the same store, without Ray: its application on a port of its own."""
    store = f"sqlite:///{tmp_path / 'store.db'}"
    file = write_run(tmp_path, "r", store="$ISTHMUS_STORE")
    with served(store) as (url, vault):
        monkeypatch.setenv("ISTHMUS_TOKEN", vault.create("liver", "read", None)[1])
        with pytest.raises(BadJob, match="project is not set"):
            registered(url, checked(Order(file)))
        config = checked(Order(file, project="liver"))
        seen = registered(url, config)
        assert seen == f"in the service: {url}/v1/allocations/{allocation_id('liver', 'r')}"
        monkeypatch.setenv("ISTHMUS_TOKEN", "isth_wrong_token")
        with pytest.raises(BadJob, match="does not take the token in ISTHMUS_TOKEN; make one"):
            registered(url, config)
        assert "isth_wrong_token" not in registered_error(url, config)
    assert "it does not answer now" in registered(url, config)


def registered_error(url: str, config: Config) -> str:
    with pytest.raises(BadJob) as caught:
        registered(url, config)
    return str(caught.value)


@contextlib.contextmanager
def served(store: str) -> Iterator[tuple[str, Vault]]:
    with Journal(store, shared=True) as journal:
        gateway = LocalGateway(Host(journal))
        server = uvicorn.Server(uvicorn.Config(create_app(journal, gateway), port=free_port(), log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            wait_for(lambda: server.started, 30)
            yield f"http://127.0.0.1:{server.config.port}", Vault(journal)
        finally:
            server.should_exit = True
            thread.join(30)
            gateway.close()


@pytest.mark.ray
def test_wrong_data_on_the_cluster_is_said_once(cluster: str, tmp_path: Path) -> None:
    """The code travels (the cluster has none of this checkout on its path), and wrong input is not tried again."""
    file = write_run(tmp_path, "nodata")
    refused = isthmus("status", "--address", cluster, code=2, RAY_AUTH_TOKEN="6" * 64)
    assert refused == (
        f"isthmus: the cluster at {cluster} asks for its token; "
        "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the file that holds it\n"
    )
    job = job_of(isthmus("submit", file, "--root", tmp_path / "elsewhere", "--address", cluster, "--attempts", "5"))
    log = isthmus("logs", "nodata", "--follow", "--address", cluster)
    assert "code from" in log
    assert "/working_dir_files/_ray_pkg_" in log
    assert log.count("isthmus: ") == 1
    assert str(tmp_path / "elsewhere") in log
    assert "attempt 1 of" not in log
    [told] = json.loads(isthmus("status", job, "--json", "--address", cluster))
    assert (told["id"], told["run"], told["status"], told["exit_code"]) == (job, "nodata", "FAILED", 2)
    assert "no job and no submitted run is called 'other'" in isthmus("stop", "other", "--address", cluster, code=2)
