"""Which processes `smartgrid up` starts, with which settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from smartgrid.protocol.models import MEMBER_NAME

HOST = "127.0.0.1"
MAX_SUBSTATIONS = 1000
SUBSTATION, EDGE = "substation", "edge"
REGIONS_LIMITS = {"ATTEMPT_TIMEOUT_S": "2", "REQUEST_TIMEOUT_S": "4"}
"""Of a balancer of regions: a region is given the time to ask two substations that do not answer, and a third."""
REGIONS_GATEWAY_LIMITS = {"BALANCER_TIMEOUT_S": "5"}


class PlanError(Exception):
    """Invalid options; the message is one sentence that says what would be valid."""


class EdgePorts(NamedTuple):
    """Where chargers connect, and the edge's API."""

    ocpp: int
    api: int


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. `capacities_kw` is empty (each draws its own), one for all, or one each.

    With `regions`, the number of substations of each by its name, `substations` is their sum.
    """

    substations: int
    time_scale: float
    gateway_port: int
    balancer_port: int
    substation_port: int
    data_dir: Path
    capacities_kw: Sequence[float] = ()
    identity: Callable[[str], Mapping[str, str]] = lambda _service: {}
    """What proves a service to the others, as settings without the prefix; by default nothing is asked."""
    regions: Mapping[str, int] = field(default_factory=dict)
    edge: EdgePorts | None = None
    """Where the edge is, if there is to be one."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process: `smartgrid COMMAND` with these settings, reached at `url`."""

    name: str
    command: str
    port: int
    settings: Mapping[str, str]
    port_option: str = ""
    """What the user changes to have it at another port."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


def services(options: Options) -> list[Service]:
    """All processes in the order in which they start; they end in the reverse order. Raises PlanError."""
    _check(options)
    if options.regions:
        below, members = _in_regions(options)
        settings = {"REGIONS": json.dumps([{"name": name} for name in members]), **REGIONS_LIMITS}
        limits = REGIONS_GATEWAY_LIMITS
    else:
        below = [_substation(options, number) for number in range(options.substations)]
        members = {each.name: each for each in below}
        settings = limits = dict[str, str]()
    edge, known = _edge(options)
    balancer = _service(options, "balancer", options.balancer_port, SUBSTATIONS=_listed(members), **settings, **known)
    gateway = _service(options, "gateway", options.gateway_port, BALANCER_URL=balancer.url, **limits, **known)
    return [*below, *edge, balancer, gateway]


def _edge(options: Options) -> tuple[list[Service], dict[str, str]]:
    """The edge, if there is to be one, and what the others are told of it. Any charger may come, as it is nobody's
    but this machine's: it listens on loopback."""
    if options.edge is None:
        return [], {}
    settings = {
        "NAME": EDGE,
        "OCPP_HOST": HOST,
        "OCPP_PORT": str(options.edge.ocpp),
        "REGISTRATION": "open",
        "BALANCER_URL": f"http://{HOST}:{options.balancer_port}",
    }
    edge = _service(options, EDGE, options.edge.api, port_option="edge-api", **settings)
    return [edge], {"EDGE_URL": edge.url}


def _in_regions(options: Options) -> tuple[list[Service], dict[str, Service]]:
    """All substations and then the regions' balancers, at the ports after theirs; and these by the regions' names."""
    substations, balancers = list[Service](), dict[str, Service]()
    for region, count in options.regions.items():
        first, names = len(substations), [f"substation-{number}" for number in range(count)]
        own = {name: _substation(options, first + i, name, f"{region}-") for i, name in enumerate(names)}
        substations += own.values()
        port = options.substation_port + options.substations + len(balancers)
        settings = {"NAME": region, "SUBSTATIONS": _listed(own)}
        balancers[region] = _service(options, f"{region}-balancer", port, "balancer", SUBSTATION, **settings)
    return [*substations, *balancers.values()], balancers


def _listed(members: Mapping[str, Service]) -> str:
    return ",".join(f"{name}={member.url}" for name, member in members.items())


def parse_regions(text: str) -> dict[str, int]:
    """Read `west=3,east=3`: how many substations each region has. Raises PlanError."""
    found = dict[str, int]()
    for item in text.split(","):
        name, _, count = (part.strip() for part in item.partition("="))
        if not MEMBER_NAME.fullmatch(name) or not count.isascii() or not count.isdigit() or not int(count):
            raise PlanError(f"--regions takes names with numbers of substations, as in west=3,east=3, not {item!r}")
        if name in found:
            raise PlanError(f"--regions has {name} twice")
        found[name] = int(count)
    if sum(found.values()) > MAX_SUBSTATIONS:
        raise PlanError(f"--regions has {sum(found.values())} substations; {MAX_SUBSTATIONS} are possible")
    return found


def _check(options: Options) -> None:
    ports = {"--gateway-port": options.gateway_port, "--balancer-port": options.balancer_port}
    if options.edge is not None:
        if options.regions:
            raise PlanError("--edge is for a grid without regions: each region has an edge of its own, where it is")
        ports |= {"--edge-port": options.edge.ocpp, "--edge-api-port": options.edge.api}
    needed = options.substations + len(options.regions)
    last = options.substation_port + needed - 1
    if last > 65535:
        raise PlanError(f"--substation-port {options.substation_port} leaves no room for {needed} ports")
    for (name, port), (other, same) in combinations(ports.items(), 2):
        if port == same:
            raise PlanError(f"{name} and {other} are both {port}; each needs its own")
    for name, port in ports.items():
        if options.substation_port <= port <= last:
            raise PlanError(f"{name} {port} is among the substations' ports, {options.substation_port} to {last}")
    if len(options.capacities_kw) not in (0, 1, options.substations):
        given = len(options.capacities_kw)
        raise PlanError(
            f"--capacity-kw takes one value, or one for each of the {options.substations} substations, not {given}"
        )


def _substation(options: Options, number: int, name: str = "", region: str = "") -> Service:
    """The one at the port with this number; its process is named by the region too."""
    capacities, name = options.capacities_kw, name or f"substation-{number}"
    capacity = {"CAPACITY_KW": repr(capacities[number % len(capacities)])} if capacities else {}
    settings = {"NAME": name, "TIME_SCALE": repr(options.time_scale), **capacity}
    return _service(options, f"{region}{name}", options.substation_port + number, SUBSTATION, SUBSTATION, **settings)


def _service(
    options: Options, name: str, port: int, command: str = "", port_option: str = "", **settings: str
) -> Service:
    command = command or name
    common = {"HOST": HOST, "PORT": str(port), "DATA_DIR": str(options.data_dir / name)}
    common |= options.identity(command)
    prefixed = {f"SMARTGRID_{key}": value for key, value in {**common, **settings}.items()}
    return Service(name, command, port, prefixed, f"--{port_option or command}-port")
