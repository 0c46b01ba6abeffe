"""Those who follow sessions, over real connections; the balancer that is looked at is a script."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any

import pytest

from smartgrid.gateway import followers as module
from smartgrid.gateway.followers import Followers
from smartgrid.gateway.session_events import SessionEvents
from smartgrid.http_client.answer import Answer, Headers
from smartgrid.http_server.server import HttpServer
from smartgrid.http_server.stream import Stream
from smartgrid.http_server.turns import Kind
from smartgrid.http_server.wsgi import STREAM
from support.processes import wait_until

LONGEST_S = 30.0
SESSION = {"session_id": "s.1", "state": "Waiting", "position": 2}


class Gateway:
    """A server whose streams follow the session that the path names, and the balancer behind it."""

    def __init__(self, most: int) -> None:
        self.sessions: dict[str, tuple[int, dict[str, Any]]] = {}
        self.looks: list[str] = []
        self.began_s = time.monotonic
        self.followers = Followers(self.look, most=most, look_every_s=0.02)
        self.server = HttpServer(self.app, "127.0.0.1", 0, dict.fromkeys(Kind, 8))

    def app(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path, whose = environ["PATH_INFO"], environ["QUERY_STRING"]

        def opened(stream: Stream) -> None:
            self.followers.add(path, {"whose": whose}, whose, stream, SessionEvents(SESSION, self.began_s()))

        environ[STREAM] = opened
        start("200 OK", [])
        return [b"first"]

    def look(self, path: str, headers: Mapping[str, str]) -> Answer | None:
        self.looks.append(path + headers["whose"])
        found = self.sessions.get(path, (200, SESSION))
        return Answer(found[0], Headers(), json.dumps(found[1]).encode()) if found[0] else None

    def follow(self, path: str, whose: str = "") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.server.port), LONGEST_S)
        made.settimeout(LONGEST_S)
        made.sendall(f"GET {path}?{whose} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received(made, b"first")
        return made


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setattr(module, "CLOCK_S", 0.02)
    made = Gateway(most=50)
    made.server.start()
    yield made
    made.server.stop()


def received(made: socket.socket, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        part = made.recv(65_536)
        assert part, f"ended after {found!r}"
        found += part
    return found


def rest(made: socket.socket) -> bytes:
    found = b""
    while part := made.recv(65_536):
        found += part
    return found


def test_what_changes_is_told_to_all_who_follow_it_and_to_no_one_else(gateway: Gateway) -> None:
    with ExitStack() as stack:
        first, second, other = (stack.enter_context(closing(gateway.follow(path))) for path in ("/a", "/a", "/b"))
        gateway.sessions["/a"] = 200, {**SESSION, "position": 1}
        for each in (first, second):
            assert b'"position":1' in received(each, b"\n\n")
        gateway.sessions["/b"] = 200, {**SESSION, "state": "Charging"}
        assert received(other, b"\n\n").count(b"event: session") == 1


def test_it_ends_with_the_session(gateway: Gateway) -> None:
    with closing(gateway.follow("/a")) as made:
        gateway.sessions["/a"] = 200, {**SESSION, "state": "Idle"}
        assert rest(made).count(b'"state":"Idle"') == 1


def test_it_ends_where_the_session_is_not_known_any_more(gateway: Gateway) -> None:
    with closing(gateway.follow("/a")) as made:
        gateway.sessions["/a"] = 404, {}
        assert rest(made).replace(b": keep-alive\n\n", b"") == b""


@pytest.mark.parametrize(("status", "body"), [(0, {}), (503, {}), (200, {"unreadable": True})])
def test_it_stays_while_the_balancer_gives_no_session(gateway: Gateway, status: int, body: dict[str, Any]) -> None:
    with closing(gateway.follow("/a")) as made:
        gateway.sessions["/a"] = status, body
        looks = len(gateway.looks)
        wait_until(lambda: len(gateway.looks) > looks + 5, LONGEST_S)
        gateway.sessions["/a"] = 200, {**SESSION, "position": 1}
        assert b'"position":1' in received(made, b"}\n\n")


def test_a_session_is_looked_at_once_for_all_who_may_see_it_alike(gateway: Gateway) -> None:
    with ExitStack() as stack:
        for whose in ("anna", "anna", "ben"):
            stack.enter_context(closing(gateway.follow("/a", whose)))
        wait_until(lambda: gateway.followers.number == 3, LONGEST_S)
        gateway.looks.clear()
        wait_until(lambda: len(gateway.looks) > 40, LONGEST_S)
        shares = [gateway.looks[:40].count(path) for path in ("/aanna", "/aben")]
        assert all(abs(share - 20) < 10 for share in shares), shares


def test_who_has_gone_is_forgotten_and_nothing_more_is_looked_at(gateway: Gateway) -> None:
    for _ in range(5):
        with closing(gateway.follow("/a")):
            pass
    wait_until(lambda: gateway.followers.number == 0, LONGEST_S)
    wait_until(lambda: not gateway.followers._followed and not gateway.followers._due, LONGEST_S)


def test_who_is_one_too_many_is_sent_away(gateway: Gateway) -> None:
    with ExitStack() as stack:
        for number in range(50):
            stack.enter_context(closing(gateway.follow(f"/{number}")))
        wait_until(lambda: not gateway.followers.has_room, LONGEST_S)
        with closing(gateway.follow("/one-too-many")) as late:
            assert rest(late) == b""
        assert gateway.followers.number == 50


def test_many_followers_take_few_threads_and_the_looks_a_second_are_bounded(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        for number in range(20):
            stack.enter_context(closing(gateway.follow(f"/{number}")))
        monkeypatch.setattr(module, "LOOKS_PER_S", 0.001)  # now that all are there: who comes later waits behind them
        wait_until(lambda: len(set(gateway.looks)) == 20, LONGEST_S, "each has been looked at")
        assert sum(each.name == "session-events" for each in threading.enumerate()) % (module.LOOKERS + 1) == 0

        def are_all_looked_at_seldom() -> bool:
            next_s = [each.due_s - time.monotonic() for each in list(gateway.followers._due)]
            return len(next_s) >= 20 - module.LOOKERS and all(due_in_s > 500 for due_in_s in next_s)

        wait_until(are_all_looked_at_seldom, LONGEST_S, "each is looked at seldom")


def test_comments_keep_it_alive_and_in_the_end_it_must_connect_anew(gateway: Gateway) -> None:
    gateway.began_s = lambda: time.monotonic() - 10_000
    with closing(gateway.follow("/a")) as made:
        assert rest(made) == b": keep-alive\n\n"
