"""For which hosts requests are taken, by their header `Host`.

A page of any web site can have its own name resolve to 127.0.0.1, and then its scripts may call whatever listens there
as if it was that site (DNS rebinding). But they cannot choose the header: it says that name. So on a loopback address,
where no one is asked who they are, requests must be for this machine by one of the names that it always has.

Probes and metrics are exempt: kubelets and Prometheus ask by address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from smartgrid.http_server.probes import PATHS
from smartgrid.http_server.wsgi import WsgiApp

STATUS = "421 Misdirected Request"
_PROBLEM = (
    b'{"type":"urn:smartgrid:problem:wrong-host","title":"Misdirected Request","status":421,'
    b'"detail":"This service does not answer for that host; SMARTGRID_ALLOWED_HOSTS says for which it does.",'
    b'"code":"wrong-host"}'
)


def parse(text: str) -> frozenset[str]:
    """A comma separated list of hosts, without ports."""
    return frozenset(host.strip().lower().strip("[]") for host in text.split(",") if host.strip())


def is_loopback(host: str) -> bool:
    """Whether it is this machine by a name or an address that it always has."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(header: str) -> str:
    """The host in a header `Host`, without its port, in lower case."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def only_for(app: WsgiApp, address: str, allowed: frozenset[str]) -> WsgiApp:
    """`app`, which listens at `address`, but only for these hosts; without any, for all, and on loopback for this
    machine."""
    loopback = is_loopback(address)
    if not loopback and not allowed:
        return app

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        host = host_of(environ.get("HTTP_HOST", ""))
        if host in allowed or (loopback and is_loopback(host)) or environ["PATH_INFO"] in PATHS:
            return app(environ, start_response)
        start_response(STATUS, [("Content-Type", "application/problem+json")])
        return [_PROBLEM]

    return wsgi
