"""What an edge's talk with its substations costs it: CPU and memory, with 50 substations and up to 10,000 sessions.

    .venv/bin/python benchmarks/bench_edge_grid.py [--substations 50] [--sessions 20,200] [--seconds 10]

The substations are small servers in a process of their own that answer as real ones do; only this process, with the
edge's `SubstationGrid`, is measured. At rest nothing changes. Busy means that each substation's offers change once a
second, and that each session's meter is reported every ten seconds. Besides: what a byte costs on a connection that is
passed on to another edge.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import platform
import resource
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, urlsplit

from smartgrid.auth.credentials import Credentials
from smartgrid.edge.grid.directory import Directory
from smartgrid.edge.grid.grid import SubstationGrid
from smartgrid.edge.ports import ChargerId, Offers, SessionReport
from smartgrid.edge.sharding.facts import Facts
from smartgrid.edge.sharding.passing_on import PassingOn
from smartgrid.edge.sharding.peers import Peer
from smartgrid.runtime.settings import CallingSettings

REPORT_EVERY_S = 10.0
OFFERS_EVERY_S = 1.0
FRAME = b"x" * 300
"""About a frame with one meter value."""


class FakeSubstation:
    def __init__(self, sessions: int, changes: bool) -> None:
        self.revision, self.changed = 1, asyncio.Event()
        self.sessions = [
            {
                "session_id": f"session-{number:014}", "vehicle_id": f"EV-{number}", "state": "Charging", "number": 7,
                "offer_kw": 7.333, "edge": "edge-0/12345678", "charger": f"CP-{number}", "connector": 1,
                "transaction_id": str(number), "meter_kwh": 1234.5,
            }
            for number in range(sessions)
        ]  # fmt: skip
        self.changes = changes

    async def change_forever(self) -> None:
        while self.changes:
            await asyncio.sleep(OFFERS_EVERY_S)
            self.revision += 1
            self.changed.set()
            self.changed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *lines = head.decode().split("\r\n")
                length = next((int(each[16:]) for each in lines if each.lower().startswith("content-length: ")), 0)
                await reader.readexactly(length)
                body = json.dumps(await self.answer(urlsplit(line.split(" ")[1]))).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def answer(self, asked: Any) -> dict[str, Any]:
        if asked.path != "/offers":
            return {"epoch": 1, "revision": self.revision, "gone": []}
        query = {name: int(values[0]) for name, values in parse_qs(asked.query).items()}
        if query["epoch"] == 1 and query["since"] == self.revision:
            try:
                async with asyncio.timeout(query["wait_s"]):
                    await self.changed.wait()
            except TimeoutError:
                pass
        return {
            "epoch": 1, "revision": self.revision, "lease_s": 900, "capacity_kw": 100.0, "firm_capacity_kw": 100.0,
            "sessions": self.sessions,
        }  # fmt: skip


def serve_substations(count: int, sessions: int, changes: bool, ports: Connection) -> None:
    async def run() -> None:
        found, tasks = list[int](), list[asyncio.Task[None]]()
        for _ in range(count):
            substation = FakeSubstation(sessions, changes)
            server = await asyncio.start_server(substation.serve, "127.0.0.1", 0)
            found.append(server.sockets[0].getsockname()[1])
            tasks.append(asyncio.create_task(substation.change_forever()))
        ports.send(found)
        await asyncio.Event().wait()

    asyncio.run(run())


class Heard:
    """A `Downward` that does nothing with what it is told."""

    def __init__(self) -> None:
        self.offers = 0

    def offered(self, _offers: Offers) -> None:
        self.offers += 1

    def gone(self, _substation: str, _session_ids: Sequence[str]) -> None:
        """None is."""


async def talk(ports: list[int], sessions: int, seconds: float, is_busy: bool) -> str:
    names = {f"s{number}": f"http://127.0.0.1:{port}" for number, port in enumerate(ports)}
    credentials = Credentials(CallingSettings())
    grid, heard = SubstationGrid("edge-0", Directory(names, "", credentials), credentials), Heard()
    grid.begin(heard)
    for name in names:
        grid.watch(name)
    while any(not each.is_reached for each in grid.states()):
        await asyncio.sleep(0.05)
    energy_kwh = 0.0
    for name in names:  # everything is told once, as after a start
        for number in range(sessions):
            grid.report(name, report(number, energy_kwh))
    while any(substation.box.due_s < float("inf") for substation in grid._substations.values()):
        await asyncio.sleep(0.05)
    gc.collect()
    told, batches, reports = heard.offers, sum(grid.counters.reports.values()), 0
    begun_s, cpu_s = time.monotonic(), time.process_time()
    while (now_s := time.monotonic()) < begun_s + seconds:
        due = (now_s - begun_s) / REPORT_EVERY_S * sessions * len(ports) if is_busy else 0
        while reports < due:
            energy_kwh += 1e-3
            grid.report(f"s{reports % len(ports)}", report(reports // len(ports) % max(1, sessions), energy_kwh))
            reports += 1
        await asyncio.sleep(0.02)
    took_s, cpu_s = time.monotonic() - begun_s, time.process_time() - cpu_s
    answers, batches = heard.offers - told, sum(grid.counters.reports.values()) - batches
    await grid.close()
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cells = (
        f"{100 * cpu_s / took_s:.1f}",
        f"{answers / took_s:.0f}",
        f"{reports / took_s:.0f}",
        batches,
        f"{rss_mb:.0f}",
    )
    return " ".join(f"{each:>9}" for each in cells)


def report(number: int, energy_kwh: float) -> SessionReport:
    return SessionReport(f"session-{number:014}", 7, 7.333, 4.14, 22.0, True, 7.1, energy_kwh, time.time())


def measure(substations: int, sessions: int, seconds: float, is_busy: bool) -> None:
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=serve_substations, args=(substations, sessions, is_busy, there), daemon=True)
    server.start()
    try:
        row = asyncio.run(talk(here.recv(), sessions, seconds, is_busy))
        print(f"{substations:11} {substations * sessions:9,} {'busy' if is_busy else 'at rest':>8} {row}", flush=True)
    finally:
        server.terminate()
        server.join()


async def pass_on(seconds: float) -> None:
    """Frames through `PassingOn`, beside the same frames straight to their receiver: the difference is its cost."""

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.write(data)

    loop = asyncio.get_running_loop()
    owner = await loop.create_server(Echo, "127.0.0.1", 0)
    port = owner.sockets[0].getsockname()[1]
    passing, peer = PassingOn("edge-0"), Peer("edge-1", "127.0.0.1", port, False, "")

    class First(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            assert isinstance(self.transport, asyncio.Transport)
            passing.take_over(self.transport, data, ChargerId("s0", "CP"), Facts(), peer)

    between = await loop.create_server(First, "127.0.0.1", 0)
    costs = {}
    for name, target in (("straight", port), ("passed on", between.sockets[0].getsockname()[1])):
        reader, writer = await asyncio.open_connection("127.0.0.1", target)
        head = b"GET /ocpp/s0/CP HTTP/1.1\r\nHost: x\r\n\r\n"
        writer.write(head)
        await reader.readuntil(b"\r\n\r\n")
        frames, cpu_s, end_s = 0, time.process_time(), time.monotonic() + seconds / 2
        while time.monotonic() < end_s:
            writer.write(FRAME)
            await reader.readexactly(len(FRAME))
            frames += 1
        costs[name] = 1e6 * (time.process_time() - cpu_s) / frames
        writer.close()
    cost_us = (costs["passed on"] - costs["straight"]) / 2
    print(f"a frame of {len(FRAME)} bytes passed on to another edge costs {cost_us:.0f} us of CPU")
    await passing.close()
    owner.close()
    between.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--substations", type=int, default=50)
    parser.add_argument("--sessions", default="20,200", help="at each substation")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured of each")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}; CPU of the edge's process in % of one core")
    columns = ("CPU %", "offers/s", "reports/s", "batches", "RSS MB")
    print(f"{'substations':>11} {'sessions':>9} {'':>8} " + " ".join(f"{each:>9}" for each in columns))
    for sessions in map(int, options.sessions.split(",")):
        for is_busy in (False, True):
            measure(options.substations, sessions, options.seconds, is_busy)
    asyncio.run(pass_on(options.seconds))


if __name__ == "__main__":
    main()
