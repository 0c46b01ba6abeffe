"""What another edge may say of its registrations that is broken, hostile, or of another version: it costs itself, and
nobody else."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from smartgrid.auth.credentials import Credentials
from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry import replication
from smartgrid.edge.registry.keys import hash_key
from smartgrid.edge.registry.replica import GONE
from smartgrid.edge.registry.replication import Replication
from smartgrid.edge.registry.store import Registry
from smartgrid.edge.registry.wire import MAX_VERSION, to_wire
from smartgrid.edge.settings import EdgeSettings
from support import loops

LONGEST_S = 30.0
KEY_HASH = hash_key("00112233445566778899AABBCCDDEEFF00112233")
SPEC = ChargerSpec(security_profile=1, key_hash=KEY_HASH)
Answered = Callable[[], Awaitable[bytes]]


def charger(number: int) -> ChargerId:
    return ChargerId("substation-0", f"CP-{number}")


def row(number: int, **more: Any) -> dict[str, Any]:
    """Of a charger that is registered, now."""
    about = {"vendor": "", "model": "", "firmware": "", "connectors": 0, "facts": {}}
    found = {
        **charger(number)._asdict(),
        "origin": "api",
        "connectors": [{"phases": 3, "rating_a": 32.0}],
        "security_profile": 1,
        "key_hash": KEY_HASH,
        "certificate_subject": "",
        "quirks": "",
        "next_key_hash": "",
        "version": time.time_ns() // 1000,
        "about": about,
        "about_version": 0,
    }
    return {**found, **more}


def page(*rows: object, epoch: str = "e1", sequence: int = 1, is_end: bool = True) -> bytes:
    return ok(json.dumps({"epoch": epoch, "sequence": sequence, "is_end": is_end, "rows": rows}).encode())


def ok(body: bytes, status: int = 200) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Peer:
    """Another edge, which answers what a test wants. `paths` is what it was asked."""

    answer: Answered
    paths: list[str] = field(default_factory=list)

    _handlers: list[asyncio.Task[None]] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._handlers.append(asyncio.ensure_future(self._serve(reader, writer)))

        async with await asyncio.start_server(begin, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for each in self._handlers:
            each.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.paths.append(head.split(" ")[1])
                writer.write(await self.answer())
                await writer.drain()


def saying(*answers: bytes) -> Peer:
    """One that says these, one after the other, and the last for ever."""
    left = list(answers)

    async def answer() -> bytes:
        return left.pop(0) if len(left) > 1 else left[0]

    return Peer(answer)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Registry]:
    with closing(Registry(tmp_path / "own")) as registry:
        yield registry


def told(own: Registry, *peers: Peer, times: int = 1) -> None:
    """Each peer has been asked so often."""

    async def story() -> None:
        async with asyncio.timeout(LONGEST_S), AsyncExitStack() as stack:
            urls = {f"edge-{at}": await stack.enter_async_context(peer.serving()) for at, peer in enumerate(peers)}
            found = Replication(own, lambda: urls, Credentials(EdgeSettings()))
            for _ in range(times):
                await found.ask_all()
            await found.close()

    loops.run(story())


def test_a_row_that_cannot_be_costs_no_other_row(own: Registry) -> None:
    bad: list[object] = [
        row(1, charger="../CP-1"),
        row(2, substation="Not A Label"),
        row(3, key_hash="plain"),
        row(4, origin="of a newer version"),
        row(5, version=MAX_VERSION + 1),
        row(6, connectors=[]),
        row(7, security_profile=4),
        row(8, connectors=[{"phases": 3, "rating_a": 1e9}]),
        row(9, key_hash="", security_profile=2),
        {},
        None,
        [[]],
        "x" * 1000,
    ]
    told(own, saying(page(*bad, row(10, is_new_here=True), sequence=7)))
    assert [each.charger for each in own.page(100)] == [charger(10)]


def test_a_version_far_beyond_now_is_not_taken_so_what_is_changed_here_can_be_told(own: Registry) -> None:
    own.put(charger(2), SPEC)
    told(
        own,
        saying(
            page(row(1, version=MAX_VERSION), row(2, version=MAX_VERSION), row(3, about_version=MAX_VERSION), row(4))
        ),
    )
    assert [each.charger for each in own.page(100)] == [charger(2), charger(4)]

    own.put(charger(2), SPEC)
    rows, _ = own.changes(0, 100)
    assert all(to_wire(each)["version"] < MAX_VERSION for each in rows)


def test_a_peer_whose_clock_is_some_days_ahead_is_believed_and_can_be_overruled(own: Registry) -> None:
    ahead = time.time_ns() // 1000 + 30 * 86_400_000_000
    told(own, saying(page(row(1, version=ahead))))
    assert own.get(charger(1)) == SPEC

    assert own.delete(charger(1))
    told(own, saying(page(row(1, version=ahead))))
    assert own.get(charger(1)) is None


def test_who_has_told_of_the_future_is_asked_for_everything_again_as_our_own_clock_may_have_been_wrong(
    own: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "ANEW_S", 0.0)
    peer = saying(page(row(1, version=MAX_VERSION), sequence=5), page(row(1), sequence=5))
    told(own, peer, times=3)
    assert [path.partition("?")[2] for path in peer.paths] == ["epoch=0&since=0", "epoch=0&since=0", "epoch=e1&since=5"]
    assert own.get(charger(1)) == SPEC


def test_an_old_registration_that_is_told_again_changes_nothing(own: Registry) -> None:
    old = row(1)
    told(own, saying(page(old)))
    other = ChargerSpec(security_profile=2, key_hash=hash_key("another-key-of-the-charger"))
    own.put(charger(1), other)
    told(own, saying(page(old)))
    assert own.get(charger(1)) == other

    own.delete(charger(1))
    told(own, saying(page(old), page(old, epoch="e2")), times=2)
    assert own.get(charger(1)) is None
    (kept,), _ = own.changes(0, 100)
    assert kept.origin == GONE


def test_a_peer_that_does_not_know_what_it_was_asked_for_is_asked_for_all_of_it(own: Registry) -> None:
    """Such as one of an older version, which knows no such epochs, after a newer one was taken back."""
    peer = saying(page(epoch="Epoch of/a newer? version", sequence=9), ok(b"{}", 422), page(row(1), epoch="e2"))
    told(own, peer, times=3)
    assert [re.sub(r".*\?", "", path) for path in peer.paths] == [
        "epoch=0&since=0",
        "epoch=Epoch%20of%2Fa%20newer%3F%20version&since=9",
        "epoch=0&since=0",
    ]
    assert own.get(charger(1)) == SPEC


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 301 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + 9 * (b"100000\r\n" + bytes(2**20) + b"\r\n"),
        ok(b"null"),
        ok(b"[" * 100_000),
        ok(b'{"epoch": "e", "sequence": -1, "is_end": true, "rows": []}'),
        ok(json.dumps({"epoch": "e", "sequence": 1, "is_end": True, "rows": 501 * [{}]}).encode()),
    ],
)
def test_what_is_no_answer_is_not_taken_and_the_others_are_asked(
    own: Registry, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "ANSWER_TIMEOUT_S", 4.0)
    told(own, saying(answer), saying(page(row(1))))
    assert own.get(charger(1)) == SPEC


def test_a_peer_that_tells_the_same_for_ever_is_left_for_now(own: Registry) -> None:
    peer = saying(page(row(1), is_end=False), page(row(2), is_end=False))
    told(own, peer)
    assert len(peer.paths) == 2
    assert own.get(charger(1)) == SPEC


def test_a_peer_that_always_has_more_to_tell_has_its_turn_and_no_more(
    own: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "TURN_S", 0.2)
    pages = iter(range(10**6))

    async def answer() -> bytes:
        return page(epoch=f"e{next(pages)}", is_end=False)

    told(own, Peer(answer))


def test_a_peer_that_is_slow_for_ever_keeps_no_other_waiting(own: Registry) -> None:
    async def story() -> None:
        stuck = asyncio.Event()

        async def never() -> bytes:
            stuck.set()
            await asyncio.sleep(LONGEST_S)
            return b""

        numbers = iter(range(1, 10**6))

        async def more() -> bytes:
            number = next(numbers)
            return page(row(number), sequence=number)

        async with Peer(never).serving() as slow, Peer(more).serving() as other, asyncio.timeout(LONGEST_S):
            found = Replication(own, lambda: {"slow": slow}, Credentials(EdgeSettings()), interval_s=0.05)
            begun = asyncio.ensure_future(found.ask_all())
            await stuck.wait()
            found._peers = lambda: {"slow": slow, "other": other}
            found._task = asyncio.ensure_future(found._run())
            while own.get(charger(3)) is None:
                await asyncio.sleep(0.01)
            assert not begun.done()
            begun.cancel()
            await found.close()

    loops.run(story())


def test_what_is_complained_of_is_short_and_has_no_hash_of_a_key_in_it(
    own: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wrong = json.dumps({"epoch": "e", "sequence": KEY_HASH, "is_end": KEY_HASH, "rows": KEY_HASH}).encode()
    told(own, saying(ok(wrong)), saying(page(*[row(1, charger="/" * 10_000, key_hash=KEY_HASH + "!")] * 500)))
    assert len(caplog.records) == 2
    for record in caplog.records:
        said = record.getMessage() + str(record.__dict__.get("reason", ""))
        assert KEY_HASH not in said
        assert len(said) < 400
