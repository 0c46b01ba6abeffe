"""Many endpoints that speak a substation's protocol, in one process: `GET /status?since=&wait_s=` as a long poll.

    python benchmarks/stub_substations.py --port 18310 --count 1000

Each is one loopback address. Reads commands: `rate R` makes R of them change each second, `count` prints how many
requests were answered. Prints `ready`, and for every change `changed TIME COMMITTED_KW` with the new total of all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from urllib.parse import parse_qs, urlsplit

EPOCH = 1  # it is never started again


class Stub:
    def __init__(self, number: int) -> None:
        self.number = number
        self.host = address(number)
        self.revision = 1
        self.committed_kw = 0.0
        self.changed = asyncio.Event()
        self.answered = 0

    def change(self) -> None:
        self.revision += 1
        self.committed_kw = random.uniform(0, 90)
        self.changed.set()
        self.changed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                query = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
                await self.wait(query)
                writer.write(self.answer(query))
                await writer.drain()
                self.answered += 1
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the balancer went, or the benchmark is over
        finally:
            writer.close()

    async def wait(self, query: dict[str, list[str]]) -> None:
        since, wait_s = int(query.get("since", ["-1"])[0]), float(query.get("wait_s", ["0"])[0])
        if since >= self.revision:
            try:
                async with asyncio.timeout(wait_s):
                    await self.changed.wait()
            except TimeoutError:
                pass

    def answer(self, query: dict[str, list[str]]) -> bytes:
        fields = {
            "name": f"stub-{self.number}", "state": "Available", "capacity_kw": 100.0, "load_kw": self.committed_kw,
            "load_percentage": self.committed_kw, "committed_kw": self.committed_kw, "demand_kw": self.committed_kw,
            "active_sessions": 1, "revision": self.revision, "epoch": EPOCH,
        }  # fmt: skip
        header = json.dumps({**fields, "next_release_s": 30.0, "largest_free_kw": 100.0 - self.committed_kw})
        is_first = query.get("epoch") != [str(EPOCH)]
        body = json.dumps({**fields, "keys": {"entries": [], "position": 0, "more": False, "reset": is_first}})
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSmartgrid-Status: {header}\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def address(number: int) -> str:
    """A loopback address of its own for each, so that they can share a port."""
    return f"127.1.{number // 200}.{number % 200 + 1}"


async def run(port: int, count: int) -> None:
    stubs = [Stub(number) for number in range(count)]
    servers = [await asyncio.start_server(stub.serve, stub.host, port) for stub in stubs]
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print("ready", flush=True)
    obeying = asyncio.create_task(_obey(commands, stubs))
    await ended.wait()
    obeying.cancel()
    for server in servers:
        server.close()


async def _obey(commands: asyncio.StreamReader, stubs: list[Stub]) -> None:
    changing: asyncio.Task[None] | None = None
    while line := (await commands.readline()).decode().split():
        if line[0] == "count":
            print(f"answered {sum(stub.answered for stub in stubs)}", flush=True)
        else:
            if changing is not None:
                changing.cancel()
            changing = asyncio.create_task(_change(stubs, float(line[1])))


async def _change(stubs: list[Stub], per_s: float) -> None:
    while per_s > 0:
        await asyncio.sleep(1 / per_s)
        random.choice(stubs).change()
        print(f"changed {time.time()} {sum(stub.committed_kw for stub in stubs)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Stub substations")
    parser.add_argument("--port", type=int, default=18310)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    asyncio.run(run(options.port, options.count))
