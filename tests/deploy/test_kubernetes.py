"""The manifests, against the schemas of Kubernetes and of KubeRay; and what no schema knows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from service.config import load_config
from tests.deploy import kuberay

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kuberay"
VERSION = "1.34"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
OBJECTS = [(path.name, body) for path in FILES for body in yaml.safe_load_all(path.read_text())]
IDS = [f"{name}:{body['kind']}/{body['metadata']['name']}" for name, body in OBJECTS]


def clusters(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Specifications of Ray clusters in an object."""
    spec = body.get("spec", {})
    found = spec if body["kind"] == "RayCluster" else spec.get("rayClusterSpec", spec.get("rayClusterConfig"))
    if found is not None:
        yield found


def templates(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Pod templates in an object, of workloads and of Ray's groups."""
    if body["kind"] in ("StatefulSet", "Deployment"):
        yield body["spec"]["template"]
    for cluster in clusters(body):
        yield cluster["headGroupSpec"]["template"]
        yield from (group["template"] for group in cluster["workerGroupSpecs"])


def of_kubernetes(body: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the validator's own use of deprecated calls
        kubernetes_validate.validate(body, VERSION, strict=True)


@pytest.mark.parametrize("body", [body for _, body in OBJECTS], ids=IDS)
def test_it_is_what_the_schema_asks_for(body: dict[str, Any]) -> None:
    if body["kind"] in kuberay.KINDS:
        jsonschema.validate(body, kuberay.schema(body["kind"]))
    else:
        of_kubernetes(body)
    for template in templates(body):
        of_kubernetes({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": template})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "backofLimit"), 3),
        (("spec", "submissionMode"), "HttpMode"),
        (("spec", "rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "rayClusterSpec", "authOptions", "mode"), "on"),
    ],
)
def test_the_schema_notices_what_the_server_would(path: tuple[str, ...], value: object) -> None:
    [body] = [yaml.safe_load(yaml.safe_dump(body)) for _, body in OBJECTS if body["kind"] == "RayJob"]
    place = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, kuberay.schema("RayJob"))


@pytest.mark.parametrize("body", [body for _, body in OBJECTS], ids=IDS)
def test_nobody_is_root_and_nobody_may_become_it(body: dict[str, Any]) -> None:
    for template in templates(body):
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] >= 999
        for container in [*pod["containers"], *pod.get("initContainers", ())]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_every_ray_cluster_asks_for_its_token_and_keeps_work_off_its_head() -> None:
    found = [cluster for _, body in OBJECTS for cluster in clusters(body)]
    assert len(found) == 3
    for cluster in found:
        assert cluster["authOptions"] == {"mode": "token", "secretName": "isthmus-ray"}
        assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_the_service_and_the_standing_cluster_survive_their_head() -> None:
    lasting = [body for _, body in OBJECTS if body["kind"] in ("RayCluster", "RayService")]
    assert len(lasting) == 2
    for body in lasting:
        [cluster] = clusters(body)
        assert cluster["gcsFaultToleranceOptions"]["redisAddress"] == "redis:6379"


def references(node: Any) -> Iterator[tuple[str, str]]:
    """(kind, name) of all that an object takes from another one."""
    keys = {"secretKeyRef": "Secret", "configMapRef": "ConfigMap", "configMap": "ConfigMap"}
    if isinstance(node, dict):
        for key, value in node.items():
            if key in keys and isinstance(value, dict):
                yield keys[key], value["name"]
            if key == "persistentVolumeClaim":
                yield "PersistentVolumeClaim", value["claimName"]
            if key == "secretName":
                yield "Secret", value
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_whatever_is_referred_to_is_there() -> None:
    there = {(body["kind"], body["metadata"]["name"]) for _, body in OBJECTS}
    wanted = {found for _, body in OBJECTS for found in references(body)}
    assert wanted - there == set()
    [secret] = [body for _, body in OBJECTS if body["metadata"]["name"] == "isthmus" and body["kind"] == "Secret"]
    keys = {ref["key"] for _, body in OBJECTS for ref in key_refs(body)}
    assert keys == set(secret["stringData"])


def key_refs(node: Any) -> Iterator[dict[str, str]]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "secretKeyRef")
        yield from (found for value in node.values() for found in key_refs(value))
    elif isinstance(node, list):
        yield from (found for value in node for found in key_refs(value))


def test_the_kustomization_applies_all_but_secrets_and_single_runs() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert set(listed) == {path.name for path in FILES} - {"secrets.template.yaml", "rayjob.yaml"}


def test_no_secret_is_written_down() -> None:
    for name, body in OBJECTS:
        if body["kind"] == "Secret":
            assert name == "secrets.template.yaml"
            assert set(body["stringData"].values()) == {"REPLACE"}


def test_the_run_in_the_job_is_a_configuration(tmp_path: Path) -> None:
    [body] = [body for name, body in OBJECTS if name == "rayjob.yaml" and body["kind"] == "ConfigMap"]
    (tmp_path / "config.yaml").write_text(body["data"]["config.yaml"])
    config = load_config(tmp_path / "config.yaml")
    assert (config.store, config.runs) == ("$ISTHMUS_STORE", "/data/runs")


def test_policies_let_nobody_in_but_neighbours_operator_and_ingress() -> None:
    found = {body["metadata"]["name"]: body["spec"] for _, body in OBJECTS if body["kind"] == "NetworkPolicy"}
    assert found["inside-only"] == {
        "podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]
    }  # fmt: skip
    for name, spec in found.items():
        for rule in spec["ingress"]:
            assert rule["from"], name
            if name != "inside-only":
                assert all("namespaceSelector" in source for source in rule["from"])
                assert rule["ports"]
