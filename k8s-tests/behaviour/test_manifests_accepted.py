"""The real API server takes every manifest, and has nothing to warn of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.backend import Backend
from cluster.paths import REPOSITORY
from harness.api import KubeApi
from harness.helm import Helm, Values
from harness.namespace import restricted_namespace

CRD = REPOSITORY / "k8s-tests/render/keda.sh_scaledobjects.yaml"
VARIANTS: dict[str, Values] = {
    "defaults": {},
    "autoscaled": {
        "gateway.autoscaling.enabled": True,
        "balancer.autoscaling.enabled": True,
        "substation.autoscaling.enabled": True,
        "substation.autoscaling.kind": "hpa",
    },
    "scaled by KEDA": {"substation.autoscaling.enabled": True},
    "scaled by KEDA with Prometheus": {
        "substation.autoscaling.enabled": True,
        "substation.autoscaling.keda.trigger": "prometheus",
    },
    "with ingress": {"gateway.ingress.enabled": True, "gateway.ingress.hosts": ["grid.example.com"]},
    "with a load test": {"loadtest.enabled": True},
    "without volumes": {"substation.persistence.enabled": False},
    "of one each": {"substation.replicaCount": 1, "balancer.replicaCount": 1, "gateway.replicaCount": 1},
    "with a node port": {"gateway.service.type": "NodePort"},
    "with volumes that go": {
        "substation.persistence.retentionPolicy.whenDeleted": "Delete",
        "substation.persistence.retentionPolicy.whenScaled": "Delete",
    },
}


@pytest.fixture(scope="module")
def scaled_objects(api: KubeApi) -> Iterator[None]:
    """KEDA's ScaledObject is known, as where KEDA is."""
    was_there = api.exists("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/scaledobjects.keda.sh")
    if not was_there:
        api.kubectl("apply", "--server-side", f"--filename={CRD}")
        api.kubectl("wait", "--for=condition=Established", f"--filename={CRD}", "--timeout=60s")
    yield
    if not was_there:
        api.kubectl("delete", f"--filename={CRD}", "--wait=false")


@pytest.fixture(scope="module")
def helm(cluster: Backend, api: KubeApi) -> Iterator[Helm]:
    with restricted_namespace(api, "smart-grid-test-manifests") as namespace:
        yield Helm(cluster, namespace, "grid")


@pytest.mark.usefixtures("scaled_objects")
@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_server_takes_manifests_without_a_warning(helm: Helm, api: KubeApi, values: Values) -> None:
    where = (f"--namespace={helm.namespace}", "--filename=-", "--dry-run=server", "--warnings-as-errors")
    answer = api.kubectl("apply", *where, stdin=helm.template(values))
    assert "statefulset.apps/grid-substation created (server dry run)" in answer
