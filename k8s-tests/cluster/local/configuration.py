"""The configuration files of the node's programs."""

from __future__ import annotations

import json
from textwrap import dedent

from cluster.local.layout import (
    CONTAINERD_SOCKET,
    KUBECONFIG,
    NODE_IP,
    PAUSE_IMAGE,
    PKI,
    POD_CIDR,
    PYTHON_IMAGE,
    STATE,
)

KUBELET_CONFIG = STATE / "kubelet.json"
COREFILE = STATE / "Corefile"
PROVISIONER_CONFIG = STATE / "storage.json"
HELPER_POD = STATE / "helper-pod.json"


def write() -> None:
    """Write all of them."""
    for folder in ("cni", "storage"):
        (STATE / folder).mkdir()
    (STATE / "cni/10-bridge.conflist").write_text(json.dumps(pod_network()))
    (STATE / "containerd.toml").write_text(containerd())
    KUBELET_CONFIG.write_text(json.dumps(kubelet()))
    # The host's resolver is not reachable from pods, and kubelet insists on a file.
    (STATE / "resolv.conf").write_text("")
    COREFILE.write_text(dns())
    PROVISIONER_CONFIG.write_text(json.dumps(storage()))
    HELPER_POD.write_text(json.dumps(storage_helper_pod()))


def pod_network() -> dict[str, object]:
    """A bridge. NetworkPolicies are enforced on it by a program of their own."""
    addresses = {
        "type": "host-local",
        "dataDir": str(STATE / "ipam"),
        "ranges": [[{"subnet": POD_CIDR}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    # hairpin: a pod may reach itself through its own Service.
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "smart-grid", "plugins": [{**bridge, "ipam": addresses}, ports]}


def containerd() -> str:
    """The container runtime. Without CAP_SYS_RESOURCE runc may not lower a process's OOM score and fails."""
    return dedent(f"""\
        version = 2
        root = "{STATE}/containerd"
        state = "{STATE}/run/containerd"
        [grpc]
          address = "{CONTAINERD_SOCKET}"
        [plugins."io.containerd.grpc.v1.cri"]
          sandbox_image = "{PAUSE_IMAGE}"
          restrict_oom_score_adj = true
          [plugins."io.containerd.grpc.v1.cri".cni]
            bin_dir = "/usr/lib/cni"
            conf_dir = "{STATE}/cni"
        """)


def kubelet() -> dict[str, object]:
    """The node's agent, on a machine that is not its own."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",  # there is no systemd
        "cgroupRoot": "/",
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "maxPods": 250,
        # The disk is the host's: its being full is no reason to throw out pods or images.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "imagefs.available": "0%",
            "nodefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(PKI / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(PKI / "kubelet.crt"),
        "tlsPrivateKeyFile": str(PKI / "kubelet.key"),
        "clusterDomain": "cluster.local",
        "clusterDNS": [NODE_IP],
        "resolvConf": str(STATE / "resolv.conf"),
        # Shorter than the defaults (1 min and 10 s): a changed ConfigMap or a dead node shows sooner.
        "syncFrequency": "2s",
        "nodeStatusUpdateFrequency": "4s",
    }


def dns() -> str:
    """Names of Services and pods; others are refused, as there is no network beyond."""
    return dedent(f"""\
        .:53 {{
          bind {NODE_IP}
          errors
          ready 127.0.0.1:8181
          kubernetes cluster.local in-addr.arpa {{
            kubeconfig {KUBECONFIG} smart-grid
            ttl 5
          }}
        }}
        """)


def storage() -> dict[str, object]:
    """Where the volumes' folders lie."""
    node = {"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [str(STATE / "storage")]}
    return {"nodePathMap": [node]}


def storage_helper_pod() -> dict[str, object]:
    """The pod that makes and removes a volume's folder: an image that is there anyway."""
    container = {"name": "helper-pod", "image": PYTHON_IMAGE, "imagePullPolicy": "IfNotPresent"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "helper-pod"},
        "spec": {"containers": [container]},
    }
