"""`isthmus serve` on a Ray of its own: killed, started again, stopped."""

from __future__ import annotations

import concurrent.futures
import re
import signal
import socket
import threading
from pathlib import Path

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from service.cli.app import app
from service.config import BadConfig
from service.journal import Journal
from service.serving import Asked, settled_store
from tests.service.serving import begin, report_body, send
from tests.service.serving_ray import free_port, new_token, serving


def isthmus(*arguments: str, **environment: str) -> Result:
    """The command line in this process."""
    return CliRunner().invoke(app, arguments, env=environment)


@pytest.mark.ray
def test_killed_started_again_and_stopped(tmp_path: Path) -> None:
    store, port = f"sqlite:///{tmp_path / 'store.db'}", free_port()
    with serving(tmp_path, store, port) as first:
        assert f"serving http://127.0.0.1:{port}" in first.said
        assert "there is no token yet; make one: isthmus token create --project NAME --scope report" in first.said
        headers = {"Authorization": f"Bearer {new_token(store)}"}
        with httpx.Client(base_url=first.url, headers=headers, timeout=60) as client:
            path = begin(client, policy="transfer_law")
            answers = [send(client, path, position) for position in range(50, 500, 50)]
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                again = list(pool.map(lambda position: send(client, path, position), [50, 100, 150, 450]))
            assert all(answer["decision"]["replayed"] for answer in again)
            assert "isthmus_owners 1.0" in client.get("/metrics").text
        assert first.send(signal.SIGKILL) == -signal.SIGKILL
    with serving(tmp_path, store, port) as second:
        with httpx.Client(base_url=second.url, headers=headers, timeout=60) as client:
            for answer in answers:
                replayed = send(client, path, answer["position"])
                assert replayed["decision"] == {**answer["decision"], "replayed": True}
            assert send(client, path, 550)["decision"]["replayed"] is False
            assert client.post(f"{path}/reports", json=report_body(500)).status_code == 422
            assert client.get("/docs").status_code == 200
        assert second.send(signal.SIGTERM) == 0
        assert "stopping" in second.said
        assert not re.search(r"isth_[0-9a-f]{12}_", second.said)
    assert not (tmp_path / ".ray").exists(), "Ray's own token stays out of the home folder"
    with Journal(store) as journal:
        assert journal.verify(path.rsplit("/", 1)[1]) == 2 + 2 * 10


def test_the_store_is_absolute_and_its_password_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ISTHMUS_STORE", raising=False)
    assert settled_store(None) == f"sqlite:///{tmp_path}/isthmus.db"
    monkeypatch.setenv("ISTHMUS_STORE", "postgres://me:hidden@db/isthmus")
    assert settled_store(None) == "postgresql+psycopg://me:hidden@db/isthmus"
    for wrong in ("sqlite://", "sqlite:///:memory:", "not a url"):
        with pytest.raises(BadConfig, match="store"):
            settled_store(wrong)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"port": 0}, "--port is 0"),
        ({"shards": 0}, "--shards is 0"),
        ({"replicas": 65}, "--replicas is 65"),
    ],
)
def test_options_that_cannot_be(options: dict[str, int], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        Asked(**options)  # type: ignore[arg-type]


def test_a_port_that_is_let_go_of_in_a_moment_is_waited_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        asked = Asked(port=taken.getsockname()[1])
        threading.Timer(0.5, taken.close).start()
        asked.check_port()
    assert taken.fileno() == -1, "it was checked only after the other had let go"


def test_one_sentence_where_something_is_wrong(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        found = isthmus("serve", "--port", port)
    assert found.exit_code == 2
    assert found.stderr.startswith(f"isthmus: http://127.0.0.1:{port} cannot be listened at (Address already in use)")
    gone = isthmus("token", "list", "--store", "postgresql://me:hidden@127.0.0.1:1/none")
    assert gone.exit_code == 1
    assert "me:***@127.0.0.1:1/none cannot be opened" in gone.stderr
    assert "hidden" not in gone.stderr
    store = tmp_path / "store.db"
    wrong = isthmus("token", "create", "--project", "a b", ISTHMUS_STORE=f"sqlite:///{store}")
    assert (wrong.exit_code, len(wrong.stderr.splitlines())) == (2, 1)
    assert not store.exists(), "nothing is begun for what cannot be"


def test_tokens_from_the_command_line(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    made = isthmus("token", "create", "--project", "brains", "--days", "7", ISTHMUS_STORE=store)
    assert re.fullmatch(r"isth_[0-9a-f]{12}_[A-Za-z0-9]{43}\n", made.stdout)
    id = made.stdout.split("_")[1]
    shown = isthmus("token", "list", ISTHMUS_STORE=store).stdout
    assert id in shown
    assert made.stdout.strip().rsplit("_", 1)[1] not in shown
    assert isthmus("token", "revoke", id, ISTHMUS_STORE=store).exit_code == 0
    assert isthmus("token", "revoke", "none", ISTHMUS_STORE=store).exit_code == 2
    assert new_token(store) != new_token(store)
