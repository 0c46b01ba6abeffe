"""What each value of the charts may be. `generate.py` writes it out as values.schema.json; nothing else is accepted."""

from __future__ import annotations

from typing import Any

from render.charts import SERVICES
from smartgrid.domain.routing import POLICIES

Schema = dict[str, Any]


def strict(**properties: Schema) -> Schema:
    """An object with these properties and no others, so that a typo is refused by its name."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def whole(minimum: int, maximum: int | None = None) -> Schema:
    return {"type": "integer", "minimum": minimum} | ({} if maximum is None else {"maximum": maximum})


def number(minimum: float, maximum: float) -> Schema:
    return {"type": "number", "minimum": minimum, "maximum": maximum}


def or_null(schema: Schema) -> Schema:
    return schema | {"type": [schema["type"], "null"]}


def one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def text(pattern: str | None = None) -> Schema:
    return {"type": "string"} | ({} if pattern is None else {"pattern": pattern})


def each(items: Schema) -> Schema:
    return {"type": "array", "items": items}


FLAG: Schema = {"type": "boolean"}
AUTO_FLAG: Schema = {"enum": ["auto", True, False]}
KUBERNETES_OBJECT: Schema = {"type": "object"}
LABELS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
QUANTITIES: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
DNS_NAME = text(r"^$|^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
URL = text(r"^$|^https?://[^/\s]+")
PATH = text("^/")
HOST_NAMES = each(text(r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
NETWORKS = each(text(r"^[0-9A-Fa-f.:]+(/[0-9]+)?$"))
METRIC = text(r"^[^\s/]+$")
ABOVE_ZERO: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 100_000}
PLAIN_HOST_NAMES = each(text(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
DURATION = text(r"^([0-9]+(ms|s|m|h))+$")
NAMED = {"type": "object", "required": ["name"], "additionalProperties": False, "properties": {"name": text()}}
ENVIRONMENT = each(
    strict(name=text("^[A-Za-z_][A-Za-z0-9_.-]*$"), value=text(), valueFrom=KUBERNETES_OBJECT) | {"required": ["name"]}
)
PROBE = strict(
    initialDelaySeconds=whole(0),
    periodSeconds=whole(1),
    timeoutSeconds=whole(1),
    failureThreshold=whole(1),
    terminationGracePeriodSeconds=whole(1),
)

NAMED_KEY = strict(name=text("."), key=text(".")) | {"required": ["name"]}
REGION = strict(
    name=text(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"),
    url=text(r"^https?://[^/,\s]+$"),
    auth=strict(audience=text(r"^[^\s]+$"), tokenSecret=NAMED_KEY),
    tls=strict(caSecret=NAMED_KEY),
    labels=LABELS,
    priority=whole(0, 100),
) | {"required": ["name", "url"]}
FOREIGN_ISSUER = strict(
    issuer=text("."), audience=text("."), jwks=text(r"^https?://."), subjects=each(text(".")) | {"minItems": 1}
) | {"required": ["issuer", "audience", "jwks", "subjects"]}
SECRET_KEY = strict(secretName=text(), secretKey=text("."))
QUOTA = {
    "type": "object",
    "additionalProperties": False,
    "patternProperties": {"^sessions$": whole(1), "^power_kw$": {"type": "number", "exclusiveMinimum": 0}},
}

EVERY_CHART = {
    "enabled": FLAG,
    "global": KUBERNETES_OBJECT,
    "nameOverride": DNS_NAME,
    "fullnameOverride": DNS_NAME,
    "image": strict(
        repository=text(r"^[a-z0-9]+([._/:-][a-z0-9]+)*$"),
        tag=text(),
        digest=text(r"^$|^sha256:[0-9a-f]{64}$"),
        pullPolicy=one_of("Always", "IfNotPresent", "Never"),
    ),
    "imagePullSecrets": each(NAMED),
    "extraEnv": ENVIRONMENT,
    "resources": strict(requests=QUANTITIES, limits=QUANTITIES),
    "podAnnotations": LABELS,
    "podLabels": LABELS,
    "nodeSelector": LABELS,
    "tolerations": each(KUBERNETES_OBJECT),
    "affinity": KUBERNETES_OBJECT,
    "topologySpreadConstraints": or_null(each(KUBERNETES_OBJECT)),
    "priorityClassName": text(),
    "podSecurityContext": KUBERNETES_OBJECT,
    "securityContext": KUBERNETES_OBJECT,
    "serviceAccount": strict(create=FLAG, name=text(), annotations=LABELS),
}

EVERY_SERVICE = EVERY_CHART | {
    "replicaCount": whole(0, 1000),
    "logLevel": one_of("debug", "info", "warning", "error"),
    "threads": whole(2, 512),
    "shutdownDelaySeconds": number(0, 300),
    "drainTimeoutSeconds": {"type": "number", "exclusiveMinimum": 0, "maximum": 300},
    "minReadySeconds": whole(0),
    "service": strict(annotations=LABELS),
    "podMonitor": strict(enabled=AUTO_FLAG, interval=DURATION, labels=LABELS),
    "networkPolicy": strict(enabled=FLAG, extraIngress=each(KUBERNETES_OBJECT), extraEgress=each(KUBERNETES_OBJECT)),
    "podDisruptionBudget": strict(
        enabled=FLAG, maxUnavailable={"type": ["integer", "string"], "minimum": 1, "pattern": "^[0-9]+%$"}
    ),
    "startupProbe": PROBE,
    "readinessProbe": PROBE,
    "livenessProbe": PROBE,
}

DEPLOYMENT = {
    "updateStrategy": strict(type=one_of("RollingUpdate", "Recreate"), rollingUpdate=KUBERNETES_OBJECT),
    "autoscaling": strict(
        enabled=FLAG,
        minReplicas=whole(1),
        maxReplicas=whole(1),
        targetCPUUtilizationPercentage=whole(1, 1000),
        behavior=KUBERNETES_OBJECT,
    ),
}

INGRESS = strict(
    enabled=FLAG,
    className=text(),
    annotations=LABELS,
    hosts=HOST_NAMES,
    tls=each(strict(hosts=HOST_NAMES, secretName=text())),
)
HTTP_ROUTE = strict(
    enabled=FLAG,
    annotations=LABELS,
    parentRefs=each(KUBERNETES_OBJECT | {"required": ["name"]}),
    hostnames=HOST_NAMES,
)

CALLED = {"callers": each(text(r"^[^\s]+$")), "apiServerPorts": each(whole(1, 65535)) | {"minItems": 1}}

PERSISTENCE = strict(
    enabled=FLAG,
    storageClassName=or_null(text()),
    accessModes=each(one_of("ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany")) | {"minItems": 1},
    size=text(r"^[0-9.]+([EPTGMk]i?|m)?$"),
    annotations=LABELS,
    retentionPolicy=strict(whenDeleted=one_of("Retain", "Delete"), whenScaled=one_of("Retain", "Delete")),
)
STATEFUL = {
    "updateStrategy": strict(type=one_of("RollingUpdate", "OnDelete"), rollingUpdate=KUBERNETES_OBJECT),
    "persistence": PERSISTENCE,
}

SUBSTATION = (
    EVERY_SERVICE
    | CALLED
    | STATEFUL
    | {
        "autoscaling": strict(
            enabled=FLAG,
            kind=one_of("hpa", "keda"),
            minReplicas=whole(1, 1000),
            maxReplicas=whole(1, 1000),
            targetDemandKw=ABOVE_ZERO,
            behavior=KUBERNETES_OBJECT,
            tolerance=or_null(number(0, 1)),
            hpa=strict(demandMetric=METRIC, busyFloorMetric=METRIC, selector=LABELS),
            keda=strict(
                trigger=one_of("metrics-api", "prometheus"),
                pollingIntervalSeconds=whole(1, 3600),
                failureThreshold=whole(1),
                namespaceSelector=KUBERNETES_OBJECT,
                podSelector=KUBERNETES_OBJECT,
                prometheus=strict(serverAddress=URL, authenticationRef=DNS_NAME),
            ),
        ),
        "capacityKw": or_null(number(0, 100_000)),
        "timeScale": number(0.001, 100_000),
        "maxActiveSessions": or_null(whole(1, 1_000_000)),
        "maxSessionHours": {"type": "number", "exclusiveMinimum": 0, "maximum": 8784},
        "firmCapacityKw": or_null(number(0, 100_000)),
        "reservationSeconds": whole(10, 86_400),
        "leaseSeconds": whole(10, 3600),
        "maxWaitingCars": whole(0, 200),
        "keepEndedSessions": whole(0),
        "maxClockBackSeconds": {"type": "number", "minimum": 0},
    }
)

BALANCER = (
    EVERY_SERVICE
    | CALLED
    | DEPLOYMENT
    | {
        "edgeUrl": URL,
        "policy": one_of(*POLICIES),
        "discovery": one_of("kubernetes", "static"),
        "substationService": DNS_NAME,
        "substations": each(text(r"^([a-z0-9-]+=)?https?://[^,\s]+$")),
        "allowedTargets": each(text(r"^[^,\s]+$")),
        "pollIntervalSeconds": number(0.05, 300),
        "attemptTimeoutSeconds": or_null(number(0.05, 30)),
        "requestTimeoutSeconds": or_null(number(0.1, 60)),
        "region": DNS_NAME,
        "regionAccess": strict(
            serviceAccounts=each(text(r"^[^\s]+$")), issuers=each(FOREIGN_ISSUER), peers=each(KUBERNETES_OBJECT)
        ),
        "ingress": INGRESS | {"properties": {**INGRESS["properties"], "hosts": PLAIN_HOST_NAMES}},
        "httpRoute": HTTP_ROUTE | {"properties": {**HTTP_ROUTE["properties"], "hostnames": PLAIN_HOST_NAMES}},
        "awayLifeHours": number(0, 720),
        "console": strict(
            url=URL,
            issuer=text(),
            clientId=text(),
            scope=text("^openid( |$)"),
            sessionHours={"type": "number", "exclusiveMinimum": 0, "maximum": 168},
            sessionKey=SECRET_KEY,
            clientSecret=SECRET_KEY,
        ),
        "rbac": strict(create=FLAG),
    }
)

GATEWAY = (
    EVERY_SERVICE
    | DEPLOYMENT
    | {
        "edgeUrl": URL,
        "balancerUrl": URL,
        "balancerTimeoutSeconds": or_null(number(0.1, 60)),
        "rateLimit": text(r"^$|^off$|^[0-9.]+/s( burst [0-9]+)?$"),
        "trustedProxies": NETWORKS,
        "tls": strict(
            secretName=text(),
            certificate=strict(
                enabled=FLAG,
                issuerRef=strict(name=text(), kind=text("."), group=text(".")),
                dnsNames=HOST_NAMES,
            ),
        ),
        "service": strict(
            type=one_of("ClusterIP", "NodePort", "LoadBalancer"),
            port=whole(1, 65535),
            nodePort=or_null(whole(1, 65535)),
            annotations=LABELS,
        ),
        "ingress": INGRESS,
        "httpRoute": HTTP_ROUTE | {"properties": {**HTTP_ROUTE["properties"], "path": PATH}},
    }
)

EDGE = (
    EVERY_SERVICE
    | CALLED
    | STATEFUL
    | {
        "registration": one_of("closed", "open"),
        "chargers": SECRET_KEY,
        "idTags": SECRET_KEY,
        "peerSecret": SECRET_KEY,
        "quirks": strict(configMap=DNS_NAME, key=text(".")),
        "tls": strict(secretName=text(), clientCa=SECRET_KEY),
        "trustedProxies": NETWORKS,
        "clientCertificateHeader": text(r"^[A-Za-z0-9-]*$"),
        "heartbeatSeconds": whole(10, 86_400),
        "meterIntervalSeconds": whole(1, 3600),
        "maxChargers": whole(1, 100_000),
        "maxInboxMessages": whole(100, 100_000_000),
        "balancerUrl": URL,
        "chargersService": strict(
            type=one_of("none", "NodePort", "LoadBalancer"),
            port=whole(1, 65535),
            nodePort=or_null(whole(1, 65535)),
            annotations=LABELS,
        ),
        "ingress": INGRESS,
        "httpRoute": HTTP_ROUTE,
        "networkPolicy": strict(
            enabled=FLAG,
            chargers=each(KUBERNETES_OBJECT),
            extraIngress=each(KUBERNETES_OBJECT),
            extraEgress=each(KUBERNETES_OBJECT),
        ),
    }
)

LOADTEST = EVERY_CHART | {
    "token": SECRET_KEY,
    "scenario": one_of("normal", "high", "burst", "garage"),
    "requests": or_null(whole(1, 1_000_000)),
    "users": or_null(whole(1, 10_000)),
    "rampUpSeconds": or_null(number(0, 86_400)),
    "waitSeconds": or_null(number(1, 86_400)),
    "seed": {"type": "integer"},
    "timeoutSeconds": number(0.1, 600),
    "target": URL,
    "trace": strict(
        configMap=DNS_NAME,
        key=text(r"^[-._a-zA-Z0-9]+\.csv(\.gz)?$"),
        speedup={"type": ["number", "null"], "exclusiveMinimum": 0},
    ),
    "thresholds": strict(
        minSuccessRate=or_null(number(0, 1)), maxP95Ms={"type": ["number", "null"], "exclusiveMinimum": 0}
    ),
    "networkPolicy": strict(enabled=FLAG, extraEgress=each(KUBERNETES_OBJECT)),
    "settleSeconds": number(0, 3600),
    "backoffLimit": whole(0),
    "activeDeadlineSeconds": whole(1),
    "ttlSecondsAfterFinished": or_null(whole(0)),
}

ROOT = {
    "global": strict(
        imageRegistry=text(r"^$|^[^/\s].*$"),
        imagePullSecrets=each(NAMED),
        liveCode=FLAG,
        prometheus=strict(namespaceSelector=KUBERNETES_OBJECT, podSelector=KUBERNETES_OBJECT),
        tracing=strict(endpoint=URL),
        auth=strict(
            services=strict(
                enabled=FLAG,
                audience=text(),
                expirationSeconds=whole(600),
                jwks=strict(configMap=text(), key=text("."), issuer=text(".")),
            ),
            issuers=each(KUBERNETES_OBJECT),
            operators=each(text(r"^[^\s]+$")),
        ),
        regions=each(REGION) | {"maxItems": 1000},
        residency=strict(claim=text(), label=text()),
        mesh=one_of("none", "istio-sidecar", "istio-ambient"),
        istio=strict(
            namespace=text("."),
            trustDomain=text(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"),
            routes=AUTO_FLAG,
            policies=AUTO_FLAG,
            callers=each(text(r"^([-a-z0-9.]+|system:serviceaccount:[-a-z0-9]+:[-a-z0-9.]+)$")),
            checkTokens=AUTO_FLAG,
        ),
        quotas=strict(substation=QUOTA, fleet=QUOTA),
        logHashKey=strict(secretName=text(), secretKey=text()),
    ),
    "prometheusRule": strict(enabled=AUTO_FLAG, labels=LABELS),
    "grafanaAlerts": strict(enabled=FLAG, labels=LABELS),
    "dashboards": strict(enabled=FLAG, labels=LABELS, annotations=LABELS),
    # What else they may be, their own schemas say.
    **{service: {"type": "object", "properties": {"enabled": FLAG}} for service in SERVICES},
}

OF_CHART: dict[str, Schema] = {
    "": strict(**ROOT),
    "substation": strict(**SUBSTATION),
    "balancer": strict(**BALANCER),
    "gateway": strict(**GATEWAY),
    "edge": strict(**EDGE),
    "loadtest": strict(**LOADTEST),
}
"""By chart, as `charts.FOLDERS`."""
