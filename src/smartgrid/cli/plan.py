"""Which processes `smartgrid up` starts, with which settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
MAX_SUBSTATIONS = 1000


class PlanError(Exception):
    """Invalid options; the message is one sentence that says what would be valid."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. `capacities_kw` is empty (each draws its own), one for all, or one each."""

    substations: int
    time_scale: float
    gateway_port: int
    balancer_port: int
    substation_port: int
    data_dir: Path
    capacities_kw: Sequence[float] = ()
    identity: Callable[[str], Mapping[str, str]] = lambda _service: {}
    """What proves a service to the others, as settings without the prefix; by default nothing is asked."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process: `smartgrid COMMAND` with these settings, reached at `url`."""

    name: str
    command: str
    port: int
    settings: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


def services(options: Options) -> list[Service]:
    """All processes in the order in which they start; they end in the reverse order. Raises PlanError."""
    _check(options)
    substations = [_substation(options, number) for number in range(options.substations)]
    fleet = ",".join(f"{substation.name}={substation.url}" for substation in substations)
    balancer = _service(options, "balancer", options.balancer_port, SUBSTATIONS=fleet)
    gateway = _service(options, "gateway", options.gateway_port, BALANCER_URL=balancer.url)
    return [*substations, balancer, gateway]


def _check(options: Options) -> None:
    ports = {"--gateway-port": options.gateway_port, "--balancer-port": options.balancer_port}
    last = options.substation_port + options.substations - 1
    if last > 65535:
        raise PlanError(f"--substation-port {options.substation_port} leaves no room for {options.substations} ports")
    if options.gateway_port == options.balancer_port:
        raise PlanError(f"--gateway-port and --balancer-port are both {options.gateway_port}; each needs its own")
    for name, port in ports.items():
        if options.substation_port <= port <= last:
            raise PlanError(f"{name} {port} is among the substations' ports, {options.substation_port} to {last}")
    if len(options.capacities_kw) not in (0, 1, options.substations):
        given = len(options.capacities_kw)
        raise PlanError(
            f"--capacity-kw takes one value, or one for each of the {options.substations} substations, not {given}"
        )


def _substation(options: Options, number: int) -> Service:
    capacities = options.capacities_kw
    capacity = {"CAPACITY_KW": repr(capacities[number % len(capacities)])} if capacities else {}
    name = f"substation-{number}"
    scale = {"TIME_SCALE": repr(options.time_scale)}
    return _service(options, name, options.substation_port + number, "substation", NAME=name, **scale, **capacity)


def _service(options: Options, name: str, port: int, command: str | None = None, **settings: str) -> Service:
    common = {"HOST": HOST, "PORT": str(port), "DATA_DIR": str(options.data_dir / name)}
    common |= options.identity(command or name)
    prefixed = {f"SMARTGRID_{key}": value for key, value in {**common, **settings}.items()}
    return Service(name, command or name, port, prefixed)
