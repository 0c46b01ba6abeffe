"""Many substations as an edge sees them, in one process: `/offers` as a long poll, `/reports`, `/charge` and its end.

    python benchmarks/stub_offers.py --port 18320 --count 50

Each is one loopback address, offers every session the same, and takes whatever it is told. Prints `ready`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

OFFER_KW = 6.9
EPOCH = 1


class Stub:
    def __init__(self, number: int) -> None:
        self.host = address(number)
        self.revision = 1
        self.sessions: dict[str, dict[str, Any]] = {}
        self._by_key: dict[str, str] = {}
        self._changed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:]) if k}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, target, _ = lines[0].split(" ", 2)
                writer.write(_answer(await self._do(method, target, headers, body)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the edge went, or the benchmark is over
        finally:
            writer.close()

    async def _do(self, method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        path = urlsplit(target).path
        if path == "/offers":
            return await self._offers(parse_qs(urlsplit(target).query))
        told = json.loads(body)
        if path == "/reports":
            return self._reports(told)
        if path == "/charge":
            return self._start(headers["idempotency-key"], told)
        self.sessions.pop(path.split("/")[2], None)
        self._change()
        return {"session_id": path.split("/")[2], "state": "Idle"}

    async def _offers(self, query: dict[str, list[str]]) -> dict[str, Any]:
        if query["epoch"] == [str(EPOCH)] and int(query["since"][0]) >= self.revision:
            try:
                async with asyncio.timeout(float(query["wait_s"][0])):
                    await self._changed.wait()
            except TimeoutError:
                pass
        return {
            "epoch": EPOCH,
            "revision": self.revision,
            "lease_s": 900,
            "capacity_kw": 1e5,
            "firm_capacity_kw": 1e5,
            "sessions": list(self.sessions.values()),
        }

    def _reports(self, told: dict[str, Any]) -> dict[str, Any]:
        for session_id, number in told.get("claims", ()):
            session = self.sessions.get(session_id)
            if session is not None and session["number"] == number:
                session.update(edge=told["edge"], number=number + 1)
                self._change()
        return {"epoch": EPOCH, "revision": self.revision, "gone": []}

    def _start(self, key: str, told: dict[str, Any]) -> dict[str, Any]:
        session_id = self._by_key.get(key)
        if session_id is None:
            session_id = self._by_key[key] = secrets.token_urlsafe(16)
            charger = told["charger"]
            self.sessions[session_id] = {
                "session_id": session_id,
                "vehicle_id": told["vehicle_id"],
                "state": "Charging",
                "number": 1,
                "offer_kw": OFFER_KW,
                **{name: charger[name] for name in ("charger", "connector", "transaction_id", "meter_kwh", "edge")},
            }
            self._change()
        return {"session_id": session_id, "vehicle_id": told["vehicle_id"], "state": "Charging"}

    def _change(self) -> None:
        self.revision += 1
        self._changed.set()
        self._changed = asyncio.Event()


def _answer(document: dict[str, Any]) -> bytes:
    body = json.dumps(document, separators=(",", ":")).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def address(number: int) -> str:
    """A loopback address of its own for each, so that they can share a port."""
    return f"127.2.{number // 200}.{number % 200 + 1}"


async def run(port: int, count: int, say: Callable[[str], None]) -> None:
    stubs = [Stub(number) for number in range(count)]
    servers = [await asyncio.start_server(stub.serve, stub.host, port) for stub in stubs]
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    say("ready")
    await ended.wait()
    for server in servers:
        server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Stub substations for an edge")
    parser.add_argument("--port", type=int, default=18320)
    parser.add_argument("--count", type=int, default=50)
    options = parser.parse_args()
    asyncio.run(run(options.port, options.count, lambda text: print(text, flush=True)))
