"""What EndpointSlices say of a fleet. Pure; the slices are as the Kubernetes API writes them in JSON."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from smartgrid.balancer.discovery import Member
from smartgrid.protocol.models import MEMBER_NAME

MAX_READABLE = 40
MAX_PORT = 65535
MAX_DIGITS = 30
Slice = dict[str, Any]
Endpoint = dict[str, Any]


def members(slices: Iterable[Slice], port_name: str) -> frozenset[Member]:
    """The substations in all slices of one Service, each pod once; those that may get no cars now are away.

    A pod is in two slices while the control plane moves it between them, and in an IPv4 and an IPv6 slice on a cluster
    with both: IPv4 wins, then the slice with the fresher news. Slices of names (`addressType: FQDN`) are not believed:
    what a name leads to is whoever's choice.
    """
    found: dict[str, Member] = {}
    away: dict[str, Member] = {}
    for piece in sorted(slices, key=_rank):
        port = _port(piece, port_name)
        for endpoint in map(as_object, as_list(piece.get("endpoints"))):
            if port is not None and (address := _address(piece, endpoint)) is not None:
                member = _member(piece, endpoint, address, port)
                if usable(endpoint):
                    found[member.name] = member
                else:
                    away[member.name] = replace(member, away=True)
    return frozenset((away | found).values())


def usable(endpoint: Endpoint) -> bool:
    """Whether it may get cars.

    A missing condition means yes. A Service with `publishNotReadyAddresses` calls every endpoint ready; there `serving`
    and `terminating` tell.
    """
    conditions = as_object(endpoint.get("conditions"))
    return (
        conditions.get("ready") is not False
        and conditions.get("serving") is not False
        and conditions.get("terminating") is not True
    )


def _rank(piece: Slice) -> tuple[bool, int]:
    """Who comes later wins. A list comes by name, so freshness is read off the version: a number that grows with every
    change in the cluster. Where a server has another kind of version, the order in which they came decides."""
    version = str(as_object(piece.get("metadata")).get("resourceVersion") or "")
    is_number = version.isascii() and version.isdigit() and len(version) <= MAX_DIGITS
    return piece.get("addressType") == "IPv4", int(version) if is_number else 0


def _port(piece: Slice, port_name: str) -> int | None:
    ports = map(as_object, as_list(piece.get("ports")))
    found = next((port.get("port") for port in ports if (port.get("name") or "") == port_name), None)
    return found if type(found) is int and 0 < found <= MAX_PORT else None


def _address(piece: Slice, endpoint: Endpoint) -> str | None:
    text = str(next(iter(as_list(endpoint.get("addresses"))), ""))
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return text if piece.get("addressType") == f"IPv{found.version}" else None


def _member(piece: Slice, endpoint: Endpoint, address: str, port: int) -> Member:
    # By address, not by DNS name: a new pod's name is negatively cached for up to 30 s.
    host = f"[{address}]" if ":" in address else address
    return Member(_name(endpoint, address), f"http://{host}:{port}", host=_mesh_host(piece, endpoint))


def _mesh_host(piece: Slice, endpoint: Endpoint) -> str:
    """The pod by its name in the Service, by which a mesh's sidecar routes it; empty for what has none.

    Istio's sidecars know a headless Service as `*.service.namespace.svc`. A request for an address goes past their
    routes, and so in clear text, which strict peers refuse.
    """
    metadata, target = as_object(piece.get("metadata")), as_object(endpoint.get("targetRef"))
    service = as_object(metadata.get("labels")).get("kubernetes.io/service-name")
    labels = [str(part) for part in (target.get("name"), service, metadata.get("namespace"))]
    is_pod = target.get("kind") == "Pod" and all(MEMBER_NAME.fullmatch(label) for label in labels)
    return ".".join((*labels, "svc")) if is_pod else ""


def _name(endpoint: Endpoint, address: str) -> str:
    """The pod's, or for an endpoint made by hand its host name or address; as a DNS label."""
    target = as_object(endpoint.get("targetRef"))
    given = target.get("name") or endpoint.get("hostname")
    return _label(str(given)) if given else f"ip-{address}".replace(".", "-").replace(":", "-").strip("-")


def as_object(value: Any) -> dict[str, Any]:
    """What should be an object; an empty one for what is none, as nothing that it should say is there."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """What should be a list; an empty one for what is none."""
    return value if isinstance(value, list) else []


def _label(name: str) -> str:
    """The name itself where it is a label, else one that no other name makes: pods `a.b` and `a-b` are two."""
    if MEMBER_NAME.fullmatch(name):
        return name
    readable = re.sub("[^a-z0-9]+", "-", name.lower())[:MAX_READABLE].strip("-")
    return f"{readable or 'pod'}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
