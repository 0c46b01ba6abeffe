"""What those who follow sessions cost: `python benchmarks/bench_followers.py [followers ...]`.

Each follows a session of its own, through one real gateway, balancer and substation. Printed for each number: the CPU
that each process takes for it, in % of one core, the gateway's threads and memory, how often a session is looked at,
and how long after a session's stop its follower hears of it.
"""

from __future__ import annotations

import os
import selectors
import socket
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.grid import Grid, car
from support.processes import Process

NUMBERS = (0, 100, 500)
MEASURED_S = 10.0
STOPS = 20
CAPACITY_KW = 10_000.0


def main(numbers: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder, Grid(Path(folder), [CAPACITY_KW], gateways=1) as grid:
        started = [begin(grid.gateway, f"EV-{number}") for number in range(max(numbers))]
        print(
            "followers   CPU of gateway, balancer, substation   threads   memory   a stop is heard of: median, longest"
        )
        for number in numbers:
            with ExitStack() as stack:
                followed = {each: stack.enter_context(follow(grid.gateway, each)) for each in started[:number]}
                print(f"{number:9d}   {measured(grid, followed)}")
            time.sleep(2)


def begin(gateway: Process, vehicle_id: str) -> str:
    reply = gateway.call("POST", "/charge", json=car(vehicle_id, energy_kwh=500, max_power_kw=2, min_power_kw=2))
    assert reply.status == 201, reply
    return str(reply.json()["session_id"])


def follow(gateway: Process, session_id: str) -> socket.socket:
    """A connection on which the first event has come."""
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    made = socket.create_connection((host, int(port)), 60)
    made.sendall(f"GET /sessions/{session_id}/events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    found = b""
    while b"event: session" not in found or not found.endswith(b"\n\n"):
        found += (part := made.recv(65_536))
        assert part, found
    return made


def measured(grid: Grid, followed: dict[str, socket.socket]) -> str:
    processes = (grid.gateway, grid.balancer, grid.substations[0])
    before_s = [cpu_s(each) for each in processes]
    time.sleep(MEASURED_S)
    shares = [f"{(cpu_s(each) - before) / MEASURED_S:6.1%}" for each, before in zip(processes, before_s, strict=True)]
    pid = grid.gateway.pid
    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    memory_mb = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    heard_s = [stop_s(grid.gateway, each, followed[each]) for each in list(followed)[-STOPS:]]
    heard = f"{statistics.median(heard_s):.2f}, {max(heard_s):.2f} s" if heard_s else "-"
    return f"{', '.join(shares):36s}   {threads:7d}   {memory_mb:3.0f} MB   {heard}"


def stop_s(gateway: Process, session_id: str, follower: socket.socket) -> float:
    """How long it takes to hear that the session has ended."""
    began_s = time.monotonic()
    assert gateway.call("DELETE", f"/sessions/{session_id}").status == 200
    found = b""
    with selectors.DefaultSelector() as selector:
        selector.register(follower, selectors.EVENT_READ)
        while b'"Idle"' not in found:
            assert selector.select(60), found
            found += follower.recv(65_536)
    return time.monotonic() - began_s


def cpu_s(process: Process) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or list(NUMBERS))
