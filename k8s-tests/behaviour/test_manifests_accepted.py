"""The real API server takes every manifest, and has nothing to warn of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.backend import Backend
from harness.api import KubeApi
from harness.helm import Helm, Values
from harness.namespace import restricted_namespace

VARIANTS: dict[str, Values] = {
    "defaults": {},
    "autoscaled": {"gateway.autoscaling.enabled": True, "balancer.autoscaling.enabled": True},
    "with ingress": {"gateway.ingress.enabled": True, "gateway.ingress.hosts": ["grid.example.com"]},
    "with a load test": {"loadtest.enabled": True},
    "without volumes": {"substation.persistence.enabled": False},
    "of one each": {"substation.replicaCount": 1, "balancer.replicaCount": 1, "gateway.replicaCount": 1},
    "with a node port": {"gateway.service.type": "NodePort"},
    "with volumes that go": {
        "substation.persistence.retentionPolicy.whenDeleted": "Delete",
        "substation.persistence.retentionPolicy.whenScaled": "Delete",
    },
    "of a region": {
        "balancer.region": "west",
        "balancer.regionAccess.issuers": [
            {
                "issuer": "https://keys.example.com",
                "audience": "grid-west",
                "jwks": "https://keys.example.com/keys",
                "subjects": ["system:serviceaccount:grid:grid-balancer"],
            }
        ],
        "balancer.regionAccess.peers": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "a"}}}],
        "balancer.ingress.enabled": True,
        "balancer.ingress.hosts": ["west.example.com"],
    },
    "before regions": {
        "substation.enabled": False,
        "global.regions": [
            {
                "name": "west",
                "url": "https://west.example.com",
                "auth": {"audience": "grid-west"},
                "tls": {"caSecret": {"name": "west-ca"}},
            },
            {"name": "east", "url": "https://east.example.com", "auth": {"tokenSecret": {"name": "east-token"}}},
        ],
    },
}


@pytest.fixture(scope="module")
def helm(cluster: Backend, api: KubeApi) -> Iterator[Helm]:
    with restricted_namespace(api, "smart-grid-test-manifests") as namespace:
        yield Helm(cluster, namespace, "grid")


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_server_takes_manifests_without_a_warning(helm: Helm, api: KubeApi, values: Values) -> None:
    where = (f"--namespace={helm.namespace}", "--filename=-", "--dry-run=server", "--warnings-as-errors")
    answer = api.kubectl("apply", *where, stdin=helm.template(values))
    assert "deployment.apps/grid-balancer created (server dry run)" in answer
    has_substations = "statefulset.apps/grid-substation created (server dry run)" in answer
    assert has_substations is values.get("substation.enabled", True)
