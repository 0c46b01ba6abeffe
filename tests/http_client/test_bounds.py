"""How much of an answer is believed."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from smartgrid.http_client.answer import (
    MAX_ANSWER_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_LIST_BYTES,
    Answer,
    AnswerParser,
    BrokenAnswerError,
)
from smartgrid.http_client.client import HttpClient, OutcomeUnknownError
from support.rough_server import RoughServer, ok, says, server

CHUNK_BYTES = 64 * 1024


def parse(raw: bytes, max_answer_bytes: int = MAX_ANSWER_BYTES) -> Answer:
    parser = AnswerParser(max_answer_bytes)
    for start in range(0, len(raw), CHUNK_BYTES):
        parser.feed(raw[start : start + CHUNK_BYTES])
    assert parser.complete
    return parser.answer()


def bytes_until_given_up(head: bytes, part: bytes) -> int:
    parser, fed = AnswerParser(), 0
    for data in [head, *[part] * 10_000]:
        fed += len(data)
        try:
            parser.feed(data) if data else None
        except BrokenAnswerError:
            return fed
    pytest.fail(f"{fed} bytes were taken, and no end of it")


def test_an_answer_has_64_kib_at_the_most() -> None:
    assert len(parse(ok(b"x" * MAX_ANSWER_BYTES)).body) == MAX_ANSWER_BYTES
    with pytest.raises(BrokenAnswerError, match="more than"):
        parse(ok(b"x" * (MAX_ANSWER_BYTES + MAX_HEAD_BYTES)))


def test_a_list_may_have_more_where_it_is_asked_for() -> None:
    raw = ok(b"x" * MAX_LIST_BYTES)
    with server(says(raw), says(raw)) as rough, closing(HttpClient(rough.url)) as http:
        with pytest.raises(OutcomeUnknownError, match="more than"):
            http.request("GET", "/", timeout_s=30)
        answer = http.request("GET", "/", timeout_s=30, max_answer_bytes=MAX_LIST_BYTES)
        assert len(answer.body) == MAX_LIST_BYTES


def test_headers_are_bounded_in_number() -> None:
    most = [b"X-%d: a" % number for number in range(MAX_HEADERS - 1)]  # and Content-Length
    assert len(parse(ok(b"", *most)).headers) == MAX_HEADERS
    with pytest.raises(BrokenAnswerError, match="headers"):
        parse(ok(b"", *most, b"X: one too many"))


def test_headers_are_bounded_in_size() -> None:
    assert len(parse(ok(b"", b"X: " + b"a" * (MAX_HEAD_BYTES - 100))).headers["x"]) == MAX_HEAD_BYTES - 100
    with pytest.raises(BrokenAnswerError, match="headers"):
        parse(ok(b"", b"X: " + b"a" * MAX_HEAD_BYTES))


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"a" * 1000),
        (b"HTTP/1.1 200 ", b"a" * 1000),
        (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"),
        (b"", b"\r\n" * 500),
    ],
    ids=["one header", "reason", "many headers", "100", "103", "empty lines"],
)
def test_a_head_without_an_end_is_given_up_soon(head: bytes, part: bytes) -> None:
    assert bytes_until_given_up(head, part) <= MAX_HEAD_BYTES + len(head) + len(part)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", b"x" * 1000),
        (b"HTTP/1.0 200 OK\r\n\r\n", b"x" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"extension" * 100),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: ", b"trailer" * 100),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 1000),
    ],
    ids=["length", "until the end", "chunks", "extension", "trailer", "zeros"],
)
def test_an_answer_without_an_end_is_given_up_soon(head: bytes, part: bytes) -> None:
    most = MAX_HEAD_BYTES + MAX_ANSWER_BYTES
    if len(part) < 100:
        part *= 100
    assert bytes_until_given_up(head, part) <= most + len(head) + len(part)


def test_a_flood_is_given_up_long_before_the_deadline() -> None:
    def flood(rough: RoughServer, connection: socket.socket) -> None:
        rough.read(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n")

    with (
        server(flood) as rough,
        closing(HttpClient(rough.url)) as http,
        pytest.raises(OutcomeUnknownError, match="more than"),
    ):
        http.request("GET", "/", timeout_s=3600)  # pytest would give up before
