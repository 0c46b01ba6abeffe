"""Dex in a cluster: an identity provider to log in at, for tests of tokens.

It has a login page, authorization codes with PKCE, the password grant and ID tokens with the user's groups. Its keys
are objects in the cluster, so they outlive its pod, and are rotated when the time that they name has come. It has no
client credentials, so services are known by their service accounts and not by it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cluster import tools
from cluster.deploy import RBAC, Object, account, apply, build_image, image_name, kubectl, namespace

if TYPE_CHECKING:
    from cluster.backend import Backend

MODULE_FOLDER = Path(__file__).resolve().parent / "dex"
NAMESPACE, NAME, PORT = "identity", "dex", 5556
ISSUER = f"http://{NAME}.{NAMESPACE}.svc:{PORT}/dex"
KEYS_URL = f"{ISSUER}/keys"
CLIENT = "smartgrid"  # the audience of its tokens
REDIRECT_URI = "http://127.0.0.1:8081/callback"

PASSWORD = "password"
_PASSWORD_HASH = "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W"
DRIVERS, OPERATORS = "drivers", "operators"
USERS = {
    "driver-1@example.com": DRIVERS,
    "driver-2@example.com": DRIVERS,
    "operator@example.com": OPERATORS,
}
"""Users and the group of each; all have the same password."""


def issuer_setting() -> dict[str, object]:
    """An entry of SMARTGRID_AUTH_ISSUERS: what the groups may do."""
    return {
        "issuer": ISSUER,
        "audience": CLIENT,
        "jwks": KEYS_URL,
        "algorithms": ["RS256"],
        "claims": {"scope": "groups"},
        "grants": {DRIVERS: ["charge:write", "charge:read"], OPERATORS: ["grid:read", "grid:operate"]},
    }


def install(backend: Backend) -> None:
    """Build Dex if needed, run it in the cluster and wait until it is ready."""
    tools.build(NAME, "go", "install", "-trimpath", *tools.STRIP, "tool", folder=MODULE_FOLDER)
    build_image(backend, NAME)
    apply(backend, [namespace(NAMESPACE), role(), *account(NAMESPACE, NAME, NAME), secret(), deployment(), service()])
    wait_until_ready(backend)


def wait_until_ready(backend: Backend) -> None:
    """Wait until it answers."""
    kubectl(backend, "rollout", "status", f"--namespace={NAMESPACE}", f"deployment/{NAME}", "--timeout=120s")


def configuration() -> str:
    """Its configuration file; JSON is YAML too."""
    people = [
        {
            "email": email,
            "username": email.partition("@")[0],
            "userID": email.partition("@")[0],
            "groups": [group],
            "hash": _PASSWORD_HASH,
        }
        for email, group in USERS.items()
    ]
    return json.dumps(
        {
            "issuer": ISSUER,
            "storage": {"type": "kubernetes", "config": {"inCluster": True}},
            "web": {"http": f"0.0.0.0:{PORT}"},
            "oauth2": {"skipApprovalScreen": True, "passwordConnector": "local"},
            "expiry": {"idTokens": "1h"},
            "signer": {"type": "local", "config": {"keysRotationPeriod": "6h"}},
            "staticClients": [{"id": CLIENT, "name": "Smart Grid", "public": True, "redirectURIs": [REDIRECT_URI]}],
            "enablePasswordDB": True,
            "staticPasswords": people,
        }
    )


def secret() -> Object:
    """The configuration as it is mounted."""
    metadata = {"name": NAME, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"dex.json": configuration()}}


def role() -> Object:
    """It keeps what it knows in objects of its own kinds, which it adds to the cluster."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": [
            {"apiGroups": ["dex.coreos.com"], "resources": ["*"], "verbs": ["*"]},
            {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["*"]},
        ],
    }


def deployment() -> Object:
    """One pod; a changed configuration makes a new one."""
    labels = {"app.kubernetes.io/name": NAME}
    container = {
        "name": NAME,
        "image": image_name(NAME),
        "imagePullPolicy": "IfNotPresent",
        "args": ["serve", "/etc/dex/dex.json"],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/dex/healthz", "port": "http"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/dex"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {"checksum/configuration": checksum()}},
                "spec": {
                    "serviceAccountName": NAME,
                    "terminationGracePeriodSeconds": 1,
                    "containers": [container],
                    "volumes": [{"name": "configuration", "secret": {"secretName": NAME}}],
                },
            },
        },
    }


def checksum() -> str:
    """Of the configuration."""
    return hashlib.sha256(configuration().encode()).hexdigest()


def service() -> Object:
    """The address that is in its tokens."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"selector": {"app.kubernetes.io/name": NAME}, "ports": [{"name": "http", "port": PORT}]},
    }
