"""A certificate authority, a certificate for each component, and the kubeconfigs that use them.

All are made anew by every `up` and live no longer than the cluster does.
"""

from __future__ import annotations

import json

from cluster.local.layout import API_SERVICE_IP, CLUSTER, NODE, NODE_IP, PKI, STATE
from cluster.shell import run

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
DAYS = ("-days", "30")
# Python 3.13 checks certificates by the letter of RFC 5280, and refuses a chain that lacks one of these.
AUTHORITY = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
MEMBER = """\
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""
# Kubernetes takes the user from the common name and the groups from the organisations.
CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "front-proxy": "/CN=front-proxy",
}


def make() -> None:
    """Write everything to the PKI and state folders."""
    PKI.mkdir(parents=True)
    make_authority()
    make_service_account_key()
    for name, subject in CLIENTS.items():
        make_certificate(name, subject)
    make_server_certificates()
    for name in ("admin", "controller-manager", "scheduler", "proxy", "kubelet"):
        write_kubeconfig(name)


def make_authority() -> None:
    """The cluster's own root of trust."""
    subject = ("-subj", "/CN=smart-grid-ca")
    openssl("req", "-x509", *NEW_KEY, *DAYS, *subject, *AUTHORITY, "-keyout", "ca.key", "-out", "ca.crt")


def make_service_account_key() -> None:
    """The key pair that signs and checks the pods' tokens."""
    openssl("genrsa", "-out", "sa.key", "2048")
    openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")


def make_server_certificates() -> None:
    """Certificates of those that are called by name or address."""
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
    addresses = (API_SERVICE_IP, "127.0.0.1", NODE_IP)
    make_certificate("apiserver", "/CN=kube-apiserver", [*(f"DNS:{n}" for n in names), *(f"IP:{a}" for a in addresses)])
    make_certificate("kubelet", f"/O=system:nodes/CN=system:node:{NODE}", [f"DNS:{NODE}", f"IP:{NODE_IP}"])
    service = "DNS:metrics-server.kube-system.svc"
    make_certificate("metrics-server", "/CN=metrics-server", [service, f"IP:{NODE_IP}"])


def make_certificate(name: str, subject: str, alternatives: list[str] | None = None) -> None:
    """`name.key` and `name.crt`, signed by the cluster's authority."""
    extensions = MEMBER
    if alternatives:
        extensions += f"subjectAltName={','.join(alternatives)}\n"
    (PKI / f"{name}.ext").write_text(extensions)
    openssl("req", *NEW_KEY, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial")
    openssl("x509", "-req", "-in", f"{name}.csr", *signer, *DAYS, "-out", f"{name}.crt", "-extfile", f"{name}.ext")


def write_kubeconfig(name: str) -> None:
    """`name.conf`; JSON is YAML too."""
    cluster = {"server": f"https://{NODE_IP}:6443", "certificate-authority": str(PKI / "ca.crt")}
    user = {"client-certificate": str(PKI / f"{name}.crt"), "client-key": str(PKI / f"{name}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CLUSTER,
        "clusters": [{"name": CLUSTER, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": CLUSTER, "context": {"cluster": CLUSTER, "user": name}}],
    }
    (STATE / f"{name}.conf").write_text(json.dumps(config))


def openssl(*arguments: str) -> None:
    """Run openssl in the PKI folder."""
    run("openssl", *arguments, cwd=PKI)
