"""How much one process of the load test can send: `make bench-loadtest`, or this file with the number of requests.

Against a server that answers each request with the same session and does nothing else, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
from multiprocessing.synchronize import Event
from pathlib import Path

PORT = 18560
USERS = 20
SESSION = b'{"session_id": "substation-0.x", "substation": "substation-0"}'
ADMITTED = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(SESSION),
    SESSION,
)
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
END_OF_HEAD, LENGTH = b"\r\n\r\n", b"content-length:"


class Admitting(asyncio.Protocol):
    """Reads requests one after another and answers them all alike."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._read = transport, b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        while END_OF_HEAD in self._read:
            head, rest = self._read.split(END_OF_HEAD, 1)
            lines = head.lower().split(b"\r\n")
            length = next((int(line.removeprefix(LENGTH)) for line in lines if line.startswith(LENGTH)), 0)
            if len(rest) < length:
                return
            self._read = rest[length:]
            self._transport.write(ADMITTED if head.startswith(b"POST") else EMPTY)


def serve(is_listening: Event) -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(Admitting, "127.0.0.1", PORT)
        is_listening.set()
        await server.serve_forever()

    asyncio.run(forever())


def main(requests: int) -> None:
    context = multiprocessing.get_context("spawn")
    is_listening = context.Event()
    server = context.Process(target=serve, args=(is_listening,), daemon=True)
    server.start()
    if not is_listening.wait(30):
        raise RuntimeError("the server did not start")
    _, start_s = load_test(1)  # its CPU is the start of the process
    rate, whole_s = load_test(requests)
    each_us = (whole_s - start_s) / (requests - 1) * 1e6
    print(f"{requests} requests by {USERS} users: {rate:,.0f} requests/s, {each_us:.0f} µs of CPU each")
    server.terminate()
    server.join(10)


def load_test(requests: int) -> tuple[float, float]:
    """Requests a second, and the CPU that the process used, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        output, before_s = Path(folder) / "report.json", cpu_s()
        options = ["--scenario", "burst", "--users", str(USERS), "--requests", str(requests), "--output", str(output)]
        command = [sys.executable, "-m", "smartgrid", "loadtest", *options, "--target", f"http://127.0.0.1:{PORT}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
        return json.loads(output.read_text())["throughput_rps"], cpu_s() - before_s


def cpu_s() -> float:
    """Of the processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
