"""Whatever a server sends, wherever packets end: no answer reaches another request, nothing hangs, nothing escapes."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_client.fuzz_parser import check, fuzz
from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from support.strange_answers import good, mutated, pieces

REQUESTS = 4
TIMEOUT_S = 0.1
LATE_S = 20.0  # a busy machine is not a client that hangs
LONGEST_S = 60.0
SEEDS = st.integers(0, 2**32 - 1)


def marker(number: int) -> bytes:
    """Of a request; no few mutations make one of another."""
    return sha256(b"%d" % number).hexdigest()[:16].encode()


@dataclass(frozen=True)
class Turn:
    """What the server sends for one request, and whether it then closes the connection."""

    parts: list[bytes]
    closes: bool
    body: bytes | None
    """Of the answer that comes first, where that is a good one."""

    @classmethod
    def draw(cls, rng: Random, number: int) -> Turn:
        answer = good(rng, marker(number))
        closes = answer.ends_with_connection or rng.randrange(4) == 0
        way = rng.randrange(4)
        if way == 0:
            return cls(pieces(rng, mutated(rng, answer.raw)), closes, None)
        if way == 1:
            return cls(pieces(rng, answer.raw[: rng.randrange(len(answer.raw))]), True, None)
        too_many = [] if closes or way == 2 else pieces(rng, _too_many(rng, number))
        return cls([*pieces(rng, answer.raw), *too_many], closes, answer.body)


def _too_many(rng: Random, number: int) -> bytes:
    another = good(rng, marker(number)).raw
    return rng.choice((another, another, mutated(rng, another), another[: rng.randrange(len(another))]))


class TurnServer:
    """Answers the request for `/N` with turn N, each connection in a thread of its own."""

    def __init__(self, turns: list[Turn]) -> None:
        self._turns = turns
        self.received: Counter[int] = Counter()
        self._busy, self._changed = 0, threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LONGEST_S)
        self._open: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):  # at the end
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(LONGEST_S)
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while request := connection.recv(65_536):
                number = int(request.split(b" ", 2)[1].removeprefix(b"/"))
                with self._sending():
                    self.received[number] += 1
                    for part in self._turns[number].parts:
                        connection.sendall(part)
                    if self._turns[number].closes:
                        return

    @contextmanager
    def _sending(self) -> Iterator[None]:
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def wait_until_sent(self) -> None:
        """What is sent after the next request cannot be told from its answer, by no client at all."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._busy == 0, LONGEST_S)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LONGEST_S)


@given(seed=SEEDS, resend=st.booleans())
def test_no_answer_reaches_another_request(seed: int, *, resend: bool) -> None:
    rng = Random(seed)
    turns = [Turn.draw(rng, number) for number in range(REQUESTS)]
    with closing(TurnServer(turns)) as server, closing(HttpClient(f"http://127.0.0.1:{server.port}")) as http:
        for number in range(REQUESTS):
            begun_s = time.monotonic()
            with suppress(NotSentError, OutcomeUnknownError):
                answer = http.request("GET", f"/{number}", timeout_s=TIMEOUT_S, resend=resend)
                shown = repr((answer.body, dict(answer.headers))).encode()
                others = [other for other in range(REQUESTS) if other != number and marker(other) in shown]
                assert not others
                assert turns[number].body in (None, answer.body)
            assert time.monotonic() - begun_s < TIMEOUT_S + LATE_S
            server.wait_until_sent()
        assert max(server.received.values(), default=0) <= (2 if resend else 1)


@given(seed=SEEDS)
def test_the_parser_takes_good_answers_and_gives_up_broken_ones_wherever_packets_end(seed: int) -> None:
    check(Random(seed))


def test_a_thousand_strange_answers_to_the_parser_and_a_thousand_more() -> None:
    outcomes = fuzz(2000, seed=1)
    assert outcomes["answer"] > 200, "most are broken: too strange to find anything"
    assert outcomes["broken"] > 200, "hardly any is broken: not strange enough"


@pytest.mark.parametrize("number", range(REQUESTS))
def test_markers_differ(number: int) -> None:
    assert all(marker(number) != marker(other) for other in range(REQUESTS) if other != number)
