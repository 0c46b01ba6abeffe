"""Which substations are this edge's, as of now.

Two questions are answered from memory, for every charger that connects: who are the edges, and which of them owns this
substation. Who is there is found out by looking (`look`): every `LOOK_INTERVAL_S` each edge asks each other one for its
health, at its port for chargers. That port is what is needed of a peer, as chargers are passed on to it; an edge whose
API answers and whose port does not would be no use as an owner, and neither would a process that hangs, for which the
system takes connections all the same. Names are resolved anew each time, so a pod that comes back at another address is
found.

What one look has seen goes through `membership`, which keeps a peer for a minute after it was last seen, and so decides
who counts; `rendezvous` draws the owner from those that count. No edge asks another for its opinion. For a few seconds
two edges may disagree, and both, or neither, take a substation for theirs. That does no harm: a charger is passed on
once and then served where it is, and which edge lets a charger draw is decided by the substation, which has one holder
for each session (docs/chargers-protocol.md).

The owner of each substation is remembered until the members change; then `on_change` is called, and `handover` sends
chargers to where they belong. An edge that is alone looks for nobody, and owns everything.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress

from smartgrid.edge.ports import ChargerId
from smartgrid.edge.sharding.membership import Membership
from smartgrid.edge.sharding.peers import Candidates, Peer
from smartgrid.edge.sharding.rendezvous import owner
from smartgrid.http_client.connection import tls_context

LOOK_INTERVAL_S = 5.0
LOOK_TIMEOUT_S = 3.0
LOOKS_AT_ONCE = 16
MAX_REMEMBERED = 10_000
HEALTH_REQUEST = b"GET /health HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n"
log = logging.getLogger(__name__)


class Shards:
    """Only for the event loop; `begin` there, and `close`."""

    def __init__(self, own_name: str, fixed: Mapping[str, tuple[str, str]], template: str = "") -> None:
        """Both empty: this edge is alone, and has all substations. Raises ValueError as `Candidates` does."""
        self._candidates = Candidates(own_name, fixed, template)
        self._is_alone = not fixed and not template
        self._own_name = own_name
        self._membership = Membership(own_name, self._candidates.fixed, time.monotonic())
        self._peers = dict(self._candidates.fixed)
        self._members = self._membership.members(time.monotonic())
        self._owners: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._on_change: Callable[[], None] = lambda: None

    def begin(self, on_change: Callable[[], None]) -> None:
        """Look for peers from now on; `on_change` is called when substations may have other owners."""
        self._on_change = on_change
        if not self._is_alone:
            self._task = asyncio.get_running_loop().create_task(self._look_forever())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def members(self) -> frozenset[str]:
        """The names of all edges, this one too."""
        return self._members

    def owner_of(self, substation: str) -> str | None:
        """The name of the peer that owns it; None where this edge does."""
        if len(self._members) == 1:
            return None
        found = self._owners.get(substation)
        if found is None:
            if len(self._owners) >= MAX_REMEMBERED:  # of whatever names strangers come with
                self._owners.clear()
            found = self._owners[substation] = owner(substation, self._members)
        return None if found == self._own_name else found

    def route(self, charger: ChargerId) -> Peer | None:
        """To whom a charger's connection belongs; None where it is ours."""
        found = self.owner_of(charger.substation)
        return None if found is None else self._peers[found]

    def http_urls(self) -> dict[str, str]:
        """Where the HTTP APIs of all others are, or would be, by name."""
        return {peer.name: peer.http_url for peer in self._candidates.beside(self._members)}

    def http_url(self, name: str) -> str | None:
        """Where a peer's HTTP API is, or would be; None where nobody can know. From any thread."""
        known = self._peers.get(name)
        return self.http_urls().get(name) if known is None else known.http_url

    async def look(self) -> None:
        """Look once who is there; before the first chargers come, so that none is taken for ours that is not."""
        if self._is_alone:
            return
        limit = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def look_at(peer: Peer) -> None:
            async with limit:
                if await _is_there(peer):
                    self._peers[peer.name] = peer
                    self._membership.saw(peer.name, time.monotonic())

        await asyncio.gather(*(look_at(each) for each in self._candidates.beside(self._members)))
        members = self._membership.members(time.monotonic())
        if members != self._members:
            log.info("edges: %s", ", ".join(sorted(members)))
            self._members = members
            self._owners.clear()
            self._on_change()

    async def _look_forever(self) -> None:
        jitter = random.Random()
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("the other edges could not be looked at")
            await asyncio.sleep(LOOK_INTERVAL_S * jitter.uniform(0.8, 1.2))


async def _is_there(peer: Peer) -> bool:
    with suppress(OSError, UnicodeError):
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            context = tls_context(None) if peer.is_tls else None
            reader, writer = await asyncio.open_connection(peer.host, peer.port, ssl=context)
            with closing(writer):
                writer.write(HEALTH_REQUEST)
                return bool(await reader.read(1))
    return False
