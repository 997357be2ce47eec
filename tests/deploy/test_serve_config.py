"""What KubeRay hands to Ray Serve: a file that Serve reads, and an application that it can build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from service.config import BadConfig

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, of pydantic
MANIFEST = Path(__file__).resolve().parents[2] / "deploy" / "kuberay" / "rayservice.yaml"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return dict(yaml.safe_load(yaml.safe_load(MANIFEST.read_text())["spec"]["serveConfigV2"]))


def test_serve_reads_the_file(config: dict[str, Any]) -> None:
    from ray.serve.schema import ServeDeploySchema

    read = ServeDeploySchema.model_validate(config)
    assert read.applications[0].import_path == "service.serving.application:application"
    assert read.http_options.port == 8000


def test_serve_builds_the_application(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary as build

    from service.serving.application import application

    [asked] = config["applications"]
    monkeypatch.setenv("ISTHMUS_STORE", "postgresql+psycopg://isthmus@postgres:5432/isthmus")
    built = build(application, asked["args"])
    assert built._bound_deployment.name == "isthmus"
    assert built._bound_deployment.num_replicas == asked["args"]["replicas"]
    with pytest.raises(ValueError, match="extra"):
        build(application, {"replica": 2})
    monkeypatch.delenv("ISTHMUS_STORE")
    with pytest.raises(BadConfig, match="ISTHMUS_STORE is not set to a PostgreSQL URL"):
        build(application, {})
