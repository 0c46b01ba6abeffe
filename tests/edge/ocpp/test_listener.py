"""Chargers on real sockets: they connect, talk, come twice, fall silent, and are sent away."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame
from websockets.http11 import Request

from smartgrid.edge.ocpp.settings import Bounds
from smartgrid.edge.ports import Answer, CallFailure, Link, OcppVersion, Payload
from smartgrid.runtime.fair_selector import FairSelector
from support.charger_sockets import SUBSTATION, Edge, Fleet, heard, is_alive, request, run, running, say, until


async def closed(connection: ClientConnection) -> tuple[int, str]:
    """The code and the reason of its end."""
    with pytest.raises(ConnectionClosed) as caught:
        await all_of(connection)
    assert caught.value.rcvd is not None, "the connection was cut off"
    return caught.value.rcvd.code, caught.value.rcvd.reason


async def all_of(connection: ClientConnection) -> None:
    while True:
        await connection.recv()


# ---------------------------------------------------------------------- the beginning


@pytest.mark.parametrize("version", [each.value for each in OcppVersion])
def test_a_charger_of_each_version_connects_and_is_answered(tmp_path: Path, version: str) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge, edge.charger(version=version) as charger:
            assert charger.subprotocol == version
            assert await is_alive(charger)
            (link,) = edge.fleet.links
            assert link.version.value == version
            assert link.charger == (SUBSTATION, "CP-1")
            assert link is edge.link()
            assert abs(link.opened_s - time.monotonic()) < 30

    run(story)


def test_chargers_that_are_in_wait_behind_those_that_come_until_they_have_gone(tmp_path: Path) -> None:
    """With a selector as the edge's loop has it; what they gain by it is `tests/runtime/test_fair_selector.py`."""
    put_behind: list[int] = []
    forgotten: list[int] = []

    class Watched(FairSelector):
        def put_behind(self, descriptor: int) -> None:
            put_behind.append(descriptor)
            super().put_behind(descriptor)

        def forget(self, descriptor: int) -> None:
            forgotten.append(descriptor)
            super().forget(descriptor)

    async def story() -> None:
        async with running(tmp_path, selector=selector) as edge:
            assert await edge.refused("CP-1", subprotocols=["ocpp9"]) == 101  # and sent away
            assert put_behind == []
            for _ in range(2):
                async with edge.charger() as charger:
                    assert await is_alive(charger)
                    assert len(put_behind) == len(forgotten) + 1
                await until(lambda: forgotten == put_behind)

    selector = Watched()
    runner = asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector))
    with ThreadPoolExecutor(1) as thread, runner:
        thread.submit(runner.run, asyncio.wait_for(story(), 30)).result()
    assert len(put_behind) == 2


def test_neither_the_request_nor_the_last_message_is_kept_in_memory(tmp_path: Path) -> None:
    """3 KB for each of ten thousand."""

    async def story() -> None:
        async with running(tmp_path) as edge, edge.charger(additional_headers={"X-Mark": "kept?"}) as charger:
            await say(charger, 2, "m1", "Heartbeat", {"vendor": "mark" * 100})
            await until(lambda: bool(edge.fleet.called_with))
            (link,) = edge.fleet.links
            generator = link._ws.parser  # type: ignore[attr-defined]
            held = []
            while generator is not None:
                held += generator.gi_frame.f_locals.values()
                generator = generator.gi_yieldfrom
            assert [dict(each.headers) for each in held if isinstance(each, Request)] == [{}]
            assert {each.data for each in held if isinstance(each, Frame)} == {b""}

    run(story)


def test_of_several_subprotocols_the_charger_s_first_that_we_speak_is_taken(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            running(tmp_path) as edge,
            edge.charger(subprotocols=["ocpp9", "ocpp2.0.1", "ocpp1.6"]) as charger,
        ):
            assert charger.subprotocol == "ocpp2.0.1"

    run(story)


@pytest.mark.parametrize("offered", [None, ["ocpp1.5"], ["soap", "OCPP1.6"]])
def test_pitfall_24_a_charger_that_speaks_nothing_of_ours_is_let_in_without_a_subprotocol_and_closed(
    tmp_path: Path, offered: list[str] | None
) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge, edge.charger(subprotocols=offered) as charger:
            assert charger.response is not None
            assert charger.response.status_code == 101
            assert charger.subprotocol is None
            assert (await closed(charger))[0] == 1002
            assert edge.fleet.told == []
            assert edge.listener.counters.refused["subprotocol"] == 1

    run(story)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ocpp",
        f"/ocpp/{SUBSTATION}",
        f"/ocpp/{SUBSTATION}/",
        f"/ocpp/{SUBSTATION}/..%2F..%2Fetc%2Fpasswd",
        f"/ocpp/{SUBSTATION}/" + "x" * 49,
        "/ocpp/substation-9/CP-1",
    ],
)
def test_pitfall_24_where_no_charger_can_be_it_is_404(tmp_path: Path, path: str) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge:
            reader, writer = await edge.raw()
            writer.write(request(path))
            assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
            writer.close()
            assert edge.fleet.told == []

    run(story)


def test_probes_are_answered_on_the_same_port(tmp_path: Path) -> None:
    async def story() -> None:
        is_ready = [False]
        async with running(tmp_path, is_ready=lambda: is_ready[0]) as edge:
            for path, status in (("/health", b"200"), ("/ready", b"503")):
                assert await answered(edge, path) == status
            is_ready[0] = True
            assert await answered(edge, "/ready") == b"200"
            assert await answered(edge, "/metrics") == b"404"

    run(story)


async def answered(edge: Edge, path: str, version: str = "1.1") -> bytes:
    reader, writer = await edge.raw()
    writer.write(f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
    found = await reader.read()
    writer.close()
    return found.split(b" ")[1]


def test_a_liveness_probe_is_answered_even_where_no_charger_is_let_in(tmp_path: Path) -> None:
    """Else a full edge would be restarted, with all its chargers."""

    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(max_connections=1)) as edge, edge.charger("a"):
            assert await edge.refused("b") == 503
            assert await answered(edge, "/health") == b"200"

    run(story)


# ---------------------------------------------------------------------- messages


def test_what_the_edge_asks_is_answered_by_the_charger(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge, edge.charger() as charger:
            await until(lambda: len(edge.fleet.links) == 1)
            edge.ask()
            kind, message_id, action, payload = await heard(charger)
            assert (kind, action, payload) == (2, "GetConfiguration", {})
            await say(charger, 3, message_id, {"unknownKey": ["a"]})
            await until(lambda: edge.answers == [Answer({"unknownKey": ["a"]})])

    run(story)


def test_pitfall_23_a_call_without_an_answer_ends_after_its_timeout_and_the_next_goes_out(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge, edge.charger() as charger:
            await until(lambda: len(edge.fleet.links) == 1)
            edge.ask(timeout_s=0.1)
            edge.ask(timeout_s=60)
            first, second = await heard(charger), await heard(charger)
            assert first[1] != second[1]
            assert edge.answers == [Answer(None, CallFailure.TIMEOUT)]

    run(story)


def test_a_call_under_way_ends_with_the_connection(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge:
            async with edge.charger() as charger:
                await until(lambda: len(edge.fleet.links) == 1)
                edge.ask()
                edge.ask()
                await heard(charger)
            await until(lambda: edge.answers == [Answer(None, CallFailure.CLOSED)] * 2)
            edge.ask()
            assert len(edge.answers) == 3
            edge.fleet.links[0].reply("m1", {"currentTime": "x"})

    run(story)


def test_a_message_in_fragments_or_as_bytes_is_a_message(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge, edge.charger() as charger:
            text = json.dumps([2, "m1", "Heartbeat", {}])
            await charger.send([text[:5], text[5:9], text[9:]])
            assert (await heard(charger))[1] == "m1"
            await charger.send(text.replace("m1", "m2").encode())
            assert (await heard(charger))[1] == "m2"
            assert edge.fleet.told == [("connected", "CP-1")]

    run(story)


@pytest.mark.parametrize("text", ["", "rubbish", "[]", "{}", '[2,"m1"]', '[2,"m1","Heartbeat",[]]', "\u0000", "[[[["])
def test_rubbish_is_answered_once_and_the_connection_goes_on(tmp_path: Path, text: str) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge, edge.charger() as charger:
            await charger.send(text)
            assert (await heard(charger))[:1] == [4]
            assert await is_alive(charger)
            assert edge.listener.counters.errors["unreadable"] == 1

    run(story)


def test_an_exception_in_the_fleet_is_our_trouble_and_the_charger_is_told_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Fleet):
        def called(self, link: Link, message_id: str, action: str, payload: Payload) -> None:
            super().called(link, message_id, action, payload)
            if action != "Heartbeat":
                raise RuntimeError("the disk is on fire")

    async def story() -> None:
        async with running(tmp_path, fleet=Broken()) as edge, edge.charger() as charger:
            await say(charger, 2, "m1", "Authorize", {"idTag": "A"})
            assert await is_alive(charger)
            assert edge.listener.counters.errors["own"] == 1
            edge.fleet.links[0].call("GetConfiguration", {}, raising)
            await say(charger, 3, (await heard(charger))[1], {})
            assert await is_alive(charger)
            assert edge.listener.counters.errors["own"] == 2

    def raising(answer: Answer) -> None:
        raise RuntimeError(f"nobody wants {answer}")

    run(story)
    assert "the disk is on fire" in caplog.text


# ---------------------------------------------------------------------- two sockets


def test_pitfall_02_of_two_connections_of_a_charger_the_newer_counts_and_the_older_is_closed(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge, edge.charger() as old:
            assert await is_alive(old)
            edge.ask()
            async with edge.charger() as new:
                assert await is_alive(new)
                assert edge.answers == [Answer(None, CallFailure.CLOSED)]
                assert (await closed(old))[0] == 1000
                assert edge.link() is edge.fleet.links[1]
                assert edge.fleet.told == [("connected", "CP-1")] * 2
                assert edge.listener.counters.connected == 1
            await until(lambda: edge.fleet.told[2:] == [("disconnected", "CP-1")])
            assert edge.link() is None
            assert edge.listener.counters.connected == 0

    run(story)


def test_pitfall_02_the_late_end_of_a_dead_connection_does_not_end_the_newer_one(tmp_path: Path) -> None:
    """The charger's old router is gone: the old socket neither reads nor closes."""

    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(close_s=0.1)) as edge:
            _, dead = await edge.raw()
            dead.write(request(f"/ocpp/{SUBSTATION}/CP-1"))
            await until(lambda: len(edge.fleet.links) == 1)
            async with edge.charger() as new:
                assert await is_alive(new)
                assert len(edge.listener._all) == 2
                await until(lambda: len(edge.listener._all) == 1)
                assert await is_alive(new)
                assert edge.link() is edge.fleet.links[1]
                assert edge.fleet.told == [("connected", "CP-1")] * 2
            dead.close()

    run(story)


def test_pitfall_02_what_an_older_connection_still_sends_is_not_heard(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(close_s=0.2)) as edge:
            reader, old = await edge.raw()
            old.write(request(f"/ocpp/{SUBSTATION}/CP-1"))
            await reader.readuntil(b"\r\n\r\n")
            async with edge.charger() as new:
                assert await is_alive(new)
                frame = json.dumps([2, "late", "Authorize", {"idTag": "A"}]).encode()
                old.write(b"\x81" + bytes([0x80 | len(frame)]) + bytes(4) + frame)
                await reader.read(100)
                await until(lambda: len(edge.listener._all) == 1)
                assert await is_alive(new)
                assert [action for _, action, _ in edge.fleet.called_with] == ["Heartbeat"]
            old.close()

    run(story)


def test_pitfall_02_a_charger_that_comes_again_and_again_leaves_nothing_behind(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge, AsyncExitStack() as stack:
            for _ in range(20):
                await stack.enter_async_context(edge.charger())
            last = await stack.enter_async_context(edge.charger())
            assert await is_alive(last)
            await until(lambda: len(edge.listener._all) == 1)
            assert [told for told, _ in edge.fleet.told] == ["connected"] * 21

    run(story)


# ---------------------------------------------------------------------- pings, and who is silent

QUICK = Bounds(ping_s=0.2, silence_s=2.0, pong_silence_s=1.0, close_s=0.2)


def without_pongs(connection: ClientConnection) -> None:
    """As chargers are that never answer a ping."""
    connection.protocol.send_pong = lambda data: None  # type: ignore[method-assign]
    original = connection.protocol.recv_frame

    def recv_frame(frame: Any) -> None:
        if frame.opcode != 0x9:
            original(frame)

    connection.protocol.recv_frame = recv_frame  # type: ignore[method-assign]


def test_pitfall_03_a_silent_charger_that_answers_pings_stays(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=QUICK) as edge, edge.charger(ping_interval=None) as charger:
            await asyncio.sleep(3.5)
            assert await is_alive(charger)
            assert edge.listener.counters.closed["silent"] == 0

    run(story)


def test_pitfall_03_a_charger_that_never_answers_pings_stays_as_long_as_it_says_anything(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=QUICK) as edge, edge.charger(ping_interval=None) as charger:
            without_pongs(charger)
            for _ in range(6):
                await asyncio.sleep(0.6)
                assert await is_alive(charger)
            assert edge.listener.counters.closed["silent"] == 0

    run(story)


def test_pitfall_03_a_charger_s_own_pings_are_answered_and_count_as_life(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=QUICK) as edge, edge.charger(ping_interval=None) as charger:
            without_pongs(charger)
            for _ in range(6):
                await asyncio.sleep(0.6)
                await (await charger.ping())
            assert await is_alive(charger)
            assert edge.listener.counters.closed["silent"] == 0

    run(story)


def test_pitfall_03_a_charger_that_says_nothing_at_all_is_gone_after_a_while(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=QUICK) as edge, edge.charger(ping_interval=None) as charger:
            without_pongs(charger)
            assert await is_alive(charger)
            began_s = time.monotonic()
            assert (await closed(charger))[0] == 1001
            assert time.monotonic() - began_s >= 1.5
            await until(lambda: edge.fleet.told == [("connected", "CP-1"), ("disconnected", "CP-1")])
            assert edge.listener.counters.closed["silent"] == 1

    run(story)


def test_pitfall_03_one_that_has_answered_pings_and_does_so_no_more_is_gone_sooner(tmp_path: Path) -> None:
    async def story() -> None:
        bounds = Bounds(ping_s=0.2, silence_s=600.0, pong_silence_s=1.0, close_s=0.2)
        async with running(tmp_path, bounds=bounds) as edge, edge.charger(ping_interval=None) as charger:
            await until(lambda: bool(edge.fleet.links) and getattr(edge.fleet.links[0], "_has_ponged", False))
            without_pongs(charger)
            assert (await closed(charger))[0] == 1001

    run(story)


def test_pitfall_03_a_connection_that_is_cut_is_told_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge:
            charger = await edge.charger()
            assert await is_alive(charger)
            charger.transport.abort()
            await until(lambda: edge.fleet.told == [("connected", "CP-1"), ("disconnected", "CP-1")])

    run(story)


# ---------------------------------------------------------------------- the end


def test_a_charger_that_is_removed_from_the_registry_is_sent_away(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge, edge.charger() as charger:
            assert await is_alive(charger)
            link = edge.link()
            assert link is not None
            edge.listener.drop(link.charger)
            assert (await closed(charger))[0] == 1008
            await until(lambda: edge.link() is None)
            edge.listener.drop(link.charger)

    run(story)


def test_at_the_end_all_are_told_to_come_again_evenly_spread_and_nobody_is_let_in(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge, AsyncExitStack() as stack:
            chargers = [await stack.enter_async_context(edge.charger(f"CP-{number}")) for number in range(8)]
            ends: list[float] = []

            async def wait(charger: ClientConnection) -> None:
                assert (await closed(charger))[0] == 1001
                ends.append(time.monotonic())

            waiting = asyncio.gather(*(wait(charger) for charger in chargers))
            port, began_s = edge.listener.port, time.monotonic()
            await edge.listener.stop(0.8)
            await waiting
            assert max(ends) - began_s >= 0.6
            assert sorted(name for told, name in edge.fleet.told if told == "disconnected") == [
                f"CP-{number}" for number in range(8)
            ]
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", port)

    run(story)


def test_at_the_end_a_charger_that_does_not_answer_the_close_is_not_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, bounds=Bounds(close_s=0.2)) as edge:
            _, dead = await edge.raw()
            dead.write(request(f"/ocpp/{SUBSTATION}/CP-1"))
            await until(lambda: len(edge.fleet.links) == 1)
            await edge.listener.stop(0)
            assert edge.fleet.told == [("connected", "CP-1"), ("disconnected", "CP-1")]
            dead.close()

    run(story)


# ---------------------------------------------------------------------- diagnostics


def test_the_last_messages_of_a_charger_are_shown_also_after_it_has_gone(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as edge:
            async with edge.charger() as charger:
                await say(charger, 2, "m1", "Heartbeat", {})
                await heard(charger)
                await charger.send("rubbish")
                await heard(charger)
                charger_id = edge.fleet.links[0].charger
            await until(lambda: edge.link() is None)
            found = edge.listener.diagnostics(charger_id)
            assert [(each["direction"], each["type"], each["id"], each["action"]) for each in found] == [
                ("in", "call", "m1", "Heartbeat"),
                ("out", "result", "m1", None),
                ("in", "unreadable", "", None),
                ("in", "notice", "", None),
                ("out", "error", "-1", None),
            ]
            assert all(each["at"].tzinfo is not None for each in found)
            assert edge.listener.diagnostics(charger_id._replace(charger="nobody")) == []

    run(story)
