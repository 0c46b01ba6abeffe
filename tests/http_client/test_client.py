"""The client on the hot path, against servers that behave badly on real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from smartgrid.http_client.client import HttpClient, NotSentError, OutcomeUnknownError
from support.ports import free_port
from support.rough_server import RoughServer, answers, ok, says, says_each, says_nothing, server


@contextmanager
def client(url: str, **options: float | str) -> Iterator[HttpClient]:
    made = HttpClient(url, **options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()


def test_a_good_answer_comes_whole() -> None:
    with server(says(ok(b'{"a": 1}', b"X-Thing: x"))) as rough, client(rough.url + "/prefix/") as http:
        answer = http.request("POST", "/charge", timeout_s=10, body=b"{}", headers={"Content-Type": "text/x"})
        assert (answer.status, answer.body, answer.headers["x-thing"]) == (200, b'{"a": 1}', "x")
        assert rough.requests[0].startswith(b"POST /prefix/charge HTTP/1.1\r\n")


def test_a_request_can_name_another_host_than_the_one_it_is_sent_to() -> None:
    host = "substation-0.substation.grid.svc"
    with server(answers(b"1")) as rough, client(rough.url, host=host) as http:
        assert http.request("GET", "/", timeout_s=10).status == 200
        assert f"\r\nHost: {host}\r\n".encode() in rough.requests[0]


def test_connections_are_kept() -> None:
    with server(answers(b"1", b"2", b"3")) as rough, client(rough.url) as http:
        assert [http.request("GET", "/", timeout_s=10).body for _ in range(3)] == [b"1", b"2", b"3"]


def test_an_old_connection_is_not_used_again() -> None:
    with server(answers(b"1", b"-"), answers(b"2")) as rough, client(rough.url, max_age_s=0) as http:
        assert [http.request("GET", "/", timeout_s=10).body for _ in range(2)] == [b"1", b"2"]


def test_a_server_that_wants_to_close_is_let_go() -> None:
    close = says(ok(b"1", b"Connection: close"))
    with server(close, answers(b"2")) as rough, client(rough.url) as http:
        assert [http.request("GET", "/", timeout_s=10, resend=False).body for _ in range(2)] == [b"1", b"2"]


def test_a_refused_connection_has_sent_nothing() -> None:
    with client(f"http://127.0.0.1:{free_port()}") as http, pytest.raises(NotSentError, match="cannot be reached"):
        http.request("GET", "/", timeout_s=10)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b"])
def test_a_host_that_is_none_has_been_sent_nothing(host: str) -> None:
    with client(f"http://{host}:80") as http, pytest.raises(NotSentError):
        http.request("GET", "/", timeout_s=10)


def test_a_server_that_takes_no_connections_has_been_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        crowd = [socket.socket() for _ in range(4)]  # more than wait in its queue
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(address)
        with client(f"http://127.0.0.1:{address[1]}", connect_timeout_s=0.2) as http, pytest.raises(NotSentError):
            http.request("GET", "/", timeout_s=10)
        for one in crowd:
            one.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nConte",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"<html>",
    ],
)
def test_after_anything_but_a_whole_answer_the_outcome_is_unknown(raw: bytes) -> None:
    with server(says(raw)) as rough, client(rough.url) as http, pytest.raises(OutcomeUnknownError):
        http.request("POST", "/charge", timeout_s=10, body=b"{}")


def test_silence_is_unknown_after_the_timeout() -> None:
    with server(says_nothing) as rough, client(rough.url) as http, pytest.raises(OutcomeUnknownError):
        http.request("POST", "/charge", timeout_s=0.2, body=b"{}")


def test_an_answer_that_trickles_is_unknown_after_the_timeout() -> None:
    def trickle(rough: RoughServer, connection: socket.socket) -> None:
        rough.read(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        pause = threading.Event()
        while not pause.wait(0.05):
            connection.sendall(b"x")  # until the client has gone

    with server(trickle) as rough, client(rough.url) as http, pytest.raises(OutcomeUnknownError):
        http.request("GET", "/", timeout_s=0.5)


def test_an_endless_answer_is_given_up() -> None:
    def flood(rough: RoughServer, connection: socket.socket) -> None:
        rough.read(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n")
        while True:
            connection.sendall(b"x" * 1_000_000)

    with server(flood) as rough, client(rough.url) as http, pytest.raises(OutcomeUnknownError):
        http.request("GET", "/", timeout_s=60)


def test_a_kept_connection_that_was_closed_is_not_used_again() -> None:
    """So even a request that must not be repeated gets its answer."""
    closed = threading.Event()

    def once_then_closes(rough: RoughServer, connection: socket.socket) -> None:
        answers(b"1")(rough, connection)
        connection.shutdown(socket.SHUT_WR)
        closed.set()
        connection.recv(1)  # the client closes it too

    with server(once_then_closes, answers(b"2")) as rough, client(rough.url) as http:
        assert http.request("GET", "/", timeout_s=10).body == b"1"
        assert closed.wait(10)
        assert http.request("POST", "/charge", timeout_s=10, body=b"{}", resend=False).body == b"2"
        assert len(rough.requests) == 2


def test_a_connection_that_is_in_use_when_the_client_closes_is_closed_after_its_answer() -> None:
    asked, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def answers_late(_rough: RoughServer, connection: socket.socket) -> None:
        connection.recv(65_536)
        asked.set()
        assert go_on.wait(10)
        connection.sendall(ok(b"1"))
        if connection.recv(1) == b"":
            ended.set()

    with server(answers_late) as rough, client(rough.url) as http, ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(http.request, "GET", "/", timeout_s=10)
        assert asked.wait(10)
        http.close()
        go_on.set()
        assert under_way.result(10).body == b"1"
        assert ended.wait(10)


closes_on_the_second_request = says_each(ok(b"1"), b"")


def test_a_kept_connection_that_closes_just_as_the_request_comes_is_replaced_once() -> None:
    with server(closes_on_the_second_request, answers(b"2")) as rough, client(rough.url) as http:
        assert http.request("GET", "/", timeout_s=10).body == b"1"
        assert http.request("GET", "/", timeout_s=10).body == b"2"
        assert len(rough.requests) == 3


def test_but_not_where_the_request_must_not_be_repeated() -> None:
    with server(closes_on_the_second_request, answers(b"2")) as rough, client(rough.url) as http:
        http.request("GET", "/", timeout_s=10)
        with pytest.raises(OutcomeUnknownError):
            http.request("POST", "/charge", timeout_s=10, body=b"{}", resend=False)
        assert len(rough.requests) == 2


def test_nor_where_a_part_of_the_answer_has_come() -> None:
    """Then the server was at work, and did not close because it was idle."""
    with server(says_each(ok(b"1"), b"HTTP/1.1 20"), answers(b"2")) as rough, client(rough.url) as http:
        http.request("GET", "/", timeout_s=10)
        with pytest.raises(OutcomeUnknownError):
            http.request("GET", "/", timeout_s=10)
        assert len(rough.requests) == 2


def test_a_kept_connection_that_is_silent_is_not_replaced() -> None:
    """The request may be at work there: to send it again at once would only double the load."""

    def once_then_silent(rough: RoughServer, connection: socket.socket) -> None:
        answers(b"1")(rough, connection)
        says_nothing(rough, connection)

    with server(once_then_silent, answers(b"2")) as rough, client(rough.url) as http:
        http.request("GET", "/", timeout_s=10)
        with pytest.raises(OutcomeUnknownError):
            http.request("GET", "/", timeout_s=0.2)
        assert len(rough.requests) == 2


def test_a_replacement_that_is_refused_leaves_the_outcome_unknown() -> None:
    """The kept connection may have died with the request half done."""

    def once_then_gone(rough: RoughServer, connection: socket.socket) -> None:
        answers(b"1")(rough, connection)
        rough.read(connection)
        rough._listener.close()

    with server(once_then_gone) as rough, client(rough.url) as http:
        http.request("GET", "/", timeout_s=10)
        with pytest.raises(OutcomeUnknownError):
            http.request("POST", "/charge", timeout_s=10, body=b"{}")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "a\nX-Evil: b", "a\rX-Evil: b", "a\0", "\u20ac"])
def test_what_could_smuggle_in_a_header_is_not_sent(value: str) -> None:
    with server(answers(b"1")) as rough, client(rough.url) as http:
        with pytest.raises(NotSentError):
            http.request("GET", "/", timeout_s=10, headers={"X-Thing": value})
        with pytest.raises(NotSentError):
            http.request("GET", "/", timeout_s=10, headers={value: "x"})
        with pytest.raises(NotSentError):
            http.request("GET", f"/{value}", timeout_s=10)
        assert http.request("GET", "/good", timeout_s=10).body == b"1"
        assert [request.partition(b" HTTP")[0] for request in rough.requests] == [b"GET /good"]


def test_a_path_with_a_space_is_not_sent() -> None:
    with client(f"http://127.0.0.1:{free_port()}") as http, pytest.raises(NotSentError, match="space"):
        http.request("GET", "/a HTTP/1.1", timeout_s=10)


def test_without_time_left_nothing_is_sent() -> None:
    with server(answers(b"1")) as rough, client(rough.url) as http:
        with pytest.raises(NotSentError):
            http.request("GET", "/late", timeout_s=0)
        assert http.request("GET", "/", timeout_s=10).body == b"1"
        assert len(rough.requests) == 1


@pytest.mark.parametrize("url", ["ftp://a", "a.b:80", "http://", "http://a:99999", "http://a:x"])
def test_what_is_not_a_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        HttpClient(url)


def test_many_threads_share_a_client() -> None:
    with server(*[answers(b"x")] * 40) as rough, client(rough.url) as http, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: http.request("GET", "/", timeout_s=30).body, range(40)))
    assert found == [b"x"] * 40
