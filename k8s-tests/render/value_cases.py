"""What each value changes: one case a value. Data; `test_every_value.py` holds it against what the chart renders."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from render.charts import LONG_RUNNING, SERVICES

ABSENT = object()
"""Expected where the whole object must be gone."""


@dataclass(frozen=True)
class Case:
    """Setting `value` to `to` makes `path` of the object `of` be `expected`; `also` is set besides.

    Cases are rendered together, all values at once, but for those that are `alone`.
    """

    value: str
    to: Any
    of: str
    path: str
    expected: Any
    also: dict[str, Any] = field(default_factory=dict)
    alone: bool = False


WORKLOADS = {
    "substation": "StatefulSet/grid-substation",
    "balancer": "Deployment/grid-balancer",
    "gateway": "Deployment/grid-gateway",
    "edge": "StatefulSet/grid-edge",
    "loadtest": "Job/grid-loadtest-1",
}
NAMES = {service: f"grid-{service}" for service in LONG_RUNNING}
STATEFUL = ("substation", "edge")
CALLERS = {"substation": ["balancer", "edge"], "balancer": ["gateway", "edge"], "edge": ["gateway", "balancer", "edge"]}
"""Who calls whom."""
POD = "spec/template/spec"
CONTAINER = f"{POD}/containers/0"
LOADTEST = {"loadtest.enabled": True}
DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def _settings(name: str, value: Any, service: str, variable: str, expected: str) -> Case:
    return Case(f"{service}.{name}", value, f"ConfigMap/{NAMES[service]}", f"data/SMARTGRID_{variable}", expected)


def _of_every_chart(service: str) -> list[Case]:
    workload = WORKLOADS[service]
    also = LOADTEST if service == "loadtest" else {}
    selector = {"instance": "grid"}
    overridden = workload.replace(f"grid-{service}", "other")
    renamed = workload.replace(f"grid-{service}", "grid-other")
    told = {
        "substation": {"balancer.substationService": "other"},
        "balancer": {
            "gateway.balancerUrl": "http://other:8080",
            "edge.balancerUrl": "http://other:8080",
            "substation.callers": ["other"],
            "edge.callers": ["other"],
        },
        "gateway": {"balancer.callers": ["other"], "edge.callers": ["other"]},
        "edge": {
            **{f"{caller}.edgeUrl": "http://other:8080" for caller in ("gateway", "balancer")},
            **{f"{called}.callers": ["other"] for called in ("substation", "balancer", "edge")},
        },
    }.get(service, {})
    environment = [{"name": "SMARTGRID_EXTRA", "value": "1"}]
    rows: list[tuple[str, Any, str, Any]] = [
        ("image.repository", "grids/other", f"{CONTAINER}/image", f"registry.example.com/grids/other:of-{service}"),
        ("image.tag", f"of-{service}", f"{CONTAINER}/image", f"registry.example.com/grids/other:of-{service}"),
        ("image.pullPolicy", "Always", f"{CONTAINER}/imagePullPolicy", "Always"),
        ("imagePullSecrets", [{"name": service}], f"{POD}/imagePullSecrets", [{"name": "all"}, {"name": service}]),
        ("extraEnv", environment, f"{CONTAINER}/env/{2 if service in STATEFUL else 1}", environment[0]),
        ("resources.requests", {"cpu": "7m"}, f"{CONTAINER}/resources/requests/cpu", "7m"),
        ("resources.limits", {"cpu": "9m"}, f"{CONTAINER}/resources/limits/cpu", "9m"),
        ("podAnnotations", {"note": "x"}, "spec/template/metadata/annotations/note", "x"),
        ("podLabels", {"team": "x"}, "spec/template/metadata/labels/team", "x"),
        ("nodeSelector", {"disk": "ssd"}, f"{POD}/nodeSelector", {"disk": "ssd"}),
        ("tolerations", [{"key": "x"}], f"{POD}/tolerations", [{"key": "x"}]),
        ("affinity", {"podAffinity": selector}, f"{POD}/affinity", {"podAffinity": selector}),
        ("topologySpreadConstraints", [{"maxSkew": 2}], f"{POD}/topologySpreadConstraints", [{"maxSkew": 2}]),
        ("priorityClassName", "high", f"{POD}/priorityClassName", "high"),
        ("podSecurityContext", {"runAsUser": 7}, f"{POD}/securityContext/runAsUser", 7),
        ("securityContext", {"runAsUser": 8}, f"{CONTAINER}/securityContext/runAsUser", 8),
    ]
    if service == "loadtest":
        rows = [(value, to, path.replace("/env/1", "/env/0"), expected) for value, to, path, expected in rows]
    account, also_told = f"ServiceAccount/grid-{service}", also | told
    return [
        *(Case(f"{service}.{value}", to, workload, path, expected, also) for value, to, path, expected in rows),
        Case(f"{service}.image.digest", DIGEST, workload, f"{CONTAINER}/image",
             f"smart-grid/{service}:0.1.0@{DIGEST}", also, True),
        Case(f"{service}.nameOverride", "other", renamed, "metadata/name", renamed.split("/")[1], also | told, True),
        Case(
            f"{service}.fullnameOverride", "other", overridden, "metadata/name", overridden.split("/")[1],
            also | told, True,
        ),
        Case(f"{service}.serviceAccount.create", False, "ServiceAccount/mine", "", ABSENT,
             also | told | {f"{service}.serviceAccount.name": "mine"}, True),
        Case(f"{service}.serviceAccount.name", "mine", "ServiceAccount/mine", "metadata/name", "mine", also_told, True),
        Case(f"{service}.serviceAccount.name", "mine", workload, f"{POD}/serviceAccountName", "mine", also_told, True),
        Case(f"{service}.serviceAccount.annotations", {"role": "x"}, account, "metadata/annotations", {"role": "x"},
             also),
    ]  # fmt: skip


def _of_every_service(service: str) -> list[Case]:
    workload, name = WORKLOADS[service], NAMES[service]
    strategy, other = ("updateStrategy", "OnDelete") if service in STATEFUL else ("strategy", "Recreate")
    rule = [{"ports": [{"port": 9}]}]
    probes = {"startupProbe": 11, "readinessProbe": 12, "livenessProbe": 13}
    return [
        Case(f"{service}.replicaCount", 4, workload, "spec/replicas", 4),
        _settings("logLevel", "debug", service, "LOG_LEVEL", "debug"),
        _settings("threads", 5, service, "THREADS", "5"),
        _settings("shutdownDelaySeconds", 1.5, service, "SHUTDOWN_DELAY_S", "1.5"),
        _settings("drainTimeoutSeconds", 30, service, "DRAIN_TIMEOUT_S", "30"),
        Case(f"{service}.drainTimeoutSeconds", 30, workload, f"{POD}/terminationGracePeriodSeconds", 37),
        Case(f"{service}.minReadySeconds", 9, workload, "spec/minReadySeconds", 9),
        Case(f"{service}.updateStrategy.type", other, workload, f"spec/{strategy}", {"type": other}, alone=True),
        Case(f"{service}.updateStrategy.rollingUpdate", {"maxUnavailable": 2}, workload,
             f"spec/{strategy}/rollingUpdate/maxUnavailable", 2),
        Case(f"{service}.service.annotations", {"a": "b"}, f"Service/{name}", "metadata/annotations", {"a": "b"}),
        Case(f"{service}.podMonitor.enabled", True, f"PodMonitor/{name}", "metadata/name", name),
        Case(f"{service}.podMonitor.interval", "3s", f"PodMonitor/{name}", "spec/podMetricsEndpoints/0/interval", "3s"),
        Case(f"{service}.podMonitor.labels", {"release": "mine"}, f"PodMonitor/{name}",
             "metadata/labels/release", "mine"),
        Case(f"{service}.networkPolicy.enabled", False, f"NetworkPolicy/{name}", "", ABSENT, alone=True),
        Case(f"{service}.networkPolicy.extraIngress", rule, f"NetworkPolicy/{name}",
             f"spec/ingress/{3 if service == 'edge' else 2}", rule[0]),
        Case(f"{service}.networkPolicy.extraEgress", rule, f"NetworkPolicy/{name}",
             f"spec/egress/{ {'substation': 2, 'gateway': 3, 'balancer': 5, 'edge': 5}[service] }", rule[0]),
        Case(f"{service}.podDisruptionBudget.enabled", False, f"PodDisruptionBudget/{name}", "", ABSENT, alone=True),
        Case(f"{service}.podDisruptionBudget.maxUnavailable", "30%", f"PodDisruptionBudget/{name}",
             "spec/maxUnavailable", "30%"),
        *(
            Case(f"{service}.{probe}.{timing}", seconds, workload, f"{CONTAINER}/{probe}/{timing}", seconds)
            for probe, seconds in probes.items()
            for timing in ("periodSeconds", "timeoutSeconds", "failureThreshold")
        ),
    ]  # fmt: skip


def _of_autoscaled(service: str) -> list[Case]:
    on = {f"{service}.autoscaling.enabled": True}
    scaler = f"HorizontalPodAutoscaler/{NAMES[service]}"
    rows: list[tuple[str, Any, str, Any]] = [
        ("enabled", True, "spec/scaleTargetRef/name", NAMES[service]),
        ("minReplicas", 3, "spec/minReplicas", 3),
        ("maxReplicas", 33, "spec/maxReplicas", 33),
        ("targetCPUUtilizationPercentage", 55, "spec/metrics/0/resource/target/averageUtilization", 55),
        ("behavior", {"scaleDown": {}}, "spec/behavior", {"scaleDown": {}}),
    ]
    return [
        *(
            Case(f"{service}.autoscaling.{value}", to, scaler, path, expected, on, True)
            for value, to, path, expected in rows
        ),
        Case(f"{service}.autoscaling.enabled", True, WORKLOADS[service], "spec/replicas", None, alone=True),
    ]


SCALER, SCALED = "HorizontalPodAutoscaler/grid-substation", "ScaledObject/grid-substation"


def _scaled(value: str, to: Any, of: str, path: str, expected: Any, **also: Any) -> Case:
    """A value of the substations' autoscaling, beside what turns that on."""
    on = {"substation.autoscaling.enabled": True} | ({"substation.autoscaling.kind": "hpa"} if of == SCALER else {})
    also = {f"substation.autoscaling.{name.replace('_', '.')}": each for name, each in also.items()}
    return Case(f"substation.autoscaling.{value}", to, of, path, expected, on | also, True)


TRIGGER, KEDA = "spec/triggers/0", "spec/ingress/0/from/0"
FREEZE = {"scaleDown": {"selectPolicy": "Disabled"}}
AUTOSCALED_SUBSTATIONS = [
    Case("substation.autoscaling.enabled", True, WORKLOADS["substation"], "spec/replicas", None, alone=True),
    _scaled("enabled", True, SCALED, "spec/scaleTargetRef/name", "grid-substation"),
    _scaled("kind", "hpa", SCALER, "spec/scaleTargetRef/kind", "StatefulSet"),
    _scaled("kind", "hpa", SCALED, "", ABSENT),
    _scaled("minReplicas", 4, SCALER, "spec/minReplicas", 4),
    _scaled("minReplicas", 4, SCALED, "spec/minReplicaCount", 4),
    _scaled("minReplicas", 4, SCALED, "spec/fallback/replicas", 4),
    _scaled("maxReplicas", 44, SCALER, "spec/maxReplicas", 44),
    _scaled("maxReplicas", 44, SCALED, "spec/maxReplicaCount", 44),
    _scaled("targetDemandKw", 80, SCALER, "spec/metrics/0/external/target/averageValue", "80"),
    _scaled("targetDemandKw", 80.5, SCALED, f"{TRIGGER}/metadata/targetValue", "80.5"),
    _scaled("targetDemandKw", 80, SCALED, f"{TRIGGER}/metadata/threshold", "80", keda_trigger="prometheus"),
    _scaled("behavior", FREEZE, SCALER, "spec/behavior/scaleDown/selectPolicy", "Disabled"),
    _scaled("behavior", FREEZE, SCALED, "spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown/selectPolicy",
            "Disabled"),
    _scaled("tolerance", 0.05, SCALER, "spec/behavior/scaleUp/tolerance", "0.05"),
    _scaled("tolerance", None, SCALER, "spec/behavior/scaleDown/tolerance", None),
    _scaled("hpa.demandMetric", "demand", SCALER, "spec/metrics/0/external/metric/name", "demand"),
    _scaled("hpa.busyFloorMetric", "floor", SCALER, "spec/metrics/1/external/metric/name", "floor"),
    _scaled("hpa.selector", {"a": "b"}, SCALER, "spec/metrics/1/external/metric/selector/matchLabels", {"a": "b"}),
    _scaled("keda.trigger", "prometheus", SCALED, f"{TRIGGER}/type", "prometheus"),
    _scaled("keda.trigger", "prometheus", "Service/grid-demand", "", ABSENT),
    _scaled("keda.pollingIntervalSeconds", 5, SCALED, "spec/pollingInterval", 5),
    _scaled("keda.failureThreshold", 7, SCALED, "spec/fallback/failureThreshold", 7),
    _scaled("keda.namespaceSelector", {"matchLabels": {"a": "b"}}, "NetworkPolicy/grid-demand",
            f"{KEDA}/namespaceSelector/matchLabels/a", "b"),
    _scaled("keda.podSelector", {"matchLabels": {"a": "b"}}, "NetworkPolicy/grid-demand",
            f"{KEDA}/podSelector/matchLabels/a", "b"),
    _scaled("keda.prometheus.serverAddress", "http://p:9090", SCALED, f"{TRIGGER}/metadata/serverAddress",
            "http://p:9090", keda_trigger="prometheus"),
    _scaled("keda.prometheus.authenticationRef", "mine", SCALED, f"{TRIGGER}/authenticationRef/name", "mine",
            keda_trigger="prometheus"),
]  # fmt: skip

RETENTION = "spec/persistentVolumeClaimRetentionPolicy"
CLAIM = "spec/volumeClaimTemplates/0"
SERVES = ["grid:service"]
OPERATES = ["grid:read", "grid:operate", "charge:read", "charge:write"]
PROVIDER = {"issuer": "https://login.example.com", "audience": "grid", "jwks": "https://login.example.com:8443/keys"}


def _identity(value: str, to: Any, service: str, path: str, expected: Any, **also: Any) -> Case:
    """A value of who may call what, in the volume with what a service's pod proves itself by."""
    number = 1 if service in STATEFUL else 2
    return Case(value, to, WORKLOADS[service], f"{POD}/volumes/{number}/projected/sources/{path}", expected, also, True)


def _believed(value: str, to: Any, service: str, *entries: dict[str, Any], **also: Any) -> Case:
    """A value of who may call what, in the setting that says whose tokens a service believes."""
    expected = json.dumps(entries, separators=(",", ":"), sort_keys=True)
    return Case(value, to, f"ConfigMap/{NAMES[service]}", "data/SMARTGRID_AUTH_ISSUERS", expected, also, True)


def _vouching(*, issuer: str = "", **grants: list[str]) -> dict[str, Any]:
    """The entry of service-account tokens: by the API server's keys, or by those of the ConfigMap for `issuer`."""
    folder = "/var/run/secrets/smart-grid"
    keys = {
        "issuer_from": f"{folder}/api-token",
        "jwks": "https://kubernetes.default.svc/openid/v1/jwks",
        "ca": f"{folder}/ca.crt",
        "bearer_token_file": f"{folder}/api-token",
    }
    by_hand = {"issuer": issuer, "jwks": f"{folder}/keys.json"}
    named = {f"system:serviceaccount:power:{name.replace('_', '-')}": scopes for name, scopes in grants.items()}
    known = {"audience": "smart-grid-power-grid", "claims": {"scope": "sub"}, "grants": named}
    return known | (by_hand if issuer else keys)


SUBSTATION = [
    _settings("capacityKw", 0, "substation", "CAPACITY_KW", "0"),
    _settings("firmCapacityKw", 0, "substation", "FIRM_CAPACITY_KW", "0"),
    _settings("reservationSeconds", 60, "substation", "RESERVATION_S", "60"),
    _settings("leaseSeconds", 120, "substation", "LEASE_S", "120"),
    _settings("timeScale", 60, "substation", "TIME_SCALE", "60"),
    _settings("maxActiveSessions", 1_000_000, "substation", "MAX_ACTIVE", "1000000"),
    _settings("maxSessionHours", 0.5, "substation", "MAX_SESSION_H", "0.5"),
    _settings("maxWaitingCars", 0, "substation", "MAX_WAITING", "0"),
    _settings("keepEndedSessions", 2_000_000, "substation", "KEEP_ENDED", "2000000"),
    _settings("maxClockBackSeconds", 0, "substation", "MAX_CLOCK_BACK_S", "0"),
]


def _persistence(service: str) -> list[Case]:
    workload = WORKLOADS[service]
    rows: list[tuple[str, Any, str, Any]] = [
        ("storageClassName", "", f"{CLAIM}/spec/storageClassName", ""),
        ("accessModes", ["ReadWriteOncePod"], f"{CLAIM}/spec/accessModes", ["ReadWriteOncePod"]),
        ("size", "3Gi", f"{CLAIM}/spec/resources/requests/storage", "3Gi"),
        ("annotations", {"a": "b"}, f"{CLAIM}/metadata/annotations", {"a": "b"}),
        ("retentionPolicy.whenDeleted", "Delete", f"{RETENTION}/whenDeleted", "Delete"),
        ("retentionPolicy.whenScaled", "Delete", f"{RETENTION}/whenScaled", "Delete"),
    ]
    on = f"{service}.persistence.enabled"
    return [
        *(Case(f"{service}.persistence.{value}", to, workload, path, expected) for value, to, path, expected in rows),
        Case(on, False, workload, CLAIM, None, alone=True),
        Case(on, False, workload, f"{POD}/volumes/0", {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}, alone=True),
    ]


CALLED = [
    _believed("substation.callers", ["other"], "substation", _vouching(other=SERVES)),
    _believed("balancer.callers", ["other"], "balancer", _vouching(other=SERVES)),
    _believed("edge.callers", ["other"], "edge", _vouching(other=SERVES)),
    Case("substation.apiServerPorts", [7443], "NetworkPolicy/grid-substation", "spec/egress/1/ports/0/port", 7443),
    Case("edge.apiServerPorts", [7443], "NetworkPolicy/grid-edge", "spec/egress/4/ports/0/port", 7443),
]

EDGE_POLICY, CHARGERS = "NetworkPolicy/grid-edge", "Service/grid-edge-chargers"
EDGE_INGRESS, EDGE_ROUTE, OPEN_TO_CHARGERS = (
    "Ingress/grid-edge",
    "HTTPRoute/grid-edge",
    {"edge.chargersService.type": "NodePort"},
)
EDGE_FILES = f"{POD}/volumes/2/projected/sources/0"
OWN_TLS = {"edge.tls.secretName": "cert", "edge.replicaCount": 1}
PEER_SECRET = {"edge.peerSecret.secretName": "secret"}
FROM_INGRESS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]


def _file_of_edge(value: str, kind: str, name: str, key: str) -> list[Case]:
    """A value that names a Secret or ConfigMap, and the one for the key within."""
    named, keyed = f"edge.{value}.{name}", f"edge.{value}.{key}"
    return [
        Case(named, "mine", WORKLOADS["edge"], f"{EDGE_FILES}/{kind}/name", "mine", alone=True),
        Case(keyed, "k", WORKLOADS["edge"], f"{EDGE_FILES}/{kind}/items/0/key", "k", {named: "mine"}, True),
    ]


EDGE = [
    _settings("registration", "open", "edge", "REGISTRATION", "open"),
    _settings("heartbeatSeconds", 60, "edge", "HEARTBEAT_S", "60"),
    _settings("meterIntervalSeconds", 10, "edge", "METER_INTERVAL_S", "10"),
    _settings("maxChargers", 99_999, "edge", "MAX_CHARGERS", "99999"),
    _settings("maxInboxMessages", 2_000_000, "edge", "MAX_INBOX_MESSAGES", "2000000"),
    _settings("balancerUrl", "http://elsewhere:81", "edge", "BALANCER_URL", "http://elsewhere:81"),
    Case("edge.trustedProxies", ["10.0.0.0/8"], "ConfigMap/grid-edge", "data/SMARTGRID_TRUSTED_PROXIES", "10.0.0.0/8",
         PEER_SECRET, True),
    Case("edge.clientCertificateHeader", "ssl-client-subject-dn", "ConfigMap/grid-edge",
         "data/SMARTGRID_CLIENT_CERTIFICATE_HEADER", "ssl-client-subject-dn",
         PEER_SECRET | {"edge.trustedProxies": ["10.0.0.0/8"]}, True),
    _settings("edgeUrl", "http://e:1", "gateway", "EDGE_URL", "http://e:1"),
    _settings("edgeUrl", "http://e:1", "balancer", "EDGE_URL", "http://e:1"),
    *_file_of_edge("chargers", "secret", "secretName", "secretKey"),
    *_file_of_edge("idTags", "secret", "secretName", "secretKey"),
    *_file_of_edge("peerSecret", "secret", "secretName", "secretKey"),
    *_file_of_edge("quirks", "configMap", "configMap", "key"),
    Case("edge.chargers.secretName", "mine", "ConfigMap/grid-edge", "data/SMARTGRID_CHARGERS_FILE",
         "/var/run/secrets/edge/chargers.json", alone=True),
    Case("edge.tls.secretName", "cert", WORKLOADS["edge"], f"{POD}/volumes/2/secret/secretName", "cert", OWN_TLS,
         True),
    Case("edge.tls.secretName", "cert", "ConfigMap/grid-edge", "data/SMARTGRID_OCPP_TLS_CERT_FILE",
         "/var/run/secrets/tls/tls.crt", OWN_TLS, True),
    Case("edge.tls.clientCa.secretName", "ca", WORKLOADS["edge"], f"{EDGE_FILES}/secret/name", "ca", OWN_TLS, True),
    Case("edge.tls.clientCa.secretKey", "k", WORKLOADS["edge"], f"{EDGE_FILES}/secret/items/0/key", "k",
         OWN_TLS | {"edge.tls.clientCa.secretName": "ca"}, True),
    Case("edge.networkPolicy.chargers", FROM_INGRESS, EDGE_POLICY, "spec/ingress/2/from/1", FROM_INGRESS[0]),
    Case("edge.chargersService.type", "LoadBalancer", CHARGERS, "spec/type", "LoadBalancer", alone=True),
    Case("edge.chargersService.port", 443, CHARGERS, "spec/ports/0/port", 443, OPEN_TO_CHARGERS, True),
    Case("edge.chargersService.nodePort", 30900, CHARGERS, "spec/ports/0/nodePort", 30900, OPEN_TO_CHARGERS, True),
    Case("edge.chargersService.annotations", {"a": "b"}, CHARGERS, "metadata/annotations", {"a": "b"},
         OPEN_TO_CHARGERS, True),
    Case("edge.ingress.enabled", True, EDGE_INGRESS, "spec/rules/0/http/paths/0/path", "/ocpp"),
    Case("edge.ingress.className", "nginx", EDGE_INGRESS, "spec/ingressClassName", "nginx"),
    Case("edge.ingress.annotations", {"a": "b"}, EDGE_INGRESS, "metadata/annotations", {"a": "b"}),
    Case("edge.ingress.hosts", ["ocpp.example.com"], EDGE_INGRESS, "spec/rules/0/host", "ocpp.example.com"),
    Case("edge.ingress.tls", [{"secretName": "cert"}], EDGE_INGRESS, "spec/tls", [{"secretName": "cert"}]),
    Case("edge.httpRoute.enabled", True, EDGE_ROUTE, "spec/rules/0/matches/0/path/value", "/ocpp"),
    Case("edge.httpRoute.annotations", {"a": "b"}, EDGE_ROUTE, "metadata/annotations", {"a": "b"}),
    Case("edge.httpRoute.parentRefs", [{"name": "public"}], EDGE_ROUTE, "spec/parentRefs", [{"name": "public"}]),
    Case("edge.httpRoute.hostnames", ["ocpp.example.com"], EDGE_ROUTE, "spec/hostnames", ["ocpp.example.com"]),
]  # fmt: skip

BALANCER = [
    _settings("policy", "best-fit", "balancer", "POLICY", "best-fit"),
    _settings("pollIntervalSeconds", 2, "balancer", "POLL_INTERVAL_S", "2"),
    _settings("attemptTimeoutSeconds", 0.5, "balancer", "ATTEMPT_TIMEOUT_S", "0.5"),
    _settings("awayLifeHours", 0.5, "balancer", "AWAY_LIFE_H", "0.5"),
    _settings("substations", ["http://a:1", "b=http://b:2"], "balancer", "SUBSTATIONS", "http://a:1,b=http://b:2"),
    _settings("allowedTargets", ["*.svc", "10.0.0.0/8"], "balancer", "ALLOWED_TARGETS", "*.svc,10.0.0.0/8"),
    _settings("substationService", "elsewhere", "balancer", "KUBERNETES_SERVICE", "elsewhere"),
    Case("balancer.discovery", "static", "ConfigMap/grid-balancer", "data/SMARTGRID_DISCOVERY", "static",
         {"balancer.substations": ["http://a:1"]}, True),
    Case("balancer.discovery", "static", "Role/grid-balancer", "", ABSENT,
         {"balancer.substations": ["http://a:1"]}, True),
    Case("balancer.discovery", "static", WORKLOADS["balancer"], f"{POD}/automountServiceAccountToken", False,
         {"balancer.substations": ["http://a:1"]}, True),
    Case("balancer.rbac.create", False, "Role/grid-balancer", "", ABSENT, alone=True),
    Case("balancer.apiServerPorts", [8443], "NetworkPolicy/grid-balancer", "spec/egress/2/ports",
         [{"port": 8443, "protocol": "TCP"}]),
    Case("balancer.substations", ["http://a:1"], "NetworkPolicy/grid-balancer", "spec/egress/4", {}, alone=True),
    Case("balancer.allowedTargets", ["*.svc"], "NetworkPolicy/grid-balancer", "spec/egress/4", {}, alone=True),
]  # fmt: skip

INGRESS, ROUTE = "Ingress/grid-gateway", "HTTPRoute/grid-gateway"
CONSOLE = {"balancer.console.url": "https://grid.example.com"}
SESSION_KEY = {"balancer.console.sessionKey.secretName": "keys"}
CLIENT_SECRET = {"balancer.console.clientSecret.secretName": "secrets"}
SIGNED_IN = f"{POD}/volumes/3/projected/sources/0/secret"
CERTIFICATE = {"gateway.tls.certificate.enabled": True, "gateway.tls.certificate.issuerRef.name": "ca"}


def _console(name: str, value: Any, variable: str, expected: str) -> Case:
    return Case(f"balancer.console.{name}", value, "ConfigMap/grid-balancer", f"data/SMARTGRID_CONSOLE_{variable}",
                expected, CONSOLE, True)  # fmt: skip


IDENTITY = [
    _settings("rateLimit", "5/s burst 9", "gateway", "RATE_LIMIT", "5/s burst 9"),
    _settings("trustedProxies", ["10.0.0.0/8", "::1"], "gateway", "TRUSTED_PROXIES", "10.0.0.0/8,::1"),
    Case("gateway.tls.secretName", "cert", WORKLOADS["gateway"], f"{POD}/volumes/3/secret/secretName", "cert",
         alone=True),
    Case("gateway.tls.secretName", "cert", "ConfigMap/grid-gateway", "data/SMARTGRID_TLS_CERT_FILE",
         "/var/run/secrets/tls/tls.crt", alone=True),
    Case("gateway.tls.certificate.enabled", True, "Certificate/grid-gateway", "spec/secretName", "grid-gateway-tls",
         CERTIFICATE, True),
    Case("gateway.tls.certificate.issuerRef.name", "mine", "Certificate/grid-gateway", "spec/issuerRef/name", "mine",
         CERTIFICATE, True),
    Case("gateway.tls.certificate.issuerRef.kind", "ClusterIssuer", "Certificate/grid-gateway", "spec/issuerRef/kind",
         "ClusterIssuer", CERTIFICATE, True),
    Case("gateway.tls.certificate.dnsNames", ["grid.example.com"], "Certificate/grid-gateway", "spec/dnsNames",
         ["grid.example.com"], CERTIFICATE, True),
    _console("url", "https://grid.example.com", "URL", "https://grid.example.com"),
    _console("issuer", "https://login.example.com", "ISSUER", "https://login.example.com"),
    _console("clientId", "grid", "CLIENT_ID", "grid"),
    _console("scope", "openid groups", "SCOPE", "openid groups"),
    _console("sessionHours", 2, "SESSION_H", "2"),
    Case("balancer.console.sessionKey.secretName", "keys", WORKLOADS["balancer"], f"{SIGNED_IN}/name", "keys",
         alone=True),
    Case("balancer.console.sessionKey.secretKey", "mine", WORKLOADS["balancer"], f"{SIGNED_IN}/items/0/key", "mine",
         SESSION_KEY, True),
    Case("balancer.console.clientSecret.secretName", "keys", WORKLOADS["balancer"], f"{SIGNED_IN}/name", "keys",
         alone=True),
    Case("balancer.console.clientSecret.secretKey", "mine", WORKLOADS["balancer"], f"{SIGNED_IN}/items/0/key", "mine",
         CLIENT_SECRET, True),
    Case("global.quotas.substation", {"sessions": 2}, "ConfigMap/grid-substation", "data/SMARTGRID_QUOTAS",
         '{"fleet":{},"substation":{"sessions":2}}', alone=True),
    Case("global.quotas.fleet", {"power_kw": 66}, "ConfigMap/grid-balancer", "data/SMARTGRID_QUOTAS",
         '{"fleet":{"power_kw":66},"substation":{}}', alone=True),
    Case("loadtest.token.secretName", "keys", WORKLOADS["loadtest"], f"{CONTAINER}/env/0/valueFrom/secretKeyRef/name",
         "keys", LOADTEST, True),
    Case("loadtest.token.secretKey", "mine", WORKLOADS["loadtest"], f"{CONTAINER}/env/0/valueFrom/secretKeyRef/key",
         "mine", LOADTEST | {"loadtest.token.secretName": "keys"}, True),
]  # fmt: skip

WEST: dict[str, Any] = {"name": "west", "url": "https://west.example.com"}
OF_REGIONS: dict[str, Any] = {"substation.enabled": False, "edge.enabled": False, "global.regions": [WEST]}
RESIDENCY = OF_REGIONS | {
    "global.auth.issuers": [PROVIDER], "global.residency.claim": "country", "global.residency.label": "land",
}  # fmt: skip
IN_FRONT = {
    "issuer": "https://keys.example.com",
    "audience": "grid-west",
    "jwks": "https://keys.example.com:444/k",
    "subjects": ["system:serviceaccount:grid:grid-balancer"],
}
BELIEVED_IN_FRONT = {
    **{name: value for name, value in IN_FRONT.items() if name != "subjects"},
    "claims": {"scope": "sub"},
    "grants": {"system:serviceaccount:grid:grid-balancer": SERVES},
}
PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
REACHED: dict[str, Any] = {"balancer.regionAccess.issuers": [IN_FRONT], "balancer.regionAccess.peers": PEERS}
WITH_INGRESS = REACHED | {"balancer.ingress.enabled": True, "balancer.ingress.hosts": ["west.example.com"]}
WITH_ROUTE = REACHED | {
    "balancer.httpRoute.enabled": True,
    "balancer.httpRoute.hostnames": ["west.example.com"],
    "balancer.httpRoute.parentRefs": [{"name": "public"}],
}
REGION_INGRESS, REGION_ROUTE = "Ingress/grid-balancer", "HTTPRoute/grid-balancer"


def _of_region(value: str, to: Any, of: str, path: str, expected: Any, also: dict[str, Any]) -> Case:
    return Case(f"balancer.{value}", to, of, path, expected, also, True)


REGIONS = [
    Case("global.regions", [WEST], "ConfigMap/grid-balancer", "data/SMARTGRID_SUBSTATIONS",
         "west=https://west.example.com", OF_REGIONS, True),
    Case("global.regions", [WEST | {"labels": {"land": "DE"}, "priority": 2}], "ConfigMap/grid-balancer",
         "data/SMARTGRID_REGIONS", '[{"labels":{"land":"DE"},"name":"west","priority":2}]', OF_REGIONS, True),
    Case("global.regions", [WEST], "ConfigMap/grid-balancer", "data/SMARTGRID_DISCOVERY", "static", OF_REGIONS, True),
    Case("global.regions", [WEST], "ConfigMap/grid-gateway", "data/SMARTGRID_BALANCER_TIMEOUT_S", "5", OF_REGIONS,
         True),
    Case("global.residency.claim", "country", "ConfigMap/grid-gateway", "data/SMARTGRID_AUTH_ISSUERS",
         json.dumps([PROVIDER | {"claims": {"residency": "country"}}], separators=(",", ":"), sort_keys=True),
         RESIDENCY, True),
    Case("global.residency.label", "land", "ConfigMap/grid-balancer", "data/SMARTGRID_RESIDENCY_LABEL", "land",
         RESIDENCY, True),
    _settings("requestTimeoutSeconds", 3.5, "balancer", "REQUEST_TIMEOUT_S", "3.5"),
    _settings("balancerTimeoutSeconds", 4.5, "gateway", "BALANCER_TIMEOUT_S", "4.5"),
    _settings("region", "west", "balancer", "NAME", "west"),
    _believed("balancer.regionAccess.serviceAccounts", ["system:serviceaccount:power:front"], "balancer",
              _vouching(front=SERVES, grid_gateway=SERVES, grid_edge=SERVES)),
    _believed("balancer.regionAccess.issuers", [IN_FRONT], "balancer", _vouching(grid_gateway=SERVES, grid_edge=SERVES),
              BELIEVED_IN_FRONT),
    _of_region("regionAccess.peers", PEERS, "NetworkPolicy/grid-balancer", "spec/ingress/0/from/2", PEERS[0], REACHED),
    _of_region("ingress.enabled", True, REGION_INGRESS, "metadata/name", "grid-balancer", WITH_INGRESS),
    _of_region("ingress.enabled", True, "ConfigMap/grid-balancer", "data/SMARTGRID_SERVICE_HOSTS", "west.example.com",
               WITH_INGRESS),
    _of_region("ingress.className", "nginx", REGION_INGRESS, "spec/ingressClassName", "nginx", WITH_INGRESS),
    _of_region("ingress.annotations", {"a": "b"}, REGION_INGRESS, "metadata/annotations", {"a": "b"}, WITH_INGRESS),
    _of_region("ingress.hosts", ["w.example.com"], REGION_INGRESS, "spec/rules/0/host", "w.example.com", WITH_INGRESS),
    _of_region("ingress.tls", [{"secretName": "c"}], REGION_INGRESS, "spec/tls", [{"secretName": "c"}], WITH_INGRESS),
    _of_region("httpRoute.enabled", True, REGION_ROUTE, "metadata/name", "grid-balancer", WITH_ROUTE),
    _of_region("httpRoute.annotations", {"a": "b"}, REGION_ROUTE, "metadata/annotations", {"a": "b"}, WITH_ROUTE),
    _of_region("httpRoute.parentRefs", [{"name": "mine"}], REGION_ROUTE, "spec/parentRefs", [{"name": "mine"}],
               WITH_ROUTE),
    _of_region("httpRoute.hostnames", ["w.example.com"], REGION_ROUTE, "spec/hostnames", ["w.example.com"], WITH_ROUTE),
]  # fmt: skip

GATEWAY = [
    _settings("balancerUrl", "http://elsewhere:81", "gateway", "BALANCER_URL", "http://elsewhere:81"),
    Case("gateway.service.type", "NodePort", "Service/grid-gateway", "spec/type", "NodePort"),
    Case("gateway.service.port", 80, "Service/grid-gateway", "spec/ports/0/port", 80),
    Case("gateway.service.nodePort", 30080, "Service/grid-gateway", "spec/ports/0/nodePort", 30080),
    Case("gateway.ingress.enabled", True, INGRESS, "metadata/name", "grid-gateway"),
    Case("gateway.ingress.className", "nginx", INGRESS, "spec/ingressClassName", "nginx"),
    Case("gateway.ingress.annotations", {"a": "b"}, INGRESS, "metadata/annotations", {"a": "b"}),
    Case("gateway.ingress.hosts", ["grid.example.com"], INGRESS, "spec/rules/0/host", "grid.example.com"),
    Case("gateway.ingress.tls", [{"secretName": "cert"}], INGRESS, "spec/tls", [{"secretName": "cert"}]),
    Case("gateway.httpRoute.enabled", True, ROUTE, "metadata/name", "grid-gateway"),
    Case("gateway.httpRoute.annotations", {"a": "b"}, ROUTE, "metadata/annotations", {"a": "b"}),
    Case("gateway.httpRoute.parentRefs", [{"name": "public"}], ROUTE, "spec/parentRefs", [{"name": "public"}]),
    Case("gateway.httpRoute.hostnames", ["grid.example.com"], ROUTE, "spec/hostnames", ["grid.example.com"]),
    Case("gateway.httpRoute.path", "/grid", ROUTE, "spec/rules/0/matches/0/path/value", "/grid"),
    Case("gateway.httpRoute.path", "/grid", ROUTE, "spec/rules/0/filters/0/type", "URLRewrite"),
]


def _argument(value: str, to: Any, argument: str, **also: Any) -> Case:
    """The test looks for an argument among all of them where the path ends in `*`."""
    job = WORKLOADS["loadtest"]
    return Case(f"loadtest.{value}", to, job, f"{CONTAINER}/args/*", argument, LOADTEST | also, True)


TRACE = {"loadtest.scenario": "garage", "loadtest.trace.configMap": "sessions"}
LOAD_TEST = [
    _argument("scenario", "burst", "--scenario=burst"),
    _argument("requests", 1_000_000, "--requests=1000000"),
    _argument("users", 6, "--users=6"),
    _argument("rampUpSeconds", 0, "--ramp-up=0"),
    _argument("waitSeconds", 600, "--wait=600"),
    _argument("seed", 9, "--seed=9"),
    _argument("timeoutSeconds", 2.5, "--timeout=2.5"),
    _argument("target", "http://elsewhere:80", "--target=http://elsewhere:80"),
    _argument("thresholds.minSuccessRate", 0.99, "--min-success-rate=0.99"),
    _argument("thresholds.maxP95Ms", 250, "--max-p95-ms=250"),
    _argument("trace.key", "s.csv.gz", "--trace=/trace/s.csv.gz", **TRACE),
    _argument("trace.speedup", 120, "--speedup=120", **TRACE),
    Case("loadtest.trace.configMap", "sessions", WORKLOADS["loadtest"], f"{POD}/volumes/1/configMap/name", "sessions",
         LOADTEST | {"loadtest.scenario": "garage"}, True),
    Case("loadtest.networkPolicy.enabled", False, "NetworkPolicy/grid-loadtest", "", ABSENT, LOADTEST, True),
    Case("loadtest.networkPolicy.extraEgress", [{"ports": [{"port": 9}]}], "NetworkPolicy/grid-loadtest",
         "spec/egress/2", {"ports": [{"port": 9}]}, LOADTEST),
    Case("loadtest.settleSeconds", 2.5, WORKLOADS["loadtest"], f"{POD}/initContainers/0/command/5", "2.5", LOADTEST),
    Case("loadtest.backoffLimit", 5, WORKLOADS["loadtest"], "spec/backoffLimit", 5, LOADTEST),
    Case("loadtest.activeDeadlineSeconds", 60, WORKLOADS["loadtest"], "spec/activeDeadlineSeconds", 60, LOADTEST),
    Case("loadtest.ttlSecondsAfterFinished", 0, WORKLOADS["loadtest"], "spec/ttlSecondsAfterFinished", 0, LOADTEST),
]  # fmt: skip

PROMETHEUS = "spec/ingress/1/from/0"
NOBODY = {"matchLabels": {"a": "b"}}
SIDECARS = {"global.mesh": "istio-sidecar"}
PRINCIPALS = "spec/rules/0/from/0/source/principals"
GRID = [
    Case("global.imageRegistry", "registry.example.com", WORKLOADS["gateway"], f"{CONTAINER}/image",
         "registry.example.com/smart-grid/gateway:0.1.0", alone=True),
    Case("global.imagePullSecrets", [{"name": "all"}], WORKLOADS["gateway"], f"{POD}/imagePullSecrets",
         [{"name": "all"}], alone=True),
    Case("global.prometheus.namespaceSelector", NOBODY, "NetworkPolicy/grid-substation",
         f"{PROMETHEUS}/namespaceSelector/matchLabels/a", "b"),
    Case("global.prometheus.podSelector", NOBODY, "NetworkPolicy/grid-balancer",
         f"{PROMETHEUS}/podSelector/matchLabels/a", "b"),
    Case("global.tracing.endpoint", "http://collector:4318", "ConfigMap/grid-gateway",
         "data/OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318", alone=True),
    Case("global.tracing.endpoint", "http://collector:4318/v1", "NetworkPolicy/grid-substation",
         "spec/egress/2/ports/0/port", 4318, alone=True),
    Case("global.tracing.endpoint", "https://collector.example.com", "NetworkPolicy/grid-substation",
         "spec/egress/2/ports/0/port", 443, alone=True),
    Case("global.auth.services.enabled", False, "ConfigMap/grid-substation", "data/SMARTGRID_AUTH", "off", alone=True),
    _identity("global.auth.services.audience", "mine", "gateway", "0/serviceAccountToken/audience", "mine"),
    _identity("global.auth.services.expirationSeconds", 600, "balancer", "1/serviceAccountToken/expirationSeconds",
              600),
    _identity("global.auth.services.jwks.configMap", "keys", "substation", "0/configMap/name", "keys"),
    _identity("global.auth.services.jwks.key", "k", "substation", "0/configMap/items/0/key", "k",
              **{"global.auth.services.jwks.configMap": "keys"}),
    _believed("global.auth.services.jwks.issuer", "https://k", "substation",
              _vouching(issuer="https://k", grid_balancer=SERVES, grid_edge=SERVES),
              **{"global.auth.services.jwks.configMap": "keys"}),
    _believed("global.auth.issuers", [PROVIDER], "gateway", PROVIDER),
    _believed("global.auth.issuers", [PROVIDER], "balancer", _vouching(grid_gateway=SERVES, grid_edge=SERVES),
              PROVIDER),
    Case("global.auth.issuers", [PROVIDER], "NetworkPolicy/grid-gateway", "spec/egress/2/ports/0/port", 8443,
         alone=True),
    _believed("global.auth.operators", ["ops"], "substation",
              _vouching(grid_balancer=SERVES, grid_edge=SERVES, ops=OPERATES)),
    Case("global.mesh", "istio-sidecar", WORKLOADS["substation"],
         "spec/template/metadata/labels/sidecar.istio.io~inject", "true", alone=True),
    Case("global.mesh", "istio-ambient", WORKLOADS["balancer"],
         "spec/template/metadata/labels/istio.io~dataplane-mode", "ambient", alone=True),
    Case("global.istio.namespace", "mesh", "NetworkPolicy/grid-gateway",
         "spec/egress/3/to/0/namespaceSelector/matchLabels/kubernetes.io~metadata.name", "mesh", SIDECARS, True),
    Case("global.istio.routes", True, "VirtualService/grid-substation", "spec/http/0/retries", {"attempts": 0},
         SIDECARS, True),
    Case("global.istio.policies", True, "PeerAuthentication/grid-balancer", "spec/mtls/mode", "STRICT", SIDECARS, True),
    Case("global.istio.policies", True, "AuthorizationPolicy/grid-substation", f"{PRINCIPALS}/0",
         "cluster.local/ns/power/sa/grid-balancer", SIDECARS, True),
    Case("global.istio.trustDomain", "grid.example", "AuthorizationPolicy/grid-balancer", f"{PRINCIPALS}/0",
         "grid.example/ns/power/sa/grid-gateway", SIDECARS | {"global.istio.policies": True}, True),
    Case("global.istio.callers", ["system:serviceaccount:edge:in"], "AuthorizationPolicy/grid-balancer",
         f"{PRINCIPALS}/2", "cluster.local/ns/edge/sa/in", SIDECARS | {"global.istio.policies": True}, True),
    Case("global.istio.checkTokens", True, "RequestAuthentication/grid-gateway", "spec/jwtRules/0/jwksUri",
         PROVIDER["jwks"], SIDECARS | {"global.auth.issuers": [PROVIDER]}, True),
    Case("global.logHashKey.secretName", "keys", WORKLOADS["balancer"],
         f"{CONTAINER}/env/0/valueFrom/secretKeyRef/name", "keys"),
    Case("global.logHashKey.secretKey", "mine", WORKLOADS["gateway"],
         f"{CONTAINER}/env/0/valueFrom/secretKeyRef/key", "mine"),
    Case("global.liveCode", True, WORKLOADS["gateway"], f"{CONTAINER}/env/0", {"name": "PYTHONPATH", "value": "/code"},
         alone=True),
    Case("global.liveCode", True, WORKLOADS["substation"], f"{POD}/initContainers/0/name", "copy-code", alone=True),
    Case("substation.enabled", False, WORKLOADS["substation"], "", ABSENT,
         {"balancer.substationService": "elsewhere"}, True),
    Case("balancer.enabled", False, WORKLOADS["balancer"], "", ABSENT,
         {"gateway.balancerUrl": "http://b", "edge.balancerUrl": "http://b"}, True),
    Case("gateway.enabled", False, WORKLOADS["gateway"], "", ABSENT, alone=True),
    Case("edge.enabled", False, WORKLOADS["edge"], "", ABSENT, alone=True),
    Case("loadtest.enabled", True, WORKLOADS["loadtest"], "metadata/name", "grid-loadtest-1", alone=True),
]  # fmt: skip

CASES = [
    *GRID,
    *(case for service in SERVICES for case in _of_every_chart(service)),
    *(case for service in LONG_RUNNING for case in _of_every_service(service)),
    *_of_autoscaled("balancer"),
    *_of_autoscaled("gateway"),
    *AUTOSCALED_SUBSTATIONS,
    *CALLED,
    *IDENTITY,
    *SUBSTATION,
    *(case for service in STATEFUL for case in _persistence(service)),
    *BALANCER,
    *GATEWAY,
    *EDGE,
    *REGIONS,
    *LOAD_TEST,
]

TOGETHER = {
    "global.imageRegistry": "registry.example.com",
    "global.imagePullSecrets": [{"name": "all"}],
    "loadtest.target": "http://elsewhere:80",
} | {name: to for case in CASES if not case.alone for name, to in {**case.also, case.value: case.to}.items()}
"""All values of the cases that are not alone."""

TESTED_ELSEWHERE = {
    "prometheusRule.enabled",
    "prometheusRule.labels",
    "grafanaAlerts.enabled",
    "grafanaAlerts.labels",
    "dashboards.enabled",
    "dashboards.labels",
    "dashboards.annotations",
}
"""In test_monitoring.py, as they need files that may not be there."""
