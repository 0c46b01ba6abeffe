"""`smartgrid up`: the whole grid as processes on this machine."""

from __future__ import annotations

import fcntl
import math
import os
import re
import signal
import sys
import time
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from smartgrid.auth.local_issuer import NoIssuerError
from smartgrid.cli.identity import Identities
from smartgrid.cli.options import RefusalError
from smartgrid.cli.plan import HOST, MAX_SUBSTATIONS, EdgePorts, Options, PlanError, Service, parse_regions, services
from smartgrid.cli.prometheus import Prometheus, PrometheusError, Target
from smartgrid.cli.supervisor import Supervisor

DEFAULT_SUBSTATIONS = 3
READY_TIMEOUT_S = 60.0
READY_TIMEOUT_PER_SERVICE_S = 4.0  # Python starts in about a second, and a small machine starts few at once
TICK_S = 0.2
PROBE_TIMEOUT_S = 2.0
OUT_OF_ROTATION = re.compile(rb"^substation_in_rotation{.*} 0", re.MULTILINE)
PORT = click.IntRange(1, 65535)


class Ending(Exception):  # noqa: N818 - no error
    """Raised by SIGINT and SIGTERM: the user wants `smartgrid up` to end."""


@click.command()
@click.option("--substations", type=click.IntRange(1, MAX_SUBSTATIONS), default=None, help="How many; 3 by default.")
@click.option(
    "--regions",
    "regions_text",
    metavar="NAME=N,…",
    help="In place of --substations, regions with a balancer and N substations each, and a balancer before them: "
    "--regions west=3,east=3.",
)
@click.option("--time-scale", type=float, default=1.0, show_default=True, help="How much faster cars charge.")
@click.option("--gateway-port", type=PORT, default=8080, show_default=True)
@click.option("--balancer-port", type=PORT, default=8081, show_default=True)
@click.option(
    "--substation-port",
    type=PORT,
    default=8082,
    show_default=True,
    help="The first; the others follow, and the regions' balancers after them.",
)
@click.option("--edge", "with_edge", is_flag=True, help="Run an edge, at which any OCPP charger may connect.")
@click.option(
    "--edge-port",
    type=PORT,
    default=9000,
    show_default=True,
    help="Where chargers connect: ws://127.0.0.1:9000/ocpp/substation-0/ and a name.",
)
@click.option("--edge-api-port", type=PORT, default=8079, show_default=True, help="The edge's own HTTP API.")
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path(".smartgrid"), show_default=True)
@click.option("--prometheus", "with_prometheus", is_flag=True, help="Run a Prometheus beside it, if one is installed.")
@click.option("--prometheus-port", type=PORT, default=9090, show_default=True)
@click.option("--auth", "with_auth", is_flag=True, help="Ask everyone for a token, and make an issuer of them.")
@click.option("--capacity-kw", "capacities", multiple=True, help="One value, or one each: --capacity-kw 90,100,110.")
def command(
    substations: int | None,
    regions_text: str | None,
    time_scale: float,
    gateway_port: int,
    balancer_port: int,
    substation_port: int,
    with_edge: bool,
    edge_port: int,
    edge_api_port: int,
    data_dir: Path,
    with_prometheus: bool,
    prometheus_port: int,
    with_auth: bool,
    capacities: tuple[str, ...],
) -> None:
    """Run substations, a balancer and a gateway, each as a process of its own, until Ctrl-C.

    With --regions, several grids of substations and a balancer, and before them a balancer of regions with the gateway.
    """
    if substations is not None and regions_text is not None:
        _refuse("--regions says how many substations there are, so --substations has no meaning with it")
    regions = _regions(regions_text) if regions_text is not None else {}
    count = sum(regions.values()) or substations or DEFAULT_SUBSTATIONS
    if not 0.001 <= time_scale <= 100_000:
        _refuse(f"--time-scale {time_scale:g} must be from 0.001 to 100000")
    capacities_kw = _capacities_kw(capacities)
    ports = (gateway_port, balancer_port, substation_port)
    edge = EdgePorts(edge_port, edge_api_port) if with_edge else None
    options = Options(count, time_scale, *ports, data_dir, capacities_kw, regions=regions, edge=edge)
    planned = _planned(options)
    _lock(data_dir)
    identities = _identities(data_dir) if with_auth else None
    if identities is not None:
        planned = _planned(replace(options, identity=identities.settings))
    _check_ports(planned, edge)
    watcher = _watcher(planned, data_dir, prometheus_port) if with_prometheus else None
    _run(planned, data_dir, watcher, identities, edge)


def _regions(text: str) -> dict[str, int]:
    try:
        return parse_regions(text)
    except PlanError as error:
        _refuse(str(error))


def _planned(options: Options) -> list[Service]:
    try:
        return services(options)
    except PlanError as error:
        _refuse(str(error))


def _identities(data_dir: Path) -> Identities:
    try:
        return Identities(data_dir)
    except (OSError, NoIssuerError) as error:
        _refuse(f"no issuer can be made in {data_dir}: {error}")


def _watcher(planned: list[Service], data_dir: Path, port: int) -> Prometheus:
    targets = [Target(service.command, service.name, service.port) for service in planned]
    try:
        return Prometheus(data_dir / "prometheus", targets, port)
    except PrometheusError as error:
        _refuse(str(error))


def _run(
    planned: list[Service],
    data_dir: Path,
    prometheus: Prometheus | None,
    identities: Identities | None,
    edge: EdgePorts | None,
) -> None:
    supervisor = Supervisor(planned, data_dir, _say)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        if identities is not None:
            identities.tend(time.monotonic())
        supervisor.start()
        _await_ready(supervisor)
        if prometheus is not None:
            prometheus.start()
        _introduce(planned, data_dir, prometheus, identities, edge)
        while True:
            time.sleep(TICK_S)
            supervisor.tend(time.monotonic())
            if identities is not None:
                identities.tend(time.monotonic())
    except Ending:
        _say("stopping")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # it is under way, and bounded
        if prometheus is not None:
            prometheus.stop()
        supervisor.stop()
        _say("stopped")


def _await_ready(supervisor: Supervisor) -> None:
    waiting = [child.service for child in supervisor.children]
    total = len(waiting)
    end_s = time.monotonic() + READY_TIMEOUT_S + READY_TIMEOUT_PER_SERVICE_S * total
    while waiting:
        waiting = [service for service in waiting if not _is_ready(service)]
        _progress(f"starting: {total - len(waiting)} of {total} ready")
        refusal = supervisor.refusal()
        if refusal is not None:
            _refuse(refusal)
        supervisor.tend(time.monotonic())
        if waiting and time.monotonic() > end_s:
            name = waiting[0].name
            _refuse(f"{name} was not ready in time; its log: {supervisor.log_path(name)}")
        time.sleep(TICK_S if waiting else 0)
    _progress("")


def _is_ready(service: Service) -> bool:
    """A balancer is ready also while it has not reached a member yet; here all are to be there before a car comes."""
    if _get(service, "/ready") is None:
        return False
    return service.command != "balancer" or OUT_OF_ROTATION.search(_get(service, "/metrics") or b"") is None


def _get(service: Service, path: str) -> bytes | None:
    connection = HTTPConnection(HOST, service.port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() if response.status == 200 else None
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def _introduce(
    planned: list[Service],
    data_dir: Path,
    prometheus: Prometheus | None,
    identities: Identities | None,
    edge: EdgePorts | None,
) -> None:
    width = max(15, *(len(service.name) for service in planned))
    for service in planned:
        _say(f"{service.name:<{width}} {service.url}")
    gateway, balancer = planned[-1], planned[-2]
    # What follows the # stays in the browser: it is in no server's log, and no proxy sees it.
    proof = f"#token={identities.operator_token()}" if identities is not None else ""
    _say(f"{'console':<{width}} {balancer.url}/{proof}")
    _say(f"{'API':<{width}} {gateway.url}/docs")
    if edge is not None:
        _say(f"{'chargers':<{width}} ws://{HOST}:{edge.ocpp}/ocpp/{planned[0].name}/YOUR-CHARGER (any is let in)")
    if prometheus is not None:
        _say(f"{'prometheus':<{width}} {prometheus.url}")
    _say(f"{'logs':<{width}} {data_dir / 'logs'}")
    _say("ready")


def _capacities_kw(given: tuple[str, ...]) -> list[float]:
    texts = [text.strip() for item in given for text in item.split(",")]
    return [_capacity_kw(text) for text in texts]


def _capacity_kw(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100_000:
        _refuse(f"--capacity-kw {text!r} must be a number of kW from 0 to 100000")
    return value


def _lock(data_dir: Path) -> None:
    """Have the data directory to ourselves; the lock ends with the process."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        _refuse(f"the data directory {data_dir} cannot be used: {(error.strerror or str(error)).lower()}")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _refuse(f"the data directory {data_dir} is in use by another `smartgrid up`; give this one its own --data-dir")


def _check_ports(planned: list[Service], edge: EdgePorts | None) -> None:
    from smartgrid.runtime.server import CannotListenError, check_address

    wanted = [(service.name, service.port, service.port_option) for service in planned]
    if edge is not None:
        wanted.append(("edge", edge.ocpp, "--edge-port"))
    for name, port, option in wanted:
        try:
            check_address(HOST, port)
        except CannotListenError as error:
            _refuse(f"{name}: {error}; choose another with {option}")


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Ending


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _progress(line: str) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\x1b[K{line}")
        sys.stdout.flush()


def _refuse(sentence: str) -> NoReturn:
    raise RefusalError(sentence)
