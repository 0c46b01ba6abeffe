"""What EndpointSlices say of a fleet. Pure; the slices are as the Kubernetes API writes them in JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from smartgrid.balancer.discovery import Member

Slice = dict[str, Any]
Endpoint = dict[str, Any]


def members(slices: Iterable[Slice], port_name: str) -> frozenset[Member]:
    """The substations in all slices of one Service, each pod once; those that may get no cars now are away.

    A pod is in two slices while the control plane moves it between them, and in an IPv4 and an IPv6 slice on a cluster
    with both: IPv4 wins, then the slice that comes later, which is the one with the fresher news.
    """
    found: dict[str, Member] = {}
    away: dict[str, Member] = {}
    for piece in sorted(slices, key=lambda piece: piece.get("addressType") != "IPv6"):
        port = _port(piece, port_name)
        for endpoint in piece.get("endpoints") or []:
            if port is not None and endpoint.get("addresses"):
                member = _member(endpoint, port)
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
    conditions = endpoint.get("conditions") or {}
    return (
        conditions.get("ready") is not False
        and conditions.get("serving") is not False
        and conditions.get("terminating") is not True
    )


def _port(piece: Slice, port_name: str) -> int | None:
    ports = piece.get("ports") or []
    return next((port.get("port") for port in ports if (port.get("name") or "") == port_name), None)


def _member(endpoint: Endpoint, port: int) -> Member:
    # By address, not by DNS name: a new pod's name is negatively cached for up to 30 s.
    address = str(endpoint["addresses"][0])
    host = f"[{address}]" if ":" in address else address
    return Member(_name(endpoint, address), f"http://{host}:{port}")


def _name(endpoint: Endpoint, address: str) -> str:
    """The pod's, or for an endpoint made by hand its host name or address. A DNS label, so without dots."""
    target = endpoint.get("targetRef") or {}
    name = target.get("name") or endpoint.get("hostname") or f"ip-{address}"
    return str(name).replace(".", "-").replace(":", "-").strip("-")
