"""The real API server takes every manifest, and has nothing to warn of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import yaml

from cluster import istio, paths
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
    "with chargers": {
        "edge.enabled": True,
        "edge.chargersService.type": "NodePort",
        "edge.chargers.secretName": "chargers",
        "edge.quirks.configMap": "quirks",
    },
    "with chargers behind an ingress": yaml.safe_load((REPOSITORY / "ci/chargers-values.yaml").read_text()),
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


DRIVERS = {"issuer": "https://login.example.com", "audience": "grid", "jwks": "https://login.example.com/keys"}
ALL_OF_ISTIO: Values = {
    "global.auth.issuers": [DRIVERS],
    "global.istio.policies": "auto",
    "global.istio.checkTokens": "auto",
}


@pytest.fixture(scope="module")
def istios_kinds(api: KubeApi) -> Iterator[None]:
    """A cluster that knows Istio's kinds, without Istio itself."""
    if shutil.which("go", path=paths.search_path()) is None:
        pytest.skip("the definitions of Istio's kinds come from its Go module, and Go is not on PATH")
    file = f"--filename={istio.custom_resources()}"
    api.kubectl("apply", "--server-side", "--force-conflicts", file)
    api.kubectl("wait", "--for=condition=Established", "--timeout=60s", file)
    yield
    api.kubectl("delete", file)


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


def applied(helm: Helm, api: KubeApi, values: Values) -> str:
    """What the server would make of the manifests. A warning raises CommandFailedError, as an error does."""
    where = (f"--namespace={helm.namespace}", "--filename=-", "--dry-run=server", "--warnings-as-errors")
    return api.kubectl("apply", *where, stdin=helm.template(values))


@pytest.mark.usefixtures("scaled_objects")
@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_server_takes_manifests_without_a_warning(helm: Helm, api: KubeApi, values: Values) -> None:
    answer = applied(helm, api, values)
    assert "deployment.apps/grid-balancer created (server dry run)" in answer
    has_substations = "statefulset.apps/grid-substation created (server dry run)" in answer
    assert has_substations is values.get("substation.enabled", True)


@pytest.mark.parametrize("mode", ["istio-sidecar", "istio-ambient"])
@pytest.mark.usefixtures("istios_kinds")
def test_server_that_knows_istio_takes_what_istio_is_told(helm: Helm, api: KubeApi, mode: str) -> None:
    answer = applied(helm, api, {**ALL_OF_ISTIO, "global.mesh": mode})
    made = [line.partition(" ")[0] for line in answer.splitlines() if "istio.io/" in line]
    assert sorted(made) == [
        "authorizationpolicy.security.istio.io/grid-balancer",
        "authorizationpolicy.security.istio.io/grid-substation",
        "peerauthentication.security.istio.io/grid-balancer",
        "peerauthentication.security.istio.io/grid-gateway",
        "peerauthentication.security.istio.io/grid-substation",
        "requestauthentication.security.istio.io/grid-gateway",
        "virtualservice.networking.istio.io/grid-balancer",
        "virtualservice.networking.istio.io/grid-gateway",
        "virtualservice.networking.istio.io/grid-substation",
    ]
