"""The smallest external metrics API: an aggregated API that tells an HPA what a grid's balancers say. Runs in a pod.

In production KEDA is that API. There is one for a whole cluster, so this one is for tests alone. Like KEDA it asks each
balancer that is ready, and the greatest number counts.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import urlopen

GROUP = "external.metrics.k8s.io/v1beta1"
METRICS = {"smartgrid_demand_kw": "demand_kw", "smartgrid_busy_floor": "busy_floor"}
PATH = re.compile(rf"/apis/{GROUP}(?:/namespaces/[^/]+/(?P<metric>\w+))?/?")
TIMEOUT_S = 3


def told(key: str) -> float:
    """The greatest number that a balancer tells."""
    balancers = socket.getaddrinfo(os.environ["BALANCERS"], 9090, type=socket.SOCK_STREAM)
    found = []
    for *_, address in balancers:
        with urlopen(f"http://{address[0]}:9090/autoscaling", timeout=TIMEOUT_S) as answer:
            found.append(float(json.load(answer)[key]))
    return max(found)


def resources() -> dict[str, Any]:
    """What there is, as API servers ask it of each other."""
    each = {"singularName": "", "namespaced": True, "kind": "ExternalMetricValueList", "verbs": ["get"]}
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": GROUP,
        "resources": [{"name": name, **each} for name in METRICS],
    }


def value(metric: str) -> dict[str, Any]:
    """One metric now."""
    number = f"{round(told(METRICS[metric]) * 1000)}m"
    item = {"metricName": metric, "metricLabels": {}, "timestamp": f"{datetime.now(UTC):%FT%TZ}", "value": number}
    return {"kind": "ExternalMetricValueList", "apiVersion": GROUP, "metadata": {}, "items": [item]}


class Handler(BaseHTTPRequestHandler):
    """Answers what an HPA asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = PATH.fullmatch(self.path.partition("?")[0])
        metric = path["metric"] if path else None
        try:
            known = path is not None and metric in (None, *METRICS)
            status, body = (200, value(metric) if metric else resources()) if known else (404, {"kind": "Status"})
        except (OSError, ValueError, KeyError) as error:
            status, body = 503, {"kind": "Status", "message": str(error)}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Serve for ever."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
    server = ThreadingHTTPServer(("", 6443), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
