"""The node's network namespace and the cable between it and the host."""

from __future__ import annotations

from cluster.local.layout import HOST_DEVICE, HOST_IP, NETWORK_NAMESPACE, NODE_IP, POD_CIDR, SERVICE_CIDR
from cluster.shell import run, succeeds


def create() -> None:
    """Make them, and routes by which the host reaches pods and Services by their cluster addresses."""
    run(*f"ip netns add {NETWORK_NAMESPACE}".split())
    run(*f"ip link add {HOST_DEVICE} type veth peer name eth0 netns {NETWORK_NAMESPACE}".split())
    run(*f"ip addr add {HOST_IP}/24 dev {HOST_DEVICE}".split())
    run(*f"ip link set {HOST_DEVICE} up".split())
    configure_node_side()
    for network in (SERVICE_CIDR, POD_CIDR):
        run(*f"ip route replace {network} via {NODE_IP}".split())


def configure_node_side() -> None:
    """Addresses and routes inside the namespace."""
    inside = f"ip -n {NETWORK_NAMESPACE}"
    run(*f"{inside} addr add {NODE_IP}/24 dev eth0".split())
    run(*f"{inside} link set eth0 up".split())
    run(*f"{inside} link set lo up".split())
    run(*f"{inside} route add default via {HOST_IP}".split())


def remove() -> None:
    """Remove what is there; the host's routes go with the device."""
    succeeds("ip", "link", "del", HOST_DEVICE)
    succeeds("ip", "netns", "del", NETWORK_NAMESPACE)
