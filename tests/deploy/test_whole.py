"""Everything that runs without a container engine, together: two Ray nodes, PostgreSQL, MLflow on it, the
service, and one submitted run that shows in all of them and is steered from the service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.journal import Journal
from service.journal.names import allocation_id
from tests.deploy.programs import mlflow_server, program, service
from tests.deploy.two_nodes import free_port, two_nodes
from tests.service import postgres
from tests.service.jobs.conftest import TOKEN, isthmus, job_of, wait_for, write_run

pytestmark = [pytest.mark.ray, pytest.mark.slow]
BUDGET, INTERVAL = 12800, 512
RUN = allocation_id("whole", "submitted")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The addresses of everything, and the environment that holds the secrets."""
    if postgres.binaries() is None:
        pytest.skip("PostgreSQL is not installed here (Debian: postgresql)")
    folder = tmp_path_factory.mktemp("house")
    with postgres.server() as database:
        stores = {name: _without_password(database.url(name)) for name in ("isthmus", "mlflow")}
        secrets = {"PGPASSWORD": postgres.PASSWORD, "ISTHMUS_STORE": stores["isthmus"]}
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        upgrade = [sys.executable, "-m", "mlflow", "db", "upgrade", stores["mlflow"]]
        subprocess.run(upgrade, check=True, capture_output=True, env=_environment(secrets))
        ports = free_port(), free_port()
        tracking, serving = (f"http://127.0.0.1:{port}" for port in ports)
        mlflow = mlflow_server(stores["mlflow"], folder / "artifacts", ports[0])
        with (
            program(mlflow, f"{tracking}/health", folder / "mlflow.log", **secrets, **quiet),
            program(service(ports[1]), f"{serving}/readyz", folder / "service.log", **secrets),
            two_nodes(folder / "nodes.log", **secrets, **TOKEN) as cluster,
        ):
            yield {"tracking": tracking, "service": serving, "cluster": cluster} | secrets


def _without_password(url: str) -> str:
    return url.replace(f":{postgres.PASSWORD}@", "@").replace("postgresql://", "postgresql+psycopg://")


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **more}


def test_a_submitted_run_shows_everywhere_and_is_steered_from_the_service(
    house: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {name: house[name] for name in ("PGPASSWORD", "ISTHMUS_STORE")}
    tokens = {
        project: isthmus("token", "create", "--project", project, "--scope", "admin", **secrets).strip()
        for project in ("whole", "other")
    }

    def ask(path: str, project: str = "whole", **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {tokens[project]}"}
        method = "POST" if body else "GET"
        return httpx.request(method, f"{house['service']}/v1{path}", headers=headers, json=body or None, timeout=60)

    file = write_run(
        tmp_path,
        "submitted",
        budget=BUDGET,
        interval=INTERVAL,
        project="whole",
        store="$ISTHMUS_STORE",
        tracking={"uri": house["tracking"], "flush_seconds": 240},
    )
    address = ("--address", house["cluster"])
    # The laptop has neither the store's address nor its password: both are the nodes' business.
    told = isthmus("submit", file, *address, "--service", house["service"], ISTHMUS_TOKEN=tokens["whole"])
    assert f"in the service: {house['service']}/v1/allocations/{RUN}\n" in told
    job = job_of(told)

    wait_for(lambda: bool(ask("/allocations").json()["items"]))
    assert [item["name"] for item in ask("/allocations").json()["items"]] == ["submitted"]
    assert ask("/allocations", "other").json()["items"] == []
    assert ask(f"/allocations/{RUN}", "other").status_code == 404
    wait_for(lambda: ask(f"/allocations/{RUN}").json()["position"] > 0)
    pinned = ask(f"/allocations/{RUN}/mode", pin={"hub": 0.6})
    assert pinned.status_code == 200, pinned.text
    since = ask(f"/allocations/{RUN}").json()["position"]
    assert since < BUDGET // 2, "the run was too fast to be steered"

    log = isthmus("logs", job, "--follow", *address)
    assert f"{BUDGET:,}/{BUDGET:,} 100%" in log, log
    assert "Traceback" not in log
    assert postgres.PASSWORD not in log
    assert "SUCCEEDED, exit code 0" in isthmus("status", "submitted", *address)

    monkeypatch.setenv("PGPASSWORD", postgres.PASSWORD)
    with Journal(house["ISTHMUS_STORE"]) as journal:
        journal.verify(RUN)
        events = journal.events(RUN, kinds=["decision"], active=True)
        assert len(events) == BUDGET // INTERVAL + 1
        later = [e for e in events if e.position > since + INTERVAL and e.body["position"] < BUDGET]
        assert later
        assert all(event.body["weights"]["hub"] == pytest.approx(0.6) for event in later), "training took the pin"
    shown = ask(f"/allocations/{RUN}").json()
    assert shown["position"] == BUDGET
    decided = [item["weights"] for item in ask(f"/allocations/{RUN}/decisions?limit=200").json()["items"]]
    assert len(decided) == len(events)
    page = ask(f"/allocations/{RUN}/report")
    assert page.status_code == 200
    assert "submitted" in page.text
    assert tracked(house["tracking"]) == ["FINISHED"]
    assert postgres.PASSWORD not in (tmp_path / "runs" / "submitted" / "config.yaml").read_text()


def tracked(uri: str) -> list[str]:
    """How the runs of our experiment stand, as MLflow's own interface tells it."""
    api = f"{uri}/api/2.0/mlflow"
    name = {"experiment_name": "submitted"}
    found = httpx.get(f"{api}/experiments/get-by-name", params=name, timeout=60).json()["experiment"]
    body = {"experiment_ids": [found["experiment_id"]]}
    runs = httpx.post(f"{api}/runs/search", json=body, timeout=60).json()["runs"]
    return [run["info"]["status"] for run in runs]
