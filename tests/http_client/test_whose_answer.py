"""One request's answer never reaches another, whatever a server sends before, after and between."""

from __future__ import annotations

import socket
import threading
from contextlib import closing

import pytest

from smartgrid.http_client.client import HttpClient, OutcomeUnknownError
from support.rough_server import RoughServer, answers, ok, says, says_each, server

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def ask(http: HttpClient, count: int) -> list[bytes]:
    return [http.request("GET", f"/{number}", timeout_s=10, resend=False).body for number in range(1, count + 1)]


@pytest.mark.parametrize("interim", [CONTINUE, EARLY_HINTS, EARLY_HINTS * 3, CONTINUE + EARLY_HINTS])
def test_interim_answers_are_passed_over(interim: bytes) -> None:
    with server(says_each(interim + ok(b"1"), interim + ok(b"2"))) as rough, closing(HttpClient(rough.url)) as http:
        assert ask(http, 2) == [b"1", b"2"]


def test_the_wait_goes_on_after_an_interim_answer() -> None:
    """In a packet of its own, it is all that there is to read for a while."""
    noticed = threading.Event()

    def one_by_one(rough: RoughServer, connection: socket.socket) -> None:
        for body in (b"1", b"2"):
            rough.read(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(EARLY_HINTS)
            noticed.wait(0.05)  # never set: a while in which the client reads it
            connection.sendall(ok(body))

    with server(one_by_one) as rough, closing(HttpClient(rough.url)) as http:
        assert ask(http, 2) == [b"1", b"2"]


def test_headers_of_an_interim_answer_are_not_those_of_the_answer() -> None:
    with server(says(EARLY_HINTS + ok(b"1"))) as rough, closing(HttpClient(rough.url)) as http:
        answer = http.request("GET", "/", timeout_s=10)
        assert (answer.status, "link" in answer.headers) == (200, False)


def test_interim_answers_without_end_are_given_up() -> None:
    def endless(rough: RoughServer, connection: socket.socket) -> None:
        rough.read(connection)
        while True:
            connection.sendall(CONTINUE * 1000)

    with (
        server(endless) as rough,
        closing(HttpClient(rough.url)) as http,
        pytest.raises(OutcomeUnknownError, match="before the answer's body"),
    ):
        http.request("GET", "/", timeout_s=60)


@pytest.mark.parametrize("headers", [b"", b"Upgrade: x\r\nConnection: upgrade\r\n"])
def test_after_another_protocol_was_switched_to_the_outcome_is_unknown(headers: bytes) -> None:
    raw = b"HTTP/1.1 101 Switching Protocols\r\n" + headers + b"\r\n" + ok(b"1")
    with (
        server(says(raw)) as rough,
        closing(HttpClient(rough.url)) as http,
        pytest.raises(OutcomeUnknownError, match="another protocol"),
    ):
        http.request("GET", "/", timeout_s=10)


@pytest.mark.parametrize("stray", [ok(b"stray"), b"H", b"garbage", b"\r\nHTTP/1.1 500", CONTINUE, b"\0"])
def test_what_comes_with_the_answer_and_after_it_reaches_no_one(stray: bytes) -> None:
    with (
        server(says_each(ok(b"1") + stray, ok(b"not this")), answers(b"2", b"3")) as rough,
        closing(HttpClient(rough.url)) as http,
    ):
        assert ask(http, 3) == [b"1", b"2", b"3"]
        assert len(rough.requests) == 3


@pytest.mark.parametrize("stray", [ok(b"stray"), b"H", b"\0"])
def test_what_comes_after_the_answer_while_the_connection_is_kept_reaches_no_one(stray: bytes) -> None:
    sent = threading.Event()

    def stray_later(rough: RoughServer, connection: socket.socket) -> None:
        answers(b"1")(rough, connection)
        connection.sendall(stray)
        sent.set()
        connection.recv(1)  # the client hangs up

    with server(stray_later, answers(b"2", b"3")) as rough, closing(HttpClient(rough.url)) as http:
        assert ask(http, 1) == [b"1"]
        assert sent.wait(10)
        assert ask(http, 2) == [b"2", b"3"]


def test_an_empty_line_after_an_answer_does_no_harm() -> None:
    with server(says_each(ok(b"1") + b"\r\n", ok(b"2"))) as rough, closing(HttpClient(rough.url)) as http:
        assert ask(http, 2) == [b"1", b"2"]


def test_trailers_replace_no_header() -> None:
    head = b"HTTP/1.1 200 OK\r\nSmartgrid-Status: real\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        server(says(head + b"1\r\nx\r\n0\r\nSmartgrid-Status: other\r\n\r\n")) as rough,
        closing(HttpClient(rough.url)) as http,
    ):
        answer = http.request("GET", "/", timeout_s=10)
        assert (answer.body, answer.headers["smartgrid-status"]) == (b"x", "real")


def test_a_header_that_comes_twice_is_one_with_both_values() -> None:
    with server(says(ok(b"1", b"A: x", b"a: y"))) as rough, closing(HttpClient(rough.url)) as http:
        assert http.request("GET", "/", timeout_s=10).headers["A"] == "x, y"


@pytest.mark.parametrize(
    "head", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.1 200 OK\r\n"]
)
def test_an_answer_may_end_with_the_connection(head: bytes) -> None:
    with server(says(head + b"\r\nhello"), answers(b"2")) as rough, closing(HttpClient(rough.url)) as http:
        assert ask(http, 2) == [b"hello", b"2"]


def test_an_answer_that_ends_with_the_connection_may_be_empty() -> None:
    with server(says(b"HTTP/1.0 404 Not Found\r\n\r\n")) as rough, closing(HttpClient(rough.url)) as http:
        answer = http.request("GET", "/", timeout_s=10)
        assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhalf",
        b"HTTP/1.0 200 OK\r\nX-Half: a\r\n",
        CONTINUE,
    ],
)
def test_but_not_in_its_midst(raw: bytes) -> None:
    with server(says(raw)) as rough, closing(HttpClient(rough.url)) as http, pytest.raises(OutcomeUnknownError):
        http.request("GET", "/", timeout_s=10)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_that_has_no_body_is_whole_without_a_length(status: bytes) -> None:
    raw = b"HTTP/1.1 " + status + b"\r\n\r\n"
    with server(says_each(raw, ok(b"2"))) as rough, closing(HttpClient(rough.url)) as http:
        assert ask(http, 2) == [b"", b"2"]
