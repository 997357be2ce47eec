"""Dockerfile, compose file, cluster file and scripts: against their schemas, and what those do not know."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def hadolint(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("hadolint")), *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


def test_the_dockerfile_has_no_fault_that_a_linter_knows() -> None:
    done = hadolint(str(DOCKERFILE))
    assert done.returncode == 0, done.stdout
    spoilt = DOCKERFILE.read_text().replace("USER 1000\n", "USER 0\n")
    assert hadolint("-", text=spoilt).returncode != 0, "the linter notices a root user"


def test_both_images_end_as_a_user_without_rights() -> None:
    """The last USER on the way to each target, over the stages it is built from."""
    text = DOCKERFILE.read_text()
    parents = dict(re.findall(r"^FROM \S*?([\w.-]+) AS ([\w-]+)$", text, re.M))
    stages = {re.match(r"\S+ AS ([\w-]+)", part).group(1): part for part in text.split("\nFROM ")[1:]}  # type: ignore[union-attr]
    above = {name: parent for parent, name in re.findall(r"^FROM (\S+) AS ([\w-]+)$", text, re.M)}
    assert parents
    for target in ("cpu", "cuda"):
        users: list[str] = []
        stage: str | None = target
        while stage in stages:
            users = re.findall(r"^USER (\S+)", stages[stage], re.M) + users
            stage = above[stage]
        assert users[-1] == "1000", target
        assert not re.search(r"(?i)(password|token|secret)\s*=\s*\S", text)


def test_what_the_image_copies_is_there_and_let_in() -> None:
    root = DEPLOY.parent
    ignored = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", DOCKERFILE.read_text(), re.M)
    for name in " ".join(copied).split():
        assert (root / name).exists(), name
        assert name in let_in, name
    assert "*" in ignored


def compose_schema() -> dict[str, Any]:
    found = files("check_jsonschema").joinpath("builtin_schemas", "vendor", "compose-spec.json")
    return dict(json.loads(found.read_text()))


def test_the_compose_file_is_what_the_specification_asks_for() -> None:
    jsonschema.validate(COMPOSE, compose_schema())
    spoilt = {**COMPOSE, "services": {**COMPOSE["services"], "service": {"imagee": "x"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt, compose_schema())


def test_nothing_is_published_beyond_loopback() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_everything_that_stays_up_has_a_health_check_and_what_is_named_exists() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        once = service["restart"] == "no"
        assert service["healthcheck"].get("disable", False) is once, name
        assert set(service.get("depends_on", ())) <= set(services)
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
        named = [volume.split(":")[0] for volume in service.get("volumes", ())]
        assert all(volume in COMPOSE["volumes"] or (DEPLOY / volume).exists() for volume in named), name
        for other, how in service.get("depends_on", {}).items():
            completed = how["condition"] == "service_completed_successfully"
            assert completed is (services[other]["restart"] == "no"), f"{name} waits for {other}"


def test_no_secret_is_in_the_compose_file() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert not re.search(r"://[^\s/@]+:[^\s/@]+@", text), "a URL with a password"
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|KEY", name):
                assert str(value).startswith("/run/secrets/"), name


def test_the_ray_processes_of_the_compose_file_start_as_written(tmp_path: Path) -> None:
    """`ray start` knows each option; it is asked without being started."""
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts}
    for name in ("ray-head", "ray-worker"):
        command = COMPOSE["services"][name]["command"]
        assert command[:2] == ["ray", "start"]
        assert {word.split("=")[0] for word in command[2:]} <= known


def test_the_cluster_file_is_what_ray_up_asks_for() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    body = yaml.safe_load((DEPLOY / "cluster.yaml").read_text())
    validate_config(prepare_config(body))
    with pytest.raises(jsonschema.ValidationError):
        validate_config(prepare_config({**body, "head_start_ray_command": []}))
    starts = [line for line in body["head_start_ray_commands"] + body["worker_start_ray_commands"] if "start" in line]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in line for line in starts)


def entrypoint(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = str(DEPLOY / "docker" / "entrypoint.sh")
    variables = {"PATH": os.environ["PATH"]} | environment
    return subprocess.run(["sh", script, *command], env=variables, capture_output=True, text=True, check=False)


def test_the_entrypoint_takes_secrets_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("a b$c'd\n")
    done = entrypoint("sh", "-c", 'printf %s "$PGPASSWORD"', PGPASSWORD_FILE=str(secret))
    assert (done.returncode, done.stdout) == (0, "a b$c'd")
    assert entrypoint("sh", "-c", 'printf %s "${PGPASSWORD-unset}"').stdout == "unset"
    missing = entrypoint("true", PGPASSWORD_FILE=str(tmp_path / "none"))
    assert missing.returncode == 2
    assert missing.stderr.startswith("isthmus: PGPASSWORD_FILE is ")


def test_secrets_are_made_once_and_for_their_reader_alone(tmp_path: Path) -> None:
    script = ["sh", str(DEPLOY / "secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(script, check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in made.values())
    assert len(set(made.values())) == 3
    for path in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    subprocess.run(script, check=True, capture_output=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made
