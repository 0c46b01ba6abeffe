"""Discovery while the API server does what it should not. It never gives up, and keeps the last known fleet."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from balancer.discovery.scripted_api_server import (
    ApiServer,
    Fleet,
    Listing,
    Refusal,
    Running,
    Script,
    Stream,
    endpoint,
    endpoint_slice,
)
from smartgrid.balancer.discovery import Member
from support.ports import free_port
from support.processes import wait_until

Start = Callable[..., ApiServer]
Discover = Callable[..., Running]
ONE = endpoint_slice("a", endpoint("s-0", "10.0.0.1"))
TWO = endpoint_slice("a", endpoint("s-0", "10.0.0.1"), endpoint("s-1", "10.0.0.2"), version="11")
GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}


def test_a_410_as_an_event_leads_to_a_new_list(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]), Listing([TWO], version="50"))
    fleet = discover(start_server(script)).fleet
    script.stream().send("ERROR", GONE)
    fleet.until("s-0", "s-1")
    script.stream()
    assert script.requests[-1]["resourceVersion"] == "50"


def test_a_410_as_a_status_leads_to_a_new_list(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]), Listing([TWO], version="50"))
    script.watches = [Refusal(410, "Expired")]
    fleet = discover(start_server(script)).fleet
    fleet.until("s-0", "s-1")
    script.stream()
    assert script.requests[-1]["resourceVersion"] == "50"


def test_another_error_in_the_stream_leads_to_a_new_list(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]), Listing([TWO]))
    fleet = discover(start_server(script)).fleet
    script.stream().send("ERROR", {"kind": "Status", "code": 500, "message": "etcdserver: leader changed"})
    fleet.until("s-0", "s-1")


def test_a_silent_stream_is_left_and_watched_again_from_where_it_was(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE], version="10"))
    fleet = discover(start_server(script), silence_s=0.2).fleet
    script.stream()
    script.stream().send("MODIFIED", TWO)
    fleet.until("s-0", "s-1")
    assert script.count(watch=False) == 1
    assert script.requests[2]["resourceVersion"] == "10"


def test_a_stream_that_breaks_in_the_middle_of_an_event_is_taken_up_again(
    start_server: Start, discover: Discover
) -> None:
    script = Script(Listing([ONE], version="10"))
    fleet = discover(start_server(script)).fleet
    first = script.stream()
    first.send_raw(b'{"type": "DELETED", "obj')
    first.cut()
    script.stream().send("MODIFIED", TWO)
    assert set(fleet.until("s-0", "s-1")) == {"s-0", "s-1"}
    assert [sorted(known) for known in fleet.history] == [["s-0"], ["s-0", "s-1"]]


def test_an_event_that_comes_in_pieces_is_put_together(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]))
    fleet = discover(start_server(script)).fleet
    stream = script.stream()
    stream.send("MODIFIED", TWO)
    whole = stream.script.get()
    stream.send_raw(whole[:25])
    stream.send_raw(whole[25:])
    fleet.until("s-0", "s-1")


@pytest.mark.parametrize("nonsense", [b"<html>\n", b"[]\n", b'{"type": "ADDED", "object": 5}\n'])
def test_nonsense_in_the_stream_leads_to_a_new_list(start_server: Start, discover: Discover, nonsense: bytes) -> None:
    script = Script(Listing([ONE]), Listing([TWO]))
    fleet = discover(start_server(script)).fleet
    script.stream().send_raw(nonsense)
    fleet.until("s-0", "s-1")


def test_streams_that_end_at_once_are_followed_by_pauses(
    start_server: Start, discover: Discover, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = [Stream() for _ in range(20)]
    for stream in short:
        stream.end()
    script = Script(Listing([ONE]))
    script.watches = [Stream(), *short]
    running = discover(start_server(script))
    first = script.stream()
    waits: list[float] = []
    wait = running.stop.wait
    monkeypatch.setattr(running.stop, "wait", lambda timeout=None: waits.append(timeout or 0) or wait(timeout))
    first.end()
    wait_until(lambda: script.count(watch=True) == 22, what="twenty short streams")
    assert len(waits) >= len(short)


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
def test_a_storm_of_errors_is_waited_out(start_server: Start, discover: Discover, code: int) -> None:
    script = Script(*[Refusal(code)] * 30, Listing([ONE]))
    fleet = discover(start_server(script)).fleet
    fleet.until("s-0")
    assert script.count(watch=False) == 31


def test_a_storm_on_the_watch_keeps_the_fleet(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]))
    script.watches = [Refusal(500)] * 30
    running = discover(start_server(script))
    script.stream().send("MODIFIED", TWO)
    running.fleet.until("s-0", "s-1")
    assert [sorted(known) for known in running.fleet.history] == [["s-0"], ["s-0", "s-1"]]


def test_a_long_outage_is_logged_once_and_its_end_once(
    start_server: Start, discover: Discover, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    discover(start_server(Script(*[Refusal(500, "boom")] * 30, Listing([ONE])))).fleet.until("s-0")
    assert [record.levelname for record in caplog.records if "No news" in record.message] == ["WARNING"]
    assert sum("answers again" in record.message for record in caplog.records) == 1


def test_while_the_api_server_is_away_the_last_fleet_stands_and_ages_and_its_return_is_noticed(
    start_server: Start, discover: Discover
) -> None:
    script, port = Script(Listing([ONE])), free_port()
    server = start_server(script, port)
    running = discover(server)
    running.fleet.until("s-0")
    script.stream()
    server.stop()
    wait_until(lambda: running.discovery._problem is not None, what="the outage to be noticed")
    confirmed = running.discovery.sync_age_s(0.0)
    assert running.fleet.history == [{"s-0": "http://10.0.0.1:8080"}]
    assert running.discovery.sync_age_s(60.0) == confirmed + 60.0

    start_server(Script(Listing([TWO], version="7")), port)
    running.fleet.until("s-0", "s-1")
    assert running.discovery.sync_age_s(0.0) < confirmed


def test_an_api_server_that_is_not_up_yet_is_waited_for(start_server: Start, discover: Discover) -> None:
    port = free_port()
    first = start_server(Script(Listing([])), port)
    first.stop()
    running = discover(first)
    wait_until(lambda: running.discovery._problem is not None, what="the first refused connection")
    start_server(Script(Listing([ONE])), port)
    running.fleet.until("s-0")


def test_a_subscriber_that_fails_does_not_end_discovery(
    start_server: Start, discover: Discover, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, publish, failures = Script(Listing([ONE])), Fleet.__call__, iter([RuntimeError("once")])

    def fail_once(fleet: Fleet, members: frozenset[Member]) -> None:
        for failure in failures:
            raise failure
        publish(fleet, members)

    monkeypatch.setattr(Fleet, "__call__", fail_once)
    running = discover(start_server(script))
    script.stream().send("MODIFIED", TWO)
    running.fleet.until("s-0", "s-1")
