"""A charger's connection goes to the owner of its substation, whichever edge it came to."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from smartgrid.edge.ports import ChargerId
from smartgrid.edge.sharding import passing_on
from smartgrid.edge.sharding.facts import HEADER, Facts, believe
from smartgrid.edge.sharding.passing_on import PassingOn
from smartgrid.edge.sharding.peers import Peer
from support import loops
from support.ports import free_port

SECRET = b"s" * 32
CHARGER = ChargerId("s0", "CP-1")
FACTS = Facts(True, "CP-1", "192.0.2.7")
LONGEST_S = 20.0
OCPP = [Subprotocol("ocpp1.6")]


class _FirstRequest(asyncio.Protocol):
    """A listener as far as it matters here: it reads the request, and hands the socket over."""

    def __init__(self, passing: PassingOn, peer: Peer) -> None:
        self._passing, self._peer, self._head = passing, peer, b""
        self.is_mine = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.is_mine, "the socket is another's"
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            self.is_mine = False
            assert isinstance(self._transport, asyncio.Transport)
            self._passing.take_over(self._transport, self._head, CHARGER, FACTS, self._peer)


@dataclass
class Owner:
    """The edge that owns the substation: it echoes what it hears."""

    port: int
    requests: list[ServerConnection] = field(default_factory=list)

    async def handle(self, connection: ServerConnection) -> None:
        self.requests.append(connection)
        async for message in connection:
            await connection.send(message)

    def header(self, name: str) -> str | None:
        request = self.requests[-1].request
        assert request is not None
        return request.headers.get(name)


@dataclass
class World:
    passing: PassingOn
    owner: Owner
    url: str


@asynccontextmanager
async def world(
    *, secret: bytes | None = SECRET, owner_port: int | None = None, max_connections: int = 100
) -> AsyncIterator[World]:
    passing = PassingOn("edge-0", secret, max_connections)
    owner = Owner(free_port())
    peer = Peer("edge-1", "127.0.0.1", owner_port or owner.port, False, "http://127.0.0.1:1")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _FirstRequest(passing, peer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with serve(owner.handle, "127.0.0.1", owner.port, subprotocols=OCPP, compression=None):
        yield World(passing, owner, f"ws://127.0.0.1:{port}/ocpp/s0/CP-1")
        await passing.close()
    server.close()


def dial(made: World, **options: Any) -> connect:
    """A charger that connects to the edge which does not own its substation."""
    return connect(made.url, subprotocols=OCPP, **options)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(LONGEST_S):
            await scenario()

    loops.run(within())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_frames_go_both_ways_and_the_subprotocol_is_the_owners() -> None:
    async def scenario() -> None:
        async with world() as made, dial(made) as charger:
            assert charger.subprotocol == "ocpp1.6"
            for message in ("one", "two" * 10_000, "x" * 500_000):
                await charger.send(message)
                assert await charger.recv() == message
            assert made.passing.counts["passed_on"] == made.passing.connections == 1

    run(scenario)


def test_the_owner_is_told_how_the_charger_has_connected() -> None:
    async def scenario() -> None:
        async with world() as made, dial(made) as charger:
            value = made.owner.header(HEADER)
            assert value is not None
            assert believe([value], "edge-1", CHARGER, SECRET, time.time()) == FACTS
            assert charger.request is not None

    run(scenario)


def test_the_key_goes_through_and_what_only_a_proxy_may_say_does_not() -> None:
    forged = {
        "Authorization": "Basic Q1AtMTprZXk=",
        "X-Forwarded-For": "10.0.0.1",
        "X-Client-Cert": "CN=CP-1",
        HEADER.lower(): "forged",
    }

    async def scenario() -> None:
        async with world() as made, dial(made, additional_headers=forged):
            assert made.owner.header("Authorization") == "Basic Q1AtMTprZXk="
            assert made.owner.header("X-Forwarded-For") is None
            assert made.owner.header("X-Client-Cert") is None
            assert made.owner.header(HEADER) != "forged"  # nor is it there twice, which would raise

    run(scenario)


def test_an_owner_that_cannot_be_reached_is_answered_for() -> None:
    async def scenario() -> None:
        async with world(owner_port=free_port()) as made:
            with pytest.raises(InvalidStatus) as refused:
                await dial(made)
            assert refused.value.response.status_code == 503
            assert 2 <= int(refused.value.response.headers["Retry-After"]) <= 15
            assert made.passing.counts["unreachable"] == 1
            await until(lambda: made.passing.connections == 0)

    run(scenario)


def test_an_owner_that_takes_connections_and_answers_nothing_is_answered_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing_on, "ANSWER_TIMEOUT_S", 0.1)

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as hangs:
            async with world(owner_port=hangs.getsockname()[1]) as made:
                with pytest.raises(InvalidStatus) as refused:
                    await dial(made)
                assert refused.value.response.status_code == 503
                assert made.passing.counts["unreachable"] == 1
                await until(lambda: made.passing.connections == 0)

    run(scenario)


def test_an_owner_that_has_answered_is_not_waited_for_again() -> None:
    async def scenario() -> None:
        async with world() as made, dial(made) as charger:
            (side,) = made.passing._open
            assert side._other is not None
            made.passing._expect(side, side._other, Peer("edge-1", "127.0.0.1", made.owner.port, False, ""))
            await charger.send("still here")
            assert await charger.recv() == "still here"
            assert made.passing.counts["unreachable"] == 0

    run(scenario)


def test_no_more_than_so_many_are_passed_on() -> None:
    async def scenario() -> None:
        async with world(max_connections=1) as made, dial(made):
            with pytest.raises(InvalidStatus):
                await dial(made)
            assert made.passing.counts["full"] == 1

    run(scenario)


def test_a_charger_that_leaves_leaves_the_owner_too() -> None:
    async def scenario() -> None:
        async with world() as made:
            async with dial(made):
                pass
            await made.owner.requests[-1].wait_closed()
            await until(lambda: made.passing.connections == 0)

    run(scenario)


def test_a_charger_whose_socket_breaks_leaves_the_owner_too() -> None:
    async def scenario() -> None:
        async with world() as made:
            charger = await dial(made)
            charger.transport.abort()
            await made.owner.requests[-1].wait_closed()
            await until(lambda: made.passing.connections == 0)

    run(scenario)


def test_the_owners_close_reaches_the_charger_with_its_code() -> None:
    async def scenario() -> None:
        async with world() as made, dial(made) as charger:
            await made.owner.requests[-1].close(1012, "moved")
            with pytest.raises(ConnectionClosed):
                await charger.recv()
            assert charger.close_code == 1012
            await until(lambda: made.passing.connections == 0)

    run(scenario)


def test_chargers_are_let_go_when_the_edge_between_ends() -> None:
    async def scenario() -> None:
        async with world() as made, dial(made) as charger:
            await made.passing.close()
            await charger.wait_closed()
            await made.owner.requests[-1].wait_closed()

    run(scenario)


def test_a_charger_that_does_not_read_stops_the_owner_and_fills_no_memory() -> None:
    async def scenario() -> None:
        async with world() as made, dial(made) as charger:
            charger.transport.pause_reading()
            owner = made.owner.requests[-1]

            async def flood() -> None:
                while True:
                    await owner.send("x" * 65_536)

            flooding = asyncio.create_task(flood())
            (side,) = made.passing._open
            other = side._other
            assert side.transport is not None
            assert other is not None
            assert other.transport is not None
            await until(lambda: not other.transport.is_reading())  # type: ignore[union-attr]
            assert side.transport.get_write_buffer_size() < 1024 * 1024

            async def read_on() -> None:
                async for _message in charger:  # whose own queue is short, so it reads only as long as it is read
                    pass

            charger.transport.resume_reading()
            reading = asyncio.create_task(read_on())
            await until(other.transport.is_reading)
            flooding.cancel()
            reading.cancel()
            charger.transport.abort()

    run(scenario)
