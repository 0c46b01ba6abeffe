"""`make bench-peers`: HAProxy, NGINX and our balancer with each policy, before the same substations and arrivals.

Every contender gets the same recorded cars (rigid, mix a, demand 0.85) at the same moments, one contender after the
other over the same substation processes, emptied in between. The peers know nothing of power; they may send a refused
request to another server as often as there are others. Then 20 connections send cars that are full at once as fast as
they get answers. Needs Debian's haproxy and nginx.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import load
import real_grid

from smartgrid.domain.routing import POLICIES
from smartgrid.simulation.optimum import optimum_kwh
from smartgrid.workload.poisson import Recipe, generate

PEER_PORT, BALANCER_PORT, FIRST_PORT = 18301, 18304, 18310
CONNECTIONS = 20

HAPROXY = """
global
    nbthread 1
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    option http-buffer-request
    option redispatch 1
    retries {retries}
    retry-on all-retryable-errors 503
frontend cars
    bind 127.0.0.1:{port}
    default_backend substations
backend substations
    balance leastconn
    {servers}
"""

NGINX = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    upstream substations {{
        {method};
        {servers}
        keepalive 32;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://substations;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_next_upstream error timeout http_503 non_idempotent;
            proxy_next_upstream_tries 0;
        }}
    }}
}}
"""


@contextmanager
def haproxy(members: Mapping[str, int], folder: Path) -> Iterator[tuple[int, int]]:
    servers = "\n    ".join(f"server {name} 127.0.0.1:{port}" for name, port in members.items())
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(retries=len(members) - 1, port=PEER_PORT, servers=servers))
    with real_grid.program([_found("haproxy"), "-db", "-f", str(config)], folder / "haproxy.out") as pid:
        real_grid.wait_until_ready(PEER_PORT, "/ready")
        yield PEER_PORT, pid


@contextmanager
def nginx(method: str, members: Mapping[str, int], folder: Path) -> Iterator[tuple[int, int]]:
    servers = "\n        ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in members.values())
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, method=method, port=PEER_PORT, servers=servers))
    with real_grid.program([_found("nginx"), "-c", str(config)], folder / "nginx.out") as pid:
        real_grid.wait_until_ready(PEER_PORT, "/ready")
        yield PEER_PORT, pid


@contextmanager
def ours(policy: str, members: Mapping[str, int], folder: Path) -> Iterator[tuple[int, int]]:
    with real_grid.balancer(BALANCER_PORT, members, policy, folder) as pid:
        yield BALANCER_PORT, pid


def contenders() -> dict[str, Callable[[Mapping[str, int], Path], object]]:
    peers: dict[str, Callable[[Mapping[str, int], Path], object]] = {
        "HAProxy leastconn": haproxy,
        "NGINX least_conn": lambda members, folder: nginx("least_conn", members, folder),
        "NGINX random two": lambda members, folder: nginx("random two least_conn", members, folder),
    }
    return peers | {f"smartgrid {policy}": _ours(policy) for policy in POLICIES}


def _ours(policy: str) -> Callable[[Mapping[str, int], Path], object]:
    return lambda members, folder: ours(policy, members, folder)


def tiny_cars() -> Callable[[], bytes]:
    """A different car each time, full after a few milliseconds."""
    numbers = itertools.count()

    def make() -> bytes:
        body = b'{"vehicle_id": "EV-%08d", "energy_kwh": 0.00002, "max_power_kw": 3.7}' % next(numbers)
        head = (
            b"POST /charge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        )
        return head % len(body) + body

    return make


def _found(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        raise SystemExit(f"{name} is not installed: apt-get install haproxy nginx-light")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--substations", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=60, help="of arrivals for each contender")
    parser.add_argument("--throughput-seconds", type=float, default=4)
    parser.add_argument("--mean-session-s", type=float, default=5, help="of wall time")
    parser.add_argument("--mix", default="a")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="contenders whose name contains this")
    options = parser.parse_args()
    speedup = 60 / options.mean_session_s
    workload = generate(Recipe(options.mix, options.substations, 0.85, 60.0, options.seconds * speedup), options.seed)
    versions = [subprocess.run([_found(name), "-v"], capture_output=True, text=True, check=True) for name in
                ("haproxy", "nginx")]  # fmt: skip
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for version in versions:
        print((version.stdout or version.stderr).splitlines()[0])
    print(f"{options.substations} substations, {len(workload.cars)} cars in {options.seconds:g} s, "
          f"optimum {optimum_kwh(workload):.2f} kWh\n")  # fmt: skip
    print(
        f"{'':24} {'accepted':>10} {'of opt.':>8} {'refused':>8} {'failed':>7} {'load sd':>8} {'over':>5} "
        f"{'p50 ms':>7} {'p99 ms':>7} {'req/s':>7} {'CPU us':>7} {'MB':>5}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with real_grid.substations(workload, FIRST_PORT, speedup, folder) as members:
            for contender, start in contenders().items():
                if options.only in contender:
                    print(f"{contender:24} {measured(start, workload, members, speedup, folder, options)}", flush=True)


def measured(start, workload, members, speedup, folder, options) -> str:  # type: ignore[no-untyped-def]
    with start(members, folder) as (port, pid):
        run = real_grid.drive(port, workload, members, speedup)
        real_grid.end_all_sessions(members)
        before_s = real_grid.cpu_s(pid)
        fast = load.run(port, tiny_cars(), CONNECTIONS, options.throughput_seconds)
        cpu_us = 1e6 * (real_grid.cpu_s(pid) - before_s) / max(1, len(fast.latencies_s))
        memory_mb = real_grid.memory_mb(pid)
    real_grid.end_all_sessions(members)
    wrong = sum(count for status, count in fast.statuses.items() if status != 201)
    if wrong:
        print(f"{wrong} of {len(fast.latencies_s)} answers under full load were no 201", file=sys.stderr)
    return (
        f"{run.accepted_kwh:7.2f}kWh {100 * run.accepted_kwh / optimum_kwh(workload):7.2f}% {run.refused:8} "
        f"{run.failed:7} {run.load_sd:8.2f} {run.over_capacity:5} {run.percentile_ms(0.5):7.1f} "
        f"{run.percentile_ms(0.99):7.1f} {fast.rate:7.0f} {cpu_us:7.0f} {memory_mb:5.0f}"
    )


if __name__ == "__main__":
    main()
