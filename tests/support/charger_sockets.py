"""An edge's listener on a real socket, with a fleet that writes down what it is told, and chargers that talk to it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from smartgrid.edge.ocpp.listener import Listener, Place
from smartgrid.edge.ocpp.settings import Bounds, Proxies
from smartgrid.edge.ports import Answer, ChargerId, Link, Payload
from smartgrid.edge.registry.store import Registry
from smartgrid.http_server.tls import ServerTls
from support import loops

SUBSTATION = "substation-0"
NOW = "2026-11-26T12:00:00Z"
LONGEST_S = 100.0
KEY = "00112233445566778899AABBCCDDEEFF00112233"


class Fleet:
    """An `Upward` that answers heartbeats, and nothing else."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.called_with: list[tuple[str, str, Payload]] = []
        self.links: list[Link] = []

    def connected(self, link: Link) -> None:
        self.told.append(("connected", link.charger.charger))
        self.links.append(link)

    def called(self, link: Link, message_id: str, action: str, payload: Payload) -> None:
        self.called_with.append((message_id, action, payload))
        if action == "Heartbeat":
            link.reply(message_id, {"currentTime": NOW})

    def disconnected(self, link: Link) -> None:
        self.told.append(("disconnected", link.charger.charger))


@dataclass
class Edge:
    """A listener that runs."""

    listener: Listener
    fleet: Fleet
    registry: Registry
    scheme: str = "ws"
    answers: list[Answer] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"{self.scheme}://localhost:{self.listener.port}{path}"

    def charger(self, name: str = "CP-1", version: str = "ocpp1.6", **options: Any) -> connect:
        """To be entered, or awaited."""
        options.setdefault("subprotocols", [version])
        return connect(self.url(f"/ocpp/{SUBSTATION}/{name}"), proxy=None, compression=None, **options)

    async def refused(self, name: str = "CP-1", **options: Any) -> int:
        """The status with which a charger is not let in; 101 if it is."""
        try:
            async with self.charger(name, **options):
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.listener.port)

    def link(self, name: str = "CP-1") -> Link | None:
        return self.listener.link_of(ChargerId(SUBSTATION, name))

    def ask(self, **options: Any) -> None:
        """Ask the charger that connected last for its configuration; the answer comes into `answers`."""
        self.fleet.links[-1].call("GetConfiguration", {}, self.answers.append, **options)


@asynccontextmanager
async def running(
    folder: Path,
    *,
    bounds: Bounds | None = None,
    proxies: Proxies | None = None,
    tls: ServerTls | None = None,
    registry: Registry | None = None,
    fleet: Fleet | None = None,
    **options: Any,
) -> AsyncIterator[Edge]:
    """An edge at which anybody may connect, if it is given no registry."""
    fleet = fleet or Fleet()
    registry = registry or Registry(folder, is_open=True)
    place = Place("localhost" if tls else "127.0.0.1", 0, tls, proxies or Proxies())
    known = options.pop("knows", lambda name: name == SUBSTATION)
    listener = Listener(place, fleet, registry, knows=known, bounds=bounds, **options)
    await listener.start()
    try:
        yield Edge(listener, fleet, registry, "wss" if tls else "ws")
    finally:
        await listener.stop(0)
        registry.close()


def run(story: Callable[[], Awaitable[None]]) -> None:
    """A story of one test, which is over within `LONGEST_S`."""
    loops.run(asyncio.wait_for(story(), LONGEST_S))  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        await asyncio.sleep(0.005)


async def heard(connection: ClientConnection) -> list[Any]:
    found = json.loads(await connection.recv())
    assert isinstance(found, list)
    return found


async def say(connection: ClientConnection, *message: object) -> None:
    await connection.send(json.dumps(message))


async def is_alive(connection: ClientConnection) -> bool:
    """Whether a heartbeat is answered."""
    await say(connection, 2, "alive", "Heartbeat", {})
    return (await heard(connection))[1] == "alive"


def basic(user: str, key: str | bytes) -> dict[str, str]:
    secret = user.encode() + b":" + (key.encode() if isinstance(key, str) else key)
    return {"Authorization": "Basic " + base64.b64encode(secret).decode()}


def request(path: str, *headers: str) -> bytes:
    """A WebSocket request as bytes."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: ocpp1.6",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()
