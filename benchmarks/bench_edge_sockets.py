"""What chargers' connections cost: `python benchmarks/bench_edge_sockets.py [--chargers N] [--plain N]`.

The edge's listener with a fleet that only answers, and beside it, in the same run, PyPI `ocpp` on `websockets` as that
library's documentation has it, but without its pings. Each serves in a process of its own; this process is the
chargers: plain sockets and frames that cost little, so that it can send more than either takes.

Printed: the memory of the process per connected charger; its CPU per connect with BootNotification, and per Heartbeat
and MeterValues (8 samples) with the answer; how long all N took to connect at once, and how many messages a second one
core takes. The listener's memory is after each charger has spoken.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import os
import re
import resource
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OURS, PLAIN = "the edge's listener", "ocpp + websockets"
NOW = "2026-11-26T12:00:00Z"
BOOTED = {"currentTime": NOW, "interval": 300, "status": "Accepted"}
BOOT = {"chargePointVendor": "Vendor", "chargePointModel": "Model", "firmwareVersion": "1.2.3"}
SAMPLES = [
    {"value": value, "context": "Sample.Periodic", "measurand": measurand, "location": "Outlet", "unit": unit} | phase
    for value, measurand, unit, phase in (
        ("1234567", "Energy.Active.Import.Register", "Wh", {}),
        ("10980.4", "Power.Active.Import", "W", {}),
        *((f"15.{n}", "Current.Import", "A", {"phase": f"L{n}"}) for n in (1, 2, 3)),
        *((f"231.{n}", "Voltage", "V", {"phase": f"L{n}-N"}) for n in (1, 2, 3)),
    )
]
METER = {"connectorId": 1, "transactionId": 4711, "meterValue": [{"timestamp": NOW, "sampledValue": SAMPLES}]}
ASKING_AT_ONCE = 200
DEADLINE_S = 300.0
SPARE_FILES = 100


# ---------------------------------------------------------------------- the servers, each in a process


async def serve_ours(folder: Path) -> int:
    from smartgrid.edge.ocpp.listener import Listener, Place
    from smartgrid.edge.ports import Link, Payload
    from smartgrid.edge.registry.store import Registry

    answers: dict[str, Payload] = {"BootNotification": BOOTED, "Heartbeat": {"currentTime": NOW}, "MeterValues": {}}

    class Fleet:
        def connected(self, link: Link) -> None: ...

        def called(self, link: Link, message_id: str, action: str, payload: Payload) -> None:
            link.reply(message_id, answers[action])

        def disconnected(self, link: Link) -> None: ...

    registry = Registry(folder, is_open=True)
    listener = Listener(Place(port=0), Fleet(), registry, knows=lambda name: True)
    await listener.start()
    return listener.port


async def serve_plain() -> int:
    import websockets
    from ocpp.routing import on
    from ocpp.v16 import ChargePoint, call_result
    from ocpp.v16.enums import RegistrationStatus

    class Charger(ChargePoint):  # type: ignore[misc]
        @on("BootNotification")  # type: ignore[untyped-decorator]
        async def boot(self, **_: Any) -> Any:
            return call_result.BootNotification(NOW, 300, RegistrationStatus.accepted)

        @on("Heartbeat")  # type: ignore[untyped-decorator]
        async def heartbeat(self) -> Any:
            return call_result.Heartbeat(NOW)

        @on("MeterValues")  # type: ignore[untyped-decorator]
        async def meter(self, **_: Any) -> Any:
            return call_result.MeterValues()

    async def connected(connection: Any) -> None:
        await Charger(connection.request.path, connection).start()

    server = await websockets.serve(
        connected, "127.0.0.1", 0, subprotocols=["ocpp1.6"], ping_interval=None, backlog=4096
    )  # type: ignore[list-item]
    return int(next(iter(server.sockets)).getsockname()[1])


def serve(which: str) -> None:
    """Until the parent closes our standard input."""
    more_files()

    async def run(folder: Path) -> None:
        port = await (serve_ours(folder) if which == OURS else serve_plain())
        print(port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


class Server:
    """One of them, seen from outside."""

    def __init__(self, which: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", which], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def memory_mb(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


# ---------------------------------------------------------------------- the chargers


def frame(message: list[Any]) -> bytes:
    """A text frame of a client, masked with zeros."""
    data = json.dumps(message, separators=(",", ":")).encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack("!BH", 0x80 | 126, len(data))
    return b"\x81" + length + b"\0\0\0\0" + data


def request(name: str) -> bytes:
    return (
        f"GET /ocpp/substation-0/{name} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    ).encode()


class Chargers:
    """Each is a socket; what it has not yet been answered is counted in bytes that end a frame."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._rest: dict[int, bytes] = {}
        self._numbers = 0
        self.turned_away = 0

    def connect(self, port: int, count: int) -> float:
        """All of them at once, and who is told to come again does so when it is told; returns how long it took until
        the last was accepted and its boot answered."""
        began_s = time.monotonic()
        state: dict[int, bytes] = {}
        names: dict[int, int] = {}
        again: list[tuple[float, int]] = [(began_s, name) for name in range(count)]
        while state or again:
            now_s = time.monotonic()
            while again and again[0][0] <= now_s:
                name = heapq.heappop(again)[1]
                number = self._begin(port)
                names[number], state[number] = name, b""
            for number, event in self._events(began_s, 0.05):
                if event & select.EPOLLOUT:
                    self._sockets[number].send(request(f"CP-{names[number]:05d}"))
                    self._poll.modify(number, select.EPOLLIN)
                    continue
                if number not in state:  # it is in already, and is pinged
                    self._answers(number)
                    continue
                retry_s = self._heard(number, state)
                if retry_s is not None:
                    heapq.heappush(again, (time.monotonic() + retry_s, names[number]))
        return time.monotonic() - began_s

    def _begin(self, port: int) -> int:
        made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.connect_ex(("127.0.0.1", port))
        self._sockets[made.fileno()] = made
        self._poll.register(made, select.EPOLLOUT)
        return made.fileno()

    def _heard(self, number: int, state: dict[int, bytes]) -> float | None:
        """Goes on with one that connects; returns after how long it is to come again, if it is told so."""
        connection = self._sockets[number]
        try:
            got = connection.recv(65_536)
        except ConnectionError:
            got = b""
        if got:
            state[number] += got
            if b"currentTime" in state[number]:
                del state[number]
            elif b" 101 " in state[number] and state[number].endswith(b"\r\n\r\n"):
                connection.send(frame([2, "boot", "BootNotification", BOOT]))
            return None
        self.turned_away += 1
        found = re.search(rb"Retry-After: ([0-9]+)", state.pop(number))
        self._poll.unregister(number)
        self._sockets.pop(number).close()
        return float(found[1]) if found else 1.0

    def ask(self, action: str, payload: dict[str, Any], count: int) -> float:
        """Send so many, from one charger after the other; returns how long it took until the last was answered."""
        began_s = time.monotonic()
        turns = iter([number for at, number in enumerate(self._turns(count)) if at < count])
        waiting = 0
        for _ in range(min(ASKING_AT_ONCE, count)):
            waiting += self._ask(next(turns, None), action, payload)
        while waiting:
            for number, _ in self._events(began_s):
                for _ in range(self._answers(number)):
                    waiting += self._ask(next(turns, None), action, payload) - 1
        return time.monotonic() - began_s

    def _answers(self, number: int) -> int:
        """How many have come from one; a ping is answered."""
        data, count = self._rest.pop(number, b"") + self._sockets[number].recv(65_536), 0
        while len(data) >= 2:
            begin, length = (4, int.from_bytes(data[2:4], "big")) if data[1] == 126 else (2, data[1])
            if len(data) < begin + length:
                break
            if data[0] == 0x89:
                self._sockets[number].send(
                    b"\x8a" + bytes([0x80 | length]) + b"\0\0\0\0" + data[begin : begin + length]
                )
            else:
                assert data[0] == 0x81, data
                count += 1
            data = data[begin + length :]
        if data:
            self._rest[number] = data
        return count

    def _turns(self, count: int) -> Iterator[int]:
        every = list(self._sockets)
        for at in range(count):
            yield every[at % len(every)]

    def _ask(self, number: int | None, action: str, payload: dict[str, Any]) -> int:
        if number is None:
            return 0
        self._numbers += 1
        self._sockets[number].send(frame([2, f"c0ffee00-0000-4000-8000-{self._numbers:012d}", action, payload]))
        return 1

    def _events(self, began_s: float, wait_s: float = 1.0) -> list[tuple[int, int]]:
        assert time.monotonic() - began_s < DEADLINE_S, "no answer"
        return self._poll.poll(wait_s)

    def end(self) -> None:
        for each in self._sockets.values():
            each.close()


def more_files() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def measured(which: str, count: int) -> dict[str, float]:
    server, chargers, found = Server(which), Chargers(), {}
    try:
        memory_mb, cpu_s = server.memory_mb(), server.cpu_s()
        found["all at once connected in s"] = chargers.connect(server.port, count)
        found["of these told to come again"] = chargers.turned_away
        found["CPU per connect + boot, us"] = 1e6 * (server.cpu_s() - cpu_s) / count
        for action, payload in (("Heartbeat", {}), ("MeterValues", METER)):
            asked = max(count, 10_000)
            cpu_s = server.cpu_s()
            chargers.ask(action, payload, asked)
            each_s = (server.cpu_s() - cpu_s) / asked
            found[f"CPU per {action}, us"] = 1e6 * each_s
            found[f"{action} a second and core"] = 1 / each_s
        found["memory in all, MB"] = server.memory_mb()
        found["memory per connection, KB"] = 1e3 * (server.memory_mb() - memory_mb) / count
    finally:
        server.end()
        chargers.end()
    return found


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--serve", choices=[OURS, PLAIN])
    arguments.add_argument("--chargers", type=int, default=10_000)
    arguments.add_argument("--plain", type=int, default=10_000, help="chargers of the plain library; 0 leaves it out")
    given = arguments.parse_args()
    if given.serve:
        serve(given.serve)
        return
    more_files()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES
    ours = measured(OURS, min(given.chargers, most))
    plain = measured(PLAIN, min(given.plain, most)) if given.plain else {}
    print(f"{'':30s} {OURS:>22s} {PLAIN if plain else '':>22s} {'ratio' if plain else '':>8s}")
    for name, value in ours.items():
        beside = f" {plain[name]:22.1f} {plain[name] / value if value else 0:8.2f}" if plain else ""
        print(f"{name:30s} {value:22.1f}{beside}")


if __name__ == "__main__":
    main()
