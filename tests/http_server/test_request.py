"""What is taken as a request, and how much of it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.http_server.request import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_TARGET_BYTES,
    RefusedError,
    Request,
    RequestParser,
)
from support.strange_answers import mutated, pieces

CHARGE = b"POST /charge?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


def parse(*parts: bytes) -> Request | None:
    parser = RequestParser()
    for part in parts:
        if part and not parser.complete:
            parser.feed(part)
    return parser.request() if parser.complete else None


def status_of(raw: bytes) -> int:
    with pytest.raises(RefusedError) as caught:
        parse(*[raw[start : start + 4096] for start in range(0, len(raw), 4096)])
    return caught.value.status


def get(*headers: bytes, target: bytes = b"/") -> bytes:
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: x", *headers, b"", b""])


def test_a_request_comes_whole() -> None:
    found = parse(CHARGE)
    assert found is not None
    assert (found.method, found.path, found.query, found.version) == ("POST", b"/charge", b"a=b", "1.1")
    assert (found.headers[0], found.body, found.keep_alive) == ((b"Host", b"x"), b"{}", True)


def test_a_body_may_come_in_chunks() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    found = parse(head, b"1\r\n{\r\n", b"1\r\n}\r\n0\r\nX-Trailer: y\r\n\r\n")
    assert found is not None
    assert (found.body, len(found.headers)) == (b"{}", 2)


def test_a_request_that_is_not_whole_is_none_yet() -> None:
    assert all(parse(CHARGE[:length]) is None for length in range(len(CHARGE)))


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_whether_the_connection_stays(head: bytes, *, keep_alive: bool) -> None:
    found = parse(head + b"\r\n")
    assert found is not None
    assert found.keep_alive is keep_alive


@pytest.mark.parametrize("more", [CHARGE, b"G", b"garbage\r\n"])
def test_what_follows_a_request_is_not_another_and_ends_the_connection(more: bytes) -> None:
    found = parse(CHARGE + more)
    assert found is not None
    assert (found.body, found.keep_alive) == (b"{}", False)


def test_who_asks_for_another_protocol_is_answered_in_this_one_and_the_connection_ends() -> None:
    found = parse(get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x"))
    assert found is not None
    assert found.keep_alive is False


def test_a_target_in_absolute_form_is_its_path() -> None:
    found = parse(get(target=b"http://x:80/a/b?c#d"))
    assert found is not None
    assert (found.path, found.query) == (b"/a/b", b"c")


@pytest.mark.parametrize(
    "raw",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_two_servers_could_read_differently_is_refused(raw: bytes) -> None:
    assert status_of(raw) == 400


def test_a_head_is_bounded() -> None:
    assert parse(get(b"A: " + b"a" * (MAX_HEAD_BYTES - 100))) is not None
    assert status_of(get(b"A: " + b"a" * MAX_HEAD_BYTES)) == 431
    assert parse(get(*[b"A: a"] * (MAX_HEADERS - 1))) is not None
    assert status_of(get(*[b"A: a"] * MAX_HEADERS)) == 431


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nA: ", b"A"])
def test_a_head_without_an_end_is_given_up(begun: bytes) -> None:
    assert status_of(begun + b"a" * (MAX_HEAD_BYTES + 1)) in (400, 431)


def test_a_target_is_bounded() -> None:
    assert parse(get(target=b"/" + b"a" * (MAX_TARGET_BYTES - 1))) is not None
    assert status_of(get(target=b"/" + b"a" * MAX_TARGET_BYTES)) == 414


def test_a_body_is_bounded() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    assert parse(head % MAX_BODY_BYTES + b"x" * MAX_BODY_BYTES) is not None
    assert status_of(head % (MAX_BODY_BYTES + 1)) == 413, "before the first byte of it"
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert status_of(chunked + b"2000\r\n%s\r\n" % (b"x" * 0x2000) * 9) == 413


@given(seed=st.integers(0, 2**32 - 1))
def test_strange_requests_are_requests_or_refused_the_same_wherever_packets_end(seed: int) -> None:
    rng = Random(seed)
    raw = mutated(rng, CHARGE)
    assert _outcome([raw]) == _outcome(pieces(rng, raw))


def _outcome(parts: list[bytes]) -> object:
    try:
        found = parse(*parts)
    except RefusedError as refused:
        return refused.status
    return found and (found.method, found.path, found.query, found.headers, found.body)


@pytest.mark.parametrize(
    "name", [b"Idempotency-Key", b"idempotency-KEY", b"Authorization", b"Content-Type", b"Smartgrid-Number", b"Host"]
)
def test_two_of_what_there_is_once_are_refused(name: bytes) -> None:
    """Put together with a comma they would be another key than either."""
    assert status_of(get(name + b": a", name.title() + b": b")) == 400


def test_two_of_anything_else_are_taken() -> None:
    found = parse(get(b"Accept: a", b"Accept: b", b"Idempotency-Keys: a", b"Idempotency-Keys: b"))
    assert found is not None
    assert len(found.headers) == 5
