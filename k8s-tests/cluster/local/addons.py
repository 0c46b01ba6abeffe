"""What kind brings along too: the `standard` storage class; and the metrics API."""

from __future__ import annotations

import json

from cluster.local.components import METRICS_PORT, STORAGE_NAMESPACE
from cluster.local.configuration import storage, storage_helper_pod
from cluster.local.kubectl import apply
from cluster.local.layout import NODE_IP

MAKE_FOLDER = '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n'
REMOVE_FOLDER = '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n'
METRICS_NAME = {"name": "metrics-server", "namespace": "kube-system"}


def install() -> None:
    """Tell the cluster of them; their programs run on the node."""
    apply([*storage_class(), *metrics_api()])


def storage_class() -> list[dict[str, object]]:
    """The default class, and what its provisioner asks for in its namespace."""
    scripts = {
        "setup": MAKE_FOLDER,
        "teardown": REMOVE_FOLDER,
        "helperPod.yaml": json.dumps(storage_helper_pod()),
        "config.json": json.dumps(storage()),
    }
    account = {"name": "local-path-provisioner-service-account", "namespace": STORAGE_NAMESPACE}
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": STORAGE_NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "local-path-config", "namespace": STORAGE_NAMESPACE},
            "data": scripts,
        },
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "standard", "annotations": default},
            "provisioner": "rancher.io/local-path",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
    ]


def metrics_api() -> list[dict[str, object]]:
    """A Service without pods that stands for the metrics server on the node."""
    slice_metadata = {**METRICS_NAME, "labels": {"kubernetes.io/service-name": METRICS_NAME["name"]}}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": METRICS_NAME,
            "spec": {"ports": [{"port": 443, "targetPort": METRICS_PORT}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slice_metadata,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NODE_IP]}],
            "ports": [{"name": "", "port": METRICS_PORT, "protocol": "TCP"}],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,  # both ends are on this node
                "service": METRICS_NAME,
            },
        },
    ]
