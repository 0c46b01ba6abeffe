"""Following a session by server-sent events, from a real grid."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import requests

from gateway.following import follow
from smartgrid.gateway.followers import LOOKERS
from support.grid import Grid, charge, metric
from support.processes import wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes


def test_the_session_comes_at_once_and_its_end_is_the_last(grid: Grid) -> None:
    session = charge(grid.gateway, "EV-followed").json()
    with follow(grid.gateway, session["session_id"]) as events:
        assert events.reply.headers["Content-Type"] == "text/event-stream"
        assert events.reply.headers["Cache-Control"] == "no-store"
        assert events.reply.headers["X-Accel-Buffering"] == "no"
        told = iter(events)
        first = next(told).session
        assert (first["session_id"], first["state"]) == (session["session_id"], "Charging")
        grid.gateway.call("DELETE", f"/sessions/{session['session_id']}")
        assert [(each.session["state"], each.session["end_reason"]) for each in told] == [("Idle", "Stopped")]


def test_a_session_that_has_ended_is_told_once_and_who_knows_it_comes_back_no_more(grid: Grid) -> None:
    session_id = charge(grid.gateway).json()["session_id"]
    grid.gateway.call("DELETE", f"/sessions/{session_id}")

    with follow(grid.gateway, session_id) as events:
        (only,) = events
    assert only.session["state"] == "Idle"
    with follow(grid.gateway, session_id, {"Last-Event-ID": only.id}) as events:
        assert (events.reply.status_code, events.reply.content) == (204, b"")
    with follow(grid.gateway, session_id, {"Last-Event-ID": "of-another-time"}) as events:
        assert events.next().session["state"] == "Idle"


@pytest.mark.parametrize("session_id", ["nothing", "substation-0.nothing", "%00"])
def test_a_session_that_is_not_there(grid: Grid, session_id: str) -> None:
    reply = grid.gateway.call("GET", f"/sessions/{session_id}/events")
    assert (reply.status, reply.json()["code"]) == (404, "not-found")


def test_head_is_answered_and_follows_nothing(grid: Grid) -> None:
    session_id = charge(grid.gateway).json()["session_id"]
    reply = requests.head(f"{grid.gateway.url}/sessions/{session_id}/events", timeout=60)
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/event-stream")
    assert metric(grid.gateway, "session_followers") == 0


def test_many_follow_without_a_thread_each_and_are_counted_while_they_do(grid: Grid) -> None:
    session_id = charge(grid.gateway).json()["session_id"]
    open_ones = [follow(grid.gateway, session_id) for _ in range(100)]
    for each in open_ones:
        assert each.__enter__().next().session["state"] == "Charging"
    wait_until(lambda: metric(grid.gateway, "session_followers") == 100, 60)
    assert threads_of(grid.gateway.pid) < 64 + LOOKERS
    assert grid.gateway.call("GET", "/health").status == 200

    for each in open_ones:
        each.__exit__(None, None, None)
    wait_until(lambda: metric(grid.gateway, "session_followers") == 0, 60)


def test_it_goes_on_while_the_balancer_is_away(grid: Grid) -> None:
    session_id = charge(grid.gateway).json()["session_id"]
    with follow(grid.gateway, session_id) as events:
        told = iter(events)
        assert next(told).session["state"] == "Charging"
        grid.balancer.kill()
        grid.balancer.restart()
        wait_until(lambda: grid.gateway.call("DELETE", f"/sessions/{session_id}").status == 200, 60)
        assert next(told).session["state"] == "Idle"


def test_a_gateway_that_ends_lets_go_of_its_followers_at_once(grid: Grid) -> None:
    session_id = charge(grid.gateway).json()["session_id"]
    with follow(grid.gateway, session_id) as events:
        told = iter(events)
        next(told)
        grid.gateway.popen.send_signal(signal.SIGTERM)
        assert list(told) == []
    assert grid.gateway.popen.wait(60) == 0


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
