"""What those see who watch the service."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import httpx
import pytest

from service.hosting import HostSettings
from tests.service import postgres
from tests.service.serving import begin, new_body, report_body, send, served


def test_metrics_count_by_route_and_tell_nothing_of_a_project(client: httpx.Client) -> None:
    path = begin(client, "secret study")
    send(client, path, 50, 150)
    client.get(f"{path}/nothing")
    text = client.get("/metrics").text
    reports = 'isthmus_requests_total{method="POST",route="/v1/allocations/{id}/reports",status="200"} 2.0'
    assert reports in text
    assert re.search(
        r'isthmus_request_seconds_count\{method="POST",route="/v1/allocations/\{id\}/reports"\} 2\.0', text
    )
    assert "isthmus_allocations_open 1.0" in text
    assert "isthmus_owners 1.0" in text
    assert path.rsplit("/", 1)[1] not in text
    assert "secret" not in text
    assert "brains" not in text


def test_a_client_that_leaves_before_its_body_is_whole_is_no_failure(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    head = f"POST /v1/allocations HTTP/1.1\r\nHost: h\r\nAuthorization: {client.headers['Authorization']}\r\n"
    for kind in ("Content-Length: 100", "Transfer-Encoding: chunked"):
        with socket.create_connection((client.base_url.host, client.base_url.port)) as one:
            one.sendall(f"{head}Content-Type: application/json\r\n{kind}\r\n\r\n".encode())
            time.sleep(0.1)
    counted = 'isthmus_requests_total{method="POST",route="/v1/allocations",status="499"} 2.0'
    until = time.monotonic() + 10
    while counted not in (text := client.get("/metrics").text) and time.monotonic() < until:
        time.sleep(0.1)
    assert counted in text
    assert 'status="500"' not in text
    assert not [record for record in caplog.records if record.exc_info]


def test_docs_need_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert "POST /v1/allocations/{id}/reports" in page.text
    assert "<script" not in page.text
    assert not re.search(r"(src|href)=.?(https?:)?//", page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_openapi_tells_of_the_token_and_of_problems(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1"):
                assert operation["security"] == [{"token": []}]
                assert {"401", "403", "429", "503"} <= set(operation["responses"])


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_well(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_a_lost_database_is_waited_for_then_told_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    if postgres.binaries() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with postgres.server() as server:
        hosting = HostSettings(patience=1.0)
        with served(server.url("lost"), hosting=hosting) as service, service.client() as client:
            path = begin(client)
            send(client, path, 50)
            server.stop("immediate")
            for answer in (
                client.post(f"{path}/reports", json=report_body(150)),
                client.get(path),
                client.post("/v1/allocations", json=new_body("second")),
                client.get("/readyz"),
            ):
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["retry-after"]) >= 1
                assert "not-a-secret" not in answer.text
            assert client.get("/healthz").status_code == 200
            server.start()
            assert send(client, path, 50)["decision"]["replayed"] is True
            assert send(client, path, 150)["decision"]["replayed"] is False
            assert service.journal.verify(path.rsplit("/", 1)[1]) == 6
