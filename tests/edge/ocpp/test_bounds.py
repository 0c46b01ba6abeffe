"""What a charger, or somebody who says to be one, cannot do to an edge."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from smartgrid.edge.ocpp import listener
from smartgrid.edge.ocpp.connection import Connection
from smartgrid.edge.ocpp.handshake import MAX_HEAD
from smartgrid.edge.ocpp.settings import Bounds
from smartgrid.edge.ports import Answer, CallFailure
from support.charger_sockets import LONGEST_S, SUBSTATION, Edge, heard, is_alive, request, run, running, say, until

PATH = f"/ocpp/{SUBSTATION}/CP-1"


def frame(data: bytes, *, opcode: int = 1, fin: bool = True) -> bytes:
    """Of a client, masked with zeros."""
    assert len(data) < 126
    return bytes([0x80 * fin | opcode, 0x80 | len(data)]) + bytes(4) + data


async def entered(edge: Edge, path: str = PATH) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await edge.raw()
    writer.write(request(path))
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


# ---------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"rubbish\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"400"),
        (b"GET " + b"/" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 9000 + b"\r\n\r\n", b"431"),
        (request(PATH).replace(b"GET", b"POST"), b"405"),
        (request(PATH).replace(b"Upgrade: websocket\r\n", b""), b"426"),
        (request(PATH).replace(b"Version: 13", b"Version: 12"), b"400"),
        (request(PATH).replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"x"), b"400"),
        (request(PATH) + frame(b"[]"), b"400"),
    ],
)
def test_what_is_no_request_of_a_charger_is_refused_and_ended(tmp_path: Path, sent: bytes, status: bytes) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge:
            reader, writer = await edge.raw()
            writer.write(sent)
            assert (await reader.read()).split(b" ")[1] == status
            writer.close()
            await until(lambda: not edge.listener._handshakes)
            assert sum(edge.listener.counters.refused.values()) == 1
            assert edge.fleet.told == []

    run(story)


def test_a_request_may_come_a_byte_at_a_time(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge:
            reader, writer = await edge.raw()
            for byte in request(PATH):
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writer.close()

    run(story)


def test_who_does_not_finish_its_request_is_cut_off(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(handshake_s=0.3)) as edge:
            reader, writer = await edge.raw()
            writer.write(request(PATH)[:-1])
            assert await reader.read() == b""
            assert edge.listener.counters.refused["timeout"] == 1
            writer.close()
            assert await edge.refused() == 101

    run(story)


def test_no_request_is_read_for_ever(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge:
            _, writer = await edge.raw()
            writer.write(b"GET / HTTP/1.1\r\n")
            sent = 0
            while not edge.listener.counters.refused["bad_request"]:
                writer.write(b"a: " + b"b" * 4000 + b"\r\n")
                sent += 4000
                assert sent < 20 * MAX_HEAD
                await asyncio.sleep(0.005)
            assert not edge.listener._handshakes
            writer.close()

    run(story)


# ---------------------------------------------------------------------- storms


async def silent(edge: Edge, stack: AsyncExitStack, count: int, sent: bytes = b"") -> None:
    """So many connections that say no more than this."""
    for _ in range(count):
        _, writer = await edge.raw()
        stack.callback(writer.close)
        writer.write(sent)


@pytest.mark.parametrize("sent", [b"", b"G"])
def test_many_times_as_many_as_may_be_under_way_that_say_nothing_or_little_keep_no_charger_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """Each that comes late costs the oldest its place; nobody is told to come again."""
    monkeypatch.setattr(listener, "GRACE_S", 0.01)

    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(max_handshakes=5)) as edge, AsyncExitStack() as stack:
            await silent(edge, stack, 100, sent)
            assert await edge.refused() == 101
            reader, writer = await edge.raw()
            writer.write(b"GET /health HTTP/1.1\r\n\r\n")
            assert b" 200 " in await reader.read()
            writer.close()
            assert edge.listener.counters.refused["storm"] >= 90
            assert len(edge.listener._handshakes) <= 5

    run(story)


def test_who_has_come_just_now_is_let_be_however_many_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "GRACE_S", 1e6)

    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(max_handshakes=3)) as edge, AsyncExitStack() as stack:
            _, slow = await edge.raw()
            stack.callback(slow.close)
            await silent(edge, stack, 10)
            await until(lambda: len(edge.listener._handshakes) == 3)
            asked = asyncio.create_task(edge.refused())
            slow.write(b"rubbish\r\n\r\n")  # that ends it, which makes room for one of those that wait
            await until(lambda: edge.listener.counters.refused["bad_request"] == 1)
            await until(lambda: len(edge.listener._handshakes) == 3)
            assert edge.listener.counters.refused["storm"] == 0
            monkeypatch.setattr(listener, "GRACE_S", 0.0)
            assert await asked == 101

    run(story)


def test_with_all_files_in_use_the_slowest_make_room_and_others_than_chargers_have_files_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "GRACE_S", 0.01)
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def story() -> None:
        monkeypatch.setattr(listener, "OTHER_FILES", files - 3)
        async with running(tmp_path) as edge, AsyncExitStack() as stack:
            await silent(edge, stack, 20)
            assert await edge.refused("a") == 101
            assert len(edge.listener._handshakes) <= 3
        monkeypatch.setattr(listener, "OTHER_FILES", -files)
        async with running(tmp_path) as edge, AsyncExitStack() as stack:
            await silent(edge, stack, 20)
            await until(lambda: len(edge.listener._handshakes) == 20)
            open_ones = [os.dup(0)]
            stack.callback(lambda: [os.close(each) for each in open_ones])
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(open_ones) + 2, most))
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (files, most))
            with suppress(OSError):
                while True:
                    open_ones.append(os.dup(0))
            os.close(open_ones.pop())  # for the charger's own end
            reader, writer = await edge.raw()
            writer.write(request(PATH))
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writer.close()
            assert edge.listener.counters.refused["no_files"] >= 1

    run(story)


def test_the_address_with_most_connections_makes_room_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "GRACE_S", 0.0)

    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(max_handshakes=4)) as edge, AsyncExitStack() as stack:
            reader, slow = await asyncio.open_connection("127.0.0.1", edge.listener.port, local_addr=("127.0.0.2", 0))
            stack.callback(slow.close)
            slow.write(request(PATH)[:-1])
            await until(lambda: len(edge.listener._handshakes) == 1)
            await silent(edge, stack, 20)
            await until(lambda: edge.listener.counters.refused["storm"] == 17)
            slow.write(request(PATH)[-1:])
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")

    run(story)


def test_whoever_has_spoken_and_was_not_read_yet_is_not_the_slow_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(max_handshakes=1)) as edge:
            _, writer = await edge.raw()
            await until(lambda: len(edge.listener._handshakes) == 1)
            (handshake,) = edge.listener._handshakes
            assert not handshake.is_unread()
            writer.get_extra_info("socket")._sock.send(b"G")  # and no turn of the loop in between
            assert handshake.is_unread()
            writer.close()

    run(story)


def test_a_thousand_chargers_at_once_all_get_in(tmp_path: Path) -> None:
    patient = Bounds(max_handshakes=20, handshake_s=LONGEST_S)

    async def story() -> None:
        async with running(tmp_path, bounds=patient) as edge, AsyncExitStack() as stack:

            async def come(number: int) -> None:
                reader, writer = await edge.raw()
                stack.callback(writer.close)
                writer.write(request(f"/ocpp/{SUBSTATION}/CP-{number}"))
                assert b" 101 " in await reader.readuntil(b"\r\n\r\n")

            await asyncio.gather(*(come(number) for number in range(1000)))
            assert edge.listener.counters.connected == 1000
            assert sum(edge.listener.counters.refused.values()) == 0

    run(story)


def test_no_more_chargers_than_there_may_be(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(max_connections=2)) as edge:
            async with edge.charger("a"), edge.charger("b"):
                assert await edge.refused("c") == 503
                assert edge.listener.counters.refused["full"] == 1
            await until(lambda: not edge.listener._all)
            assert await edge.refused("c") == 101

    run(story)


# ---------------------------------------------------------------------- messages


def test_a_message_that_is_too_long_ends_the_connection(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(max_message_bytes=5000)) as edge:
            async with edge.charger() as charger:
                await say(charger, 2, "m1", "DataTransfer", {"vendorId": "x" * 4900})
                assert await is_alive(charger)
                await charger.send(["x" * 3000, "y" * 3000])
                with pytest.raises(ConnectionClosed) as caught:
                    await charger.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1009
            await until(lambda: edge.link() is None)
            assert edge.listener.counters.closed["protocol_error"] == 1

    run(story)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x81\x02[]",
        frame(b"", opcode=3),
        frame(b"[]", opcode=0),
        frame(b"x", opcode=9, fin=False),
        frame(b"[", fin=False) + frame(b"[]"),
        b"\xf1\x80" + bytes(4),
        b"\x81\xff" + b"\xff" * 8 + bytes(4),
        frame(b"\x00", opcode=8),
        b"rubbish that is no frame at all",
    ],
)
def test_what_is_no_websocket_ends_the_connection(tmp_path: Path, sent: bytes) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge:
            reader, writer = await entered(edge)
            writer.write(sent)
            await reader.read()
            await until(lambda: edge.fleet.told == [("connected", "CP-1"), ("disconnected", "CP-1")])
            writer.close()

    run(story)


@pytest.mark.parametrize("begin", [frame(b"[", fin=False), b"\x81\xfe\xff\x00" + bytes(4)])
def test_a_message_that_never_ends_does_not_stay(tmp_path: Path, begin: bytes) -> None:
    """Not even where something comes now and then, so that it is no silence."""

    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(message_s=0.2, ping_s=0.1)) as edge:
            reader, writer = await entered(edge)
            writer.write(frame(b"[]") + begin)
            ended = asyncio.create_task(reader.read())
            while not ended.done():
                writer.write(frame(b"", opcode=9))
                await asyncio.sleep(0.05)
            assert edge.listener.counters.closed["slow"] == 1
            writer.close()

    run(story)


def test_a_charger_that_is_idle_between_messages_may_take_its_time_for_the_next(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(message_s=LONGEST_S)) as edge:
            reader, writer = await entered(edge)
            link = edge.link()
            assert isinstance(link, Connection)
            link._begun_s -= 2 * LONGEST_S
            writer.write(frame(b"[", fin=False))
            await until(link._is_amid_message)
            link.check(time.monotonic())
            assert link.is_open
            link._begun_s -= 2 * LONGEST_S
            link.check(time.monotonic())
            assert not link.is_open
            await reader.read()
            writer.close()

    run(story)


def test_a_message_in_very_many_fragments_ends_the_connection(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(messages_per_s=1e6, burst=10**6)) as edge:
            reader, writer = await entered(edge)
            writer.write(frame(b"[", fin=False) + frame(b"", opcode=0, fin=False) * 300)
            assert b"too many fragments" in await reader.read(1000)
            assert edge.listener.counters.closed["fragments"] == 1
            writer.close()

    run(story)


def test_a_charger_that_sends_too_much_is_read_no_faster_than_the_rate_and_the_others_do_not_notice(
    tmp_path: Path,
) -> None:
    bounds = Bounds(messages_per_s=20.0, burst=10)

    async def story() -> None:
        async with (
            running(tmp_path, bounds=bounds) as edge,
            edge.charger("loud") as loud,
            edge.charger("quiet") as quiet,
        ):
            began_s = time.monotonic()
            for number in range(60):
                await say(loud, 2, str(number), "Heartbeat", {})
            for _ in range(3):
                assert await is_alive(quiet)
            quiet_s = time.monotonic() - began_s
            assert [(await heard(loud))[1] for _ in range(60)] == [str(number) for number in range(60)]
            assert await is_alive(loud)
            assert time.monotonic() - began_s >= 2.0 > quiet_s
            await until(lambda: edge.listener.counters.errors["too_many_messages"] > 0)
            assert edge.listener.counters.connected == 2

    run(story)


def test_pings_and_empty_fragments_count_as_messages_do(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(messages_per_s=10.0, burst=10)) as edge:
            _, writer = await entered(edge)
            writer.write(frame(b"", opcode=9) * 500)
            await until(lambda: edge.listener.counters.errors["too_many_messages"] > 0)
            assert len(edge.listener._paused) == 1
            writer.close()

    run(story)


def test_a_charger_that_never_falls_below_the_rate_is_sent_away(tmp_path: Path) -> None:
    async def story() -> None:
        bounds = Bounds(messages_per_s=500.0, burst=50, excess_s=1.0, close_s=0.5)
        async with running(tmp_path, bounds=bounds) as edge:
            reader, writer = await entered(edge)
            while not edge.listener.counters.closed["too_many_messages"]:
                writer.write(frame(b'[3,"nobody",{}]') * 5)
                await asyncio.sleep(0.002)
            assert b"too many messages for too long" in await reader.read(1000)
            await until(lambda: edge.fleet.told == [("connected", "CP-1"), ("disconnected", "CP-1")])
            writer.close()

    run(story)


def test_a_charger_that_waits_for_its_answers_is_never_sent_away_however_much_it_has_to_tell(tmp_path: Path) -> None:
    """After days without a network, as it should."""

    async def story() -> None:
        bounds = Bounds(messages_per_s=50.0, burst=5, excess_s=0.5)
        async with running(tmp_path, bounds=bounds) as edge, edge.charger() as charger:
            began_s = time.monotonic()
            for number in range(120):
                await say(charger, 2, str(number), "Heartbeat", {})
                assert (await heard(charger))[1] == str(number)
            assert time.monotonic() - began_s > 4 * bounds.excess_s
            assert edge.listener.counters.closed["too_many_messages"] == 0

    run(story)


def test_a_charger_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(max_unsent_bytes=20_000)) as edge:
            reader, writer = await entered(edge)
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            edge.ask()
            link, sent = edge.link(), 0
            assert link is not None
            while edge.listener.counters.closed["unread"] == 0:
                sent += 1
                assert sent < 100_000
                writer.write(frame(json.dumps([9, str(sent)]).encode()))
                link._ws.send_text(b"x" * 10_000)  # type: ignore[attr-defined]
                link._flush()  # type: ignore[attr-defined]
                await asyncio.sleep(0)
            assert edge.answers == [Answer(None, CallFailure.CLOSED)]
            await until(lambda: edge.fleet.told == [("connected", "CP-1"), ("disconnected", "CP-1")])
            writer.close()

    run(story)


def test_the_log_is_not_flooded_by_a_charger_that_does_all_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(messages_per_s=1e6, burst=10**6)) as edge, edge.charger() as charger:
            for number in range(300):
                await say(charger, 2, str(number), "StatusNotification", {"secret": 1})
                await say(charger, 3, str(number), {})
            assert await is_alive(charger)
            assert edge.listener.counters.errors["schema"] == 300
            assert edge.listener.counters.errors["unasked"] == 300

    run(story)
    said = [record for record in caplog.records if "did not follow OCPP" in record.message]
    assert len(said) == 2


def test_nothing_of_a_connection_stays_when_it_is_over(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge:
            for number in range(30):
                async with edge.charger(f"CP-{number % 3}") as charger:
                    await say(charger, 2, "m1", "Authorize", {"idTag": "A"})
                    assert await is_alive(charger)
            found = edge.listener
            await until(lambda: not found._all)
            assert (found._current, found._paused, found._handshakes, found._of_address) == ({}, {}, {}, {})
            await until(lambda: not found._tasks)

    run(story)


def test_the_time_to_come_again_is_another_each_time(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge:
            assert len({edge.listener.retry_after_s() for _ in range(200)}) > 5

    run(story)
