"""The programs of the node and their command lines."""

from __future__ import annotations

from cluster.local.configuration import COREFILE, HELPER_POD, KUBELET_CONFIG, PROVISIONER_CONFIG
from cluster.local.layout import (
    KUBECONFIG,
    NODE,
    NODE_IP,
    PKI,
    POD_CIDR,
    PYTHON_IMAGE,
    SERVICE_CIDR,
    STATE,
)
from cluster.paths import BIN

ETCD_URL = "http://127.0.0.1:2379"
STORAGE_NAMESPACE = "local-path-storage"
METRICS_PORT = 4443


def command_lines() -> dict[str, list[str]]:
    """Every program of the node by its name."""
    return {
        "etcd": etcd(),
        "containerd": ["containerd", f"--config={STATE}/containerd.toml"],
        "kube-apiserver": api_server(),
        "kube-controller-manager": controller_manager(),
        # One of each, so there is nobody to elect a leader from; an election would cost 15 s after every restart.
        "kube-scheduler": [f"{BIN}/kube-scheduler", f"--kubeconfig={STATE}/scheduler.conf", "--leader-elect=false"],
        "kubelet": kubelet(),
        "kube-proxy": kube_proxy(),
        "network-policies": network_policies(),
        "coredns": [f"{BIN}/coredns", "-conf", str(COREFILE)],
        "local-path-provisioner": storage_provisioner(),
        "metrics-server": metrics_server(),
    }


def etcd() -> list[str]:
    """The cluster's database."""
    return [
        f"{BIN}/etcd",
        f"--data-dir={STATE}/etcd",
        "--unsafe-no-fsync",  # nothing in it outlives the cluster, and the disk is shared with everything else
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        "--listen-peer-urls=http://127.0.0.1:2380",
    ]


def api_server() -> list[str]:
    """The Kubernetes API, with what aggregated APIs (the metrics API) need."""
    return [
        f"{BIN}/kube-apiserver",
        f"--etcd-servers={ETCD_URL}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--advertise-address={NODE_IP}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={PKI}/ca.crt",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        f"--kubelet-client-certificate={PKI}/admin.crt",
        f"--kubelet-client-key={PKI}/admin.key",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",  # the node's name is in no DNS
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={PKI}/sa.pub",
        f"--service-account-signing-key-file={PKI}/sa.key",
        f"--requestheader-client-ca-file={PKI}/ca.crt",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={PKI}/front-proxy.crt",
        f"--proxy-client-key-file={PKI}/front-proxy.key",
        # The metrics server is no pod: it is called at its address, not by the Service's cluster address.
        "--enable-aggregator-routing=true",
    ]


def controller_manager() -> list[str]:
    """The controllers, with an autoscaler that a test need not wait minutes for."""
    return [
        f"{BIN}/kube-controller-manager",
        f"--kubeconfig={STATE}/controller-manager.conf",
        f"--service-account-private-key-file={PKI}/sa.key",
        f"--root-ca-file={PKI}/ca.crt",
        "--use-service-account-credentials",
        "--leader-elect=false",
        f"--cluster-cidr={POD_CIDR}",
        # The defaults are 15 s, 30 s and 5 min.
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
    ]


def kubelet() -> list[str]:
    """The node's agent."""
    return [
        f"{BIN}/kubelet",
        f"--config={KUBELET_CONFIG}",
        f"--kubeconfig={STATE}/kubelet.conf",
        f"--node-ip={NODE_IP}",
        f"--hostname-override={NODE}",
        f"--root-dir={STATE}/kubelet",
        f"--cert-dir={PKI}",
    ]


def kube_proxy() -> list[str]:
    """Services' cluster addresses and node ports."""
    return [
        f"{BIN}/kube-proxy",
        f"--kubeconfig={STATE}/proxy.conf",
        f"--cluster-cidr={POD_CIDR}",
        f"--hostname-override={NODE}",
        "--conntrack-max-per-core=0",  # leave the host's limit alone; it may not be writable either
        f"--nodeport-addresses={NODE_IP}/32",
    ]


def network_policies() -> list[str]:
    """What enforces NetworkPolicies: kube-router's controller, by iptables and ipset."""
    return [
        f"{BIN}/network-policies",
        f"--kubeconfig={KUBECONFIG}",
        f"--node={NODE}",
        f"--service-cidr={SERVICE_CIDR}",
    ]


def storage_provisioner() -> list[str]:
    """Volumes as folders on the node: what kind has too."""
    return [
        *(f"{BIN}/local-path-provisioner", "start", f"--config={PROVISIONER_CONFIG}", f"--kubeconfig={KUBECONFIG}"),
        *(f"--namespace={STORAGE_NAMESPACE}", f"--helper-image={PYTHON_IMAGE}", f"--helper-pod-file={HELPER_POD}"),
    ]


def metrics_server() -> list[str]:
    """The resource metrics API that autoscalers read."""
    return [
        f"{BIN}/metrics-server",
        f"--kubeconfig={KUBECONFIG}",
        f"--authentication-kubeconfig={KUBECONFIG}",
        f"--authorization-kubeconfig={KUBECONFIG}",
        f"--secure-port={METRICS_PORT}",
        f"--tls-cert-file={PKI}/metrics-server.crt",
        f"--tls-private-key-file={PKI}/metrics-server.key",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        # The shortest that it allows (the default is 60 s), and a timeout that must be below it.
        "--metric-resolution=10s",
        "--kubelet-request-timeout=5s",
    ]
