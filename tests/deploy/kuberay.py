"""Schema of KubeRay's own fields, after the API reference of KubeRay 1.7 (ray.io/v1).

The definitions themselves are megabytes and in no package index. What they repeat of Kubernetes (pod
templates, services, sources of variables) is checked by kubernetes-validate; here is the rest: which
fields there are, of which type, and which values. A misspelt field is an error, as it is for the API
server with strict validation.
"""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
FLAG: dict[str, Any] = {"type": "boolean"}
NUMBER: dict[str, Any] = {"type": "number", "minimum": 0}
TEXTS: dict[str, Any] = {"type": "object", "additionalProperties": TEXT}
OF_KUBERNETES: dict[str, Any] = {"type": "object"}


def closed(required: tuple[str, ...] = (), **fields: dict[str, Any]) -> dict[str, Any]:
    """An object with these fields and no others."""
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}


def one_of(*values: str) -> dict[str, Any]:
    return {"enum": list(values)}


MANAGED_BY = one_of("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue")
CREDENTIAL = closed(value=TEXT, valueFrom=OF_KUBERNETES)
GROUP = {"template": OF_KUBERNETES, "rayStartParams": TEXTS, "resources": TEXTS, "labels": TEXTS}

CLUSTER = closed(
    ("headGroupSpec",),
    authOptions=closed(mode=one_of("disabled", "token"), secretName=TEXT, enableK8sTokenAuth=FLAG),
    upgradeStrategy=closed(type=one_of("Recreate", "None")),
    suspend=FLAG,
    managedBy=MANAGED_BY,
    autoscalerOptions=OF_KUBERNETES,
    headServiceAnnotations=TEXTS,
    enableInTreeAutoscaling=FLAG,
    gcsFaultToleranceOptions=closed(
        backend=one_of("redis", "rocksdb"),
        redisUsername=CREDENTIAL,
        redisPassword=CREDENTIAL,
        externalStorageNamespace=TEXT,
        redisAddress=TEXT,
        storage=OF_KUBERNETES,
    ),
    networkPolicy=OF_KUBERNETES,
    tlsOptions=closed(enabled=FLAG),
    rayVersion=TEXT,
    headGroupSpec=closed(
        ("template",), **GROUP, headService=OF_KUBERNETES, enableIngress=FLAG, ingressOptions=OF_KUBERNETES,
        serviceType=TEXT,
    ),
    workerGroupSpecs={
        "type": "array",
        "items": closed(
            ("groupName", "template"), **GROUP, groupName=TEXT, suspend=FLAG, replicas=WHOLE, minReplicas=WHOLE,
            maxReplicas=WHOLE, idleTimeoutSeconds=WHOLE, priority=WHOLE, numOfHosts=WHOLE, scaleStrategy=OF_KUBERNETES,
        ),
    },
)  # fmt: skip

JOB = closed(
    ("entrypoint",),
    activeDeadlineSeconds=WHOLE,
    backoffLimit=WHOLE,
    rayClusterSpec=CLUSTER,
    submitterPodTemplate=OF_KUBERNETES,
    metadata=TEXTS,
    clusterSelector=TEXTS,
    submitterConfig=closed(backoffLimit=WHOLE),
    managedBy=MANAGED_BY,
    deletionStrategy=OF_KUBERNETES,
    entrypoint=TEXT,
    runtimeEnvYAML=TEXT,
    jobId=TEXT,
    submissionMode=one_of("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
    entrypointResources=TEXT,
    entrypointNumCpus=NUMBER,
    entrypointNumGpus=NUMBER,
    ttlSecondsAfterFinished=WHOLE,
    preRunningDeadlineSeconds={"type": "integer", "minimum": 1},
    shutdownAfterJobFinishes=FLAG,
    suspend=FLAG,
)

SERVICE = closed(
    ("serveConfigV2", "rayClusterConfig"),
    rayClusterDeletionDelaySeconds=WHOLE,
    serveService=OF_KUBERNETES,
    upgradeStrategy=closed(
        type=one_of("NewCluster", "NewClusterWithIncrementalUpgrade", "None"), clusterUpgradeOptions=OF_KUBERNETES
    ),
    managedBy=MANAGED_BY,
    serveConfigV2=TEXT,
    rayClusterConfig=CLUSTER,
    excludeHeadPodFromServeSvc=FLAG,
    suspend=FLAG,
)

KINDS = {"RayCluster": CLUSTER, "RayJob": JOB, "RayService": SERVICE}


def schema(kind: str) -> dict[str, Any]:
    """Of a whole object of KubeRay."""
    head = {"apiVersion": {"const": "ray.io/v1"}, "kind": {"const": kind}, "metadata": OF_KUBERNETES}
    return closed(("apiVersion", "kind", "metadata", "spec"), **head, spec=KINDS[kind])
