"""What can not work is refused before it reaches a cluster, with a sentence that names the value."""

from __future__ import annotations

from typing import Any

import pytest

from render.charts import AUTOSCALED, LONG_RUNNING, SERVICES
from render.manifests import Chart, RefusedError
from render.value_cases import OF_REGIONS, RESIDENCY, WEST, WITH_INGRESS, WITH_ROUTE

COMBINATIONS: list[tuple[dict[str, Any], str]] = [
    *(
        (
            {f"{service}.autoscaling.enabled": True, f"{service}.autoscaling.minReplicas": 99},
            f"{service}.autoscaling.minReplicas (99) is above {service}.autoscaling.maxReplicas",
        )
        for service in AUTOSCALED
    ),
    *(
        (
            {f"{service}.autoscaling.enabled": True, f"{service}.resources": None},
            f"{service}.autoscaling needs {service}.resources.requests.cpu",
        )
        for service in ("balancer", "gateway")
    ),
    *(
        ({"substation.autoscaling.enabled": True, **values}, f"substation.autoscaling needs {sentence}")
        for values, sentence in (
            ({"balancer.discovery": "static", "balancer.substations": ["http://a:1"]}, "balancer.enabled and balancer"),
            ({"balancer.enabled": False, "gateway.balancerUrl": "http://b:1"}, "balancer.enabled and balancer"),
            ({"balancer.substationService": "other"}, "balancer.substationService to be grid-substation"),
            (
                {"substation.fullnameOverride": "mine", "balancer.substationService": "grid-substation"},
                "balancer.substationService to be mine",
            ),
            ({"substation.persistence.enabled": False}, "substation.persistence.enabled"),
            ({"substation.persistence.retentionPolicy.whenScaled": "Delete"}, "substation.persistence.enabled"),
        )
    ),
    ({"balancer.discovery": "static"}, "balancer.discovery=static needs balancer.substations"),
    ({"substation.enabled": False}, "substation.enabled=false needs balancer.substationService"),
    ({"substation.nameOverride": "x"}, "substation.fullnameOverride need balancer.substationService"),
    ({"substation.fullnameOverride": "x"}, "substation.fullnameOverride need balancer.substationService"),
    (
        {"balancer.serviceAccount.create": False},
        "balancer.serviceAccount.create=false needs balancer.serviceAccount.name",
    ),
    ({"gateway.fullnameOverride": "x"}, "gateway.serviceAccount need balancer.callers, the gateway's service account"),
    ({"gateway.serviceAccount.name": "x"}, "gateway.serviceAccount need balancer.callers"),
    ({"gateway.serviceAccount.create": False}, "gateway.serviceAccount need balancer.callers"),
    (
        {
            "balancer.fullnameOverride": "x",
            **{f"{caller}.balancerUrl": "http://x:8080" for caller in ("gateway", "edge")},
        },
        "balancer.serviceAccount need substation.callers, the balancer's service account",
    ),
    (
        {"global.auth.services.enabled": False, "global.auth.issuers": [{"issuer": "https://a"}]},
        "global.auth.issuers needs global.auth.services.enabled",
    ),
    ({"global.istio.policies": True}, "global.istio.policies and global.istio.checkTokens need global.mesh"),
    (
        {"global.mesh": "istio-sidecar", "global.istio.checkTokens": True},
        "global.istio.checkTokens needs global.auth.issuers",
    ),
    *(
        (
            {"global.mesh": "istio-sidecar", "global.istio.checkTokens": True, "global.auth.issuers": [issuer]},
            "global.istio.checkTokens needs issuers whose keys istiod can read",
        )
        for issuer in (
            {"issuer": "https://a", "audience": "grid", "jwks": "/etc/keys.json"},
            {"issuer": "https://a", "audience": "grid", "jwks": "https://a/keys", "ca": "/etc/ca.crt"},
            {"issuer_from": "/etc/token", "audience": "grid", "jwks": "https://a/keys"},
        )
    ),
    ({"balancer.enabled": False}, "balancer.enabled=false needs gateway.balancerUrl"),
    ({"balancer.nameOverride": "x"}, "balancer.fullnameOverride need gateway.balancerUrl"),
    ({"balancer.fullnameOverride": "x"}, "balancer.fullnameOverride need gateway.balancerUrl"),
    ({"gateway.ingress.enabled": True}, "gateway.ingress.enabled needs gateway.ingress.hosts"),
    (
        {"gateway.httpRoute.enabled": True, "gateway.httpRoute.hostnames": ["a.example"]},
        "gateway.httpRoute.enabled needs gateway.httpRoute.parentRefs",
    ),
    (
        {"gateway.httpRoute.enabled": True, "gateway.httpRoute.parentRefs": [{"name": "a"}]},
        "gateway.httpRoute.enabled needs gateway.httpRoute.hostnames",
    ),
    (OF_REGIONS | {"substation.enabled": True}, "global.regions needs substation.enabled=false"),
    (OF_REGIONS | {"balancer.enabled": False}, "global.regions needs balancer.enabled"),
    (OF_REGIONS | {"balancer.substations": ["http://a:1"]}, "global.regions takes the place of balancer.substations"),
    (OF_REGIONS | {"balancer.policy": "polled"}, "global.regions needs another balancer.policy than polled"),
    (OF_REGIONS | {"global.regions": [WEST, WEST]}, "global.regions has the name west twice"),
    (
        OF_REGIONS | {"global.regions": [WEST | {"auth": {"audience": "a", "tokenSecret": {"name": "t"}}}]},
        "auth of west has an audience and a tokenSecret",
    ),
    (
        OF_REGIONS | {"global.regions": [{"name": "west", "url": "http://w", "tls": {"caSecret": {"name": "c"}}}]},
        "tls of west needs a url that begins with https",
    ),
    (RESIDENCY | {"global.residency.label": ""}, "global.residency needs both"),
    (
        {"global.residency.claim": "country", "global.residency.label": "land"},
        "global.residency needs global.regions",
    ),
    (WITH_INGRESS | {"balancer.regionAccess.issuers": []}, "balancer.ingress.enabled needs balancer.regionAccess"),
    (WITH_INGRESS | {"balancer.regionAccess.peers": []}, "balancer.ingress.enabled needs balancer.regionAccess.peers"),
    (WITH_INGRESS | {"balancer.ingress.hosts": []}, "balancer.ingress.enabled needs balancer.ingress.hosts"),
    (WITH_ROUTE | {"balancer.httpRoute.parentRefs": []}, "balancer.httpRoute.enabled needs balancer.httpRoute"),
    (
        WITH_ROUTE | {"global.auth.services.enabled": False},
        "balancer.regionAccess needs global.auth.services.enabled",
    ),
    (
        {"balancer.enabled": False, "gateway.balancerUrl": "http://b:1"},
        "balancer.enabled=false needs edge.balancerUrl, the address of the balancer that knows the substations",
    ),
    (
        {"balancer.nameOverride": "x", "gateway.balancerUrl": "http://x:8080"},
        "balancer.fullnameOverride need edge.balancerUrl",
    ),
    ({"edge.fullnameOverride": "x"}, "edge.fullnameOverride need gateway.edgeUrl"),
    ({"edge.nameOverride": "x", "gateway.edgeUrl": "http://x:8080"}, "edge.fullnameOverride need balancer.edgeUrl"),
    ({"edge.serviceAccount.name": "x"}, "edge.serviceAccount need substation.callers, the edge's service account"),
    ({"edge.serviceAccount.name": "x", "substation.callers": ["x"]}, "edge.serviceAccount need balancer.callers"),
    (
        {"edge.serviceAccount.name": "x", "substation.callers": ["x"], "balancer.callers": ["x"]},
        "edge.serviceAccount need edge.callers",
    ),
    ({"edge.ingress.enabled": True}, "edge.ingress.enabled needs edge.ingress.hosts"),
    ({"edge.httpRoute.enabled": True, "edge.httpRoute.hostnames": ["a.example"]}, "edge.httpRoute.enabled needs"),
    ({"edge.chargersService.nodePort": 30000}, "edge.chargersService.nodePort needs edge.chargersService.type"),
    ({"edge.tls.clientCa.secretName": "x"}, "edge.tls.clientCa needs edge.tls.secretName"),
    ({"edge.tls.secretName": "x"}, "edge.tls is for one edge"),
    ({"edge.clientCertificateHeader": "Subject"}, "edge.clientCertificateHeader needs edge.trustedProxies"),
    ({"edge.trustedProxies": ["10.0.0.0/8"]}, "edge.trustedProxies and several edges need edge.peerSecret"),
    (OF_REGIONS | {"edge.enabled": True}, "edge.enabled needs substations, and with global.regions there are none"),
    ({"gateway.service.nodePort": 30000}, "gateway.service.nodePort needs gateway.service.type"),
    ({"loadtest.enabled": True, "gateway.enabled": False}, "gateway.enabled=false needs loadtest.target"),
    ({"loadtest.enabled": True, "gateway.nameOverride": "x"}, "gateway.fullnameOverride and gateway.service.port need"),
    ({"loadtest.enabled": True, "gateway.service.port": 80}, "gateway.service.port need loadtest.target"),
    (
        {"loadtest.enabled": True, "loadtest.scenario": "garage"},
        "loadtest.scenario=garage needs loadtest.trace.configMap",
    ),
    (
        {"loadtest.enabled": True, "loadtest.trace.configMap": "x"},
        "loadtest.trace belongs to loadtest.scenario=garage: the scenario normal makes its own cars",
    ),
    ({"loadtest.enabled": True, "loadtest.trace.speedup": 2}, "loadtest.trace belongs to loadtest.scenario=garage"),
    (
        {
            "loadtest.enabled": True,
            "loadtest.scenario": "garage",
            "loadtest.trace.configMap": "x",
            "loadtest.rampUpSeconds": 5,
        },
        "loadtest.rampUpSeconds has no meaning with loadtest.scenario=garage",
    ),
]

SINGLE: list[tuple[str, Any]] = [
    ("substation.capacityKw", -1),
    ("substation.capacityKw", [80, 120]),
    ("substation.timeScale", 0),
    ("substation.replicaCount", -1),
    ("substation.replicaCount", "three"),
    ("substation.persistence.size", "big"),
    ("substation.persistence.retentionPolicy.whenScaled", "Keep"),
    ("substation.updateStrategy.type", "Recreate"),
    ("substation.autoscaling.kind", "vpa"),
    ("substation.autoscaling.targetDemandKw", 0),
    ("substation.autoscaling.minReplicas", 0),
    ("substation.autoscaling.keda.trigger", "cpu"),
    ("balancer.updateStrategy.type", "OnDelete"),
    ("balancer.policy", "best"),
    ("balancer.discovery", "dns"),
    ("balancer.substations", ["substation-0:8080"]),
    ("balancer.pollIntervalSeconds", 0),
    ("balancer.apiServerPorts", []),
    ("gateway.balancerUrl", "balancer:8080"),
    ("gateway.service.type", "ExternalName"),
    ("gateway.ingress.hosts", ["http://grid.example.com"]),
    ("gateway.httpRoute.path", "grid"),
    ("gateway.httpRoute.parentRefs", [{"namespace": "x"}]),
    ("edge.registration", "anyone"),
    ("edge.chargersService.type", "ClusterIP"),
    ("edge.heartbeatSeconds", 1),
    ("edge.trustedProxies", ["ingress"]),
    ("substation.leaseSeconds", 5),
    ("gateway.podMonitor.interval", "10"),
    ("gateway.podMonitor.enabled", "yes"),
    ("gateway.podDisruptionBudget.maxUnavailable", 0),
    ("gateway.logLevel", "trace"),
    ("balancer.region", "West"),
    ("balancer.ingress.hosts", ["*.example.com"]),
    ("balancer.regionAccess.issuers", [{"issuer": "https://a", "audience": "b", "jwks": "https://a/k"}]),
    ("global.regions", [{"name": "west"}]),
    ("global.regions", [{"name": "west", "url": "west:8080"}]),
    ("global.regions", [{"name": "west", "url": "http://west:8080/path"}]),
    ("gateway.threads", 1),
    ("gateway.drainTimeoutSeconds", 0),
    ("gateway.image.pullPolicy", "Sometimes"),
    ("gateway.image.digest", "sha256:abc"),
    ("gateway.extraEnv", [{"value": "nameless"}]),
    ("gateway.extraEnv", [{"name": "NUMBER", "value": 1}]),
    ("gateway.podLabels", {"number": 1}),
    ("loadtest.scenario", "chaos"),
    ("loadtest.thresholds.minSuccessRate", 99),
    ("prometheusRule.enabled", "always"),
    ("global.imageRegistry", "/grid"),
]


@pytest.mark.parametrize(("values", "sentence"), COMBINATIONS, ids=lambda item: item if isinstance(item, str) else "")
def test_a_combination_that_can_not_work_is_refused(chart: Chart, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RefusedError) as refused:
        chart.render(values)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(("name", "value"), SINGLE, ids=str)
def test_a_value_that_can_not_be_is_refused_by_its_name(chart: Chart, name: str, value: object) -> None:
    with pytest.raises(RefusedError) as refused:
        chart.render(enabled(name) | {name: value})
    owner, _, rest = name.partition(".")
    expected = rest if owner in SERVICES else name
    assert "/" + expected.replace(".", "/") in str(refused.value)


def enabled(name: str) -> dict[str, Any]:
    """What it takes for a value to be looked at: a service that is not installed has no say in its values."""
    owner = name.split(".", maxsplit=1)[0]
    return {f"{owner}.enabled": True} if owner in SERVICES else {}


@pytest.mark.parametrize(
    ("name", "typo"),
    [
        ("substatoin.replicaCount", "substatoin"),
        *((f"{service}.replicaCuont", "replicaCuont") for service in SERVICES),
        *((f"{service}.image.tga", "tga") for service in SERVICES),
        *((f"{service}.resources.limit", "limit") for service in SERVICES),
        *((f"{service}.networkPolicy.enable", "enable") for service in LONG_RUNNING),
        *((f"{service}.readinessProbe.perodSeconds", "perodSeconds") for service in LONG_RUNNING),
        ("substation.persistence.retentionPolicy.whenScale", "whenScale"),
        ("substation.autoscaling.targetDemandKW", "targetDemandKW"),
        ("substation.autoscaling.keda.prometheus.query", "query"),
        ("global.imageRegsitry", "imageRegsitry"),
        ("dashboards.enable", "enable"),
    ],
)
def test_a_typo_is_refused_by_its_name(chart: Chart, name: str, typo: str) -> None:
    with pytest.raises(RefusedError, match=f"additional properties '{typo}' not allowed"):
        chart.render(enabled(name) | {name: 1})


def test_a_release_name_that_no_service_can_have_is_refused(chart: Chart) -> None:
    with pytest.raises(RefusedError, match="begins with a digit"):
        chart.render(release="1grid")
