"""Addresses, names and folders of the local cluster."""

from __future__ import annotations

from cluster.paths import CACHE

# 198.18.0.0/15 is set aside for tests between devices (RFC 2544), so it collides with no real network.
HOST_IP, NODE_IP = "198.18.0.1", "198.18.0.2"
POD_CIDR, SERVICE_CIDR = "10.244.0.0/16", "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"  # the first address of SERVICE_CIDR is always the API server's
CLUSTER, NODE = "smart-grid", "node-1"
NETWORK_NAMESPACE, HOST_DEVICE = "smartgrid", "smartgrid0"

STATE = CACHE / "state"
PKI = STATE / "pki"
LOGS = STATE / "log"
PROCESSES = STATE / "processes"
KUBECONFIG = STATE / "admin.conf"
CONTAINERD_SOCKET = STATE / "run/containerd.sock"
INIT_PID = STATE / "pid"

PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
PYTHON_IMAGE = "docker.io/library/python:3.13-slim"
