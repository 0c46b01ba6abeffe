"""An edge knows which substations are its own, and sends chargers to the others when that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from smartgrid.edge.ports import ChargerId
from smartgrid.edge.sharding import membership, shards
from smartgrid.edge.sharding.handover import Handover
from smartgrid.edge.sharding.rendezvous import owner
from smartgrid.edge.sharding.shards import Shards
from support import loops
from support.ports import free_port

LONGEST_S = 20.0
CHARGERS = [ChargerId(f"s{number}", "CP-1") for number in range(40)]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(LONGEST_S):
            await scenario()

    loops.run(within())


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "LOOK_INTERVAL_S", 0.05)


async def listener(port: int, host: str = "127.0.0.1", says: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> asyncio.Server:
    """Where chargers connect at a peer."""

    def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        writer.close()

    return await asyncio.start_server(answer, host, port)


def peers(**ports: int) -> dict[str, tuple[str, str]]:
    return {name.replace("_", "-"): (f"ws://127.0.0.1:{port}", f"http://{name}") for name, port in ports.items()}


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_an_edge_that_is_alone_has_all_substations() -> None:
    async def scenario() -> None:
        alone = Shards("edge-0", {})
        alone.begin(lambda: None)

        assert {alone.owner_of(each.substation) for each in CHARGERS} == {None}
        assert alone.route(CHARGERS[0]) is None
        await alone.close()

    run(scenario)


def test_two_edges_agree_and_each_charger_has_one() -> None:
    async def scenario() -> None:
        urls = peers(edge_0=free_port(), edge_1=free_port())
        one, other = Shards("edge-0", urls), Shards("edge-1", urls)

        for each in CHARGERS:
            owned_by = owner(each.substation, ["edge-0", "edge-1"])
            assert one.owner_of(each.substation) == (None if owned_by == "edge-0" else "edge-1")
            assert other.owner_of(each.substation) == (None if owned_by == "edge-1" else "edge-0")
        elsewhere = next(each for each in CHARGERS if one.owner_of(each.substation))
        found = one.route(elsewhere)
        assert found is not None
        assert (found.name, found.port) == ("edge-1", int(urls["edge-1"][0].rpartition(":")[2]))
        assert one.http_url("edge-1") == "http://edge_1"

    run(scenario)


def test_edges_of_a_template_are_found_as_they_come_and_gaps_are_looked_over() -> None:
    async def scenario() -> None:
        port = free_port()
        template = f"ws://127.7.7.{{n}}:{port}|http://edge-{{n}}"
        found = Shards("edge-0", {}, template)
        changes: list[frozenset[str]] = []
        found.begin(lambda: changes.append(found.members))
        assert found.members == {"edge-0"}

        async with await listener(port, "127.7.7.2"):
            await until(lambda: found.members == {"edge-0", "edge-2"})
            async with await listener(port, "127.7.7.4"):
                await until(lambda: "edge-4" in found.members)

        assert changes[0] == {"edge-0", "edge-2"}
        await found.close()

    run(scenario)


def test_a_peer_that_is_away_for_long_leaves_its_substations_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "AWAY_S", 0.3)

    async def scenario() -> None:
        port = free_port()
        found = Shards("edge-0", peers(edge_0=1, edge_1=port))
        async with await listener(port):
            found.begin(lambda: None)
            await until(lambda: any(found.owner_of(each.substation) for each in CHARGERS))

        await until(lambda: found.members == {"edge-0"})
        assert {found.owner_of(each.substation) for each in CHARGERS} == {None}

        async with await listener(port):
            await until(lambda: found.members == {"edge-0", "edge-1"})
        await found.close()

    run(scenario)


def test_a_peer_that_takes_connections_and_answers_nothing_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system does it for a process that hangs, or was stopped."""
    monkeypatch.setattr(membership, "AWAY_S", 0.3)

    async def scenario() -> None:
        port = free_port()
        found = Shards("edge-0", peers(edge_0=1, edge_1=port))
        async with await listener(port, says=b""):
            found.begin(lambda: None)
            await until(lambda: found.members == {"edge-0"})
        await found.close()

    run(scenario)


@dataclass(eq=False)
class ClosableLink:
    """As much of a `Link` as is asked of it here."""

    charger: ChargerId
    closed: list[tuple[int, str]] = field(default_factory=list)

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


def test_chargers_that_are_anothers_now_are_closed_with_1012_and_the_others_are_not() -> None:
    async def scenario() -> None:
        port = free_port()
        base = Shards("edge-0", peers(edge_0=1, edge_1=port))
        links = [ClosableLink(each) for each in CHARGERS]
        unwatched: list[str] = []
        handover = Handover(
            base,
            lambda: [each for each in links if not each.closed],  # type: ignore[misc]
            unwatched.append,
            lambda: [each.substation for each in CHARGERS],
            spread_s=0.2,
        )

        handover.owners_changed()
        theirs = {each.substation for each in CHARGERS if base.owner_of(each.substation)}
        await until(lambda: set(unwatched) == theirs)

        assert 0 < len(theirs) < len(CHARGERS)
        for link in links:
            codes = [code for code, _ in link.closed]
            assert codes == ([1012] if link.charger.substation in theirs else [])
        assert handover.handed_over == len(theirs)
        await handover.close()

    run(scenario)


def test_a_charger_whose_substation_is_ours_again_before_its_turn_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "AWAY_S", 0.2)

    async def scenario() -> None:
        found = Shards("edge-0", peers(edge_0=1, edge_1=free_port()))
        links = [ClosableLink(each) for each in CHARGERS if found.owner_of(each.substation)]
        handover = Handover(found, lambda: links, lambda _name: None, list, spread_s=30.0)  # type: ignore[arg-type, return-value]
        handover.owners_changed()
        await asyncio.sleep(0)

        await asyncio.sleep(0.25)
        await found.look()
        assert found.members == {"edge-0"}
        closed = sum(bool(each.closed) for each in links)
        await asyncio.sleep(2 * 30.0 / len(links))

        assert sum(bool(each.closed) for each in links) == closed
        await handover.close()

    run(scenario)


def test_a_charger_that_comes_through_an_edge_that_does_not_know_yet_is_sent_again() -> None:
    async def scenario() -> None:
        found = Shards("edge-0", peers(edge_0=1, edge_1=free_port()))
        charger = next(each for each in CHARGERS if found.owner_of(each.substation))
        links = [ClosableLink(charger), ClosableLink(charger)]
        watched = [charger.substation]
        handover = Handover(
            found,
            lambda: [each for each in links if not each.closed][:1],  # type: ignore[misc]
            watched.remove,
            lambda: watched,
            spread_s=0.05,
            look_again_s=0.05,
        )

        handover.owners_changed()
        await until(lambda: not watched)
        assert [len(each.closed) for each in links] == [1, 1], "it has come back at once"

        links.append(ClosableLink(charger))
        await until(lambda: bool(links[-1].closed))  # it has come later
        assert handover.handed_over == len(links)
        await handover.close()

    run(scenario)
