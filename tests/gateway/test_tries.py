"""What the gateway makes of a car: a key, a number for each try, nothing left out, and an honest answer at the end."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from smartgrid.protocol.numbers import Number, decode
from support.http import Reply
from support.processes import Process, wait_until
from support.rough_server import RoughServer, Script, ok

READY = b'{"status": "ready"}'
SESSION = b'{"session_id": "substation-0.x", "vehicle_id": "EV-1"}'
CREATED = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(SESSION),
    SESSION,
)


@contextmanager
def gateway_before(folder: Path, scripts: Sequence[Script]) -> Iterator[tuple[Process, RoughServer]]:
    """A gateway whose balancer says that it is ready, and then treats one connection after the other as told."""
    server = RoughServer([])

    def ready(connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(ok(READY, b"Connection: close"))

    server.then([ready, *scripts])
    with server, Process("gateway", folder, balancer_url=server.url, balancer_timeout_s=2) as gateway:
        server.requests.clear()
        yield gateway, server


def charge(gateway: Process, key: str | None = None, **changes: object) -> Reply:
    body = {"vehicle_id": "EV-1", "energy_kwh": 12.5, **changes}
    return gateway.call("POST", "/charge", json=body, headers={"Idempotency-Key": key} if key else {})


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def number_of(request: bytes) -> Number:
    number = decode(headers_of(request)["smartgrid-number"])
    assert number is not None
    return number


def test_a_car_without_a_key_gets_one_and_what_it_left_out_is_filled_in(tmp_path: Path) -> None:
    def answer(connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(CREATED)

    with gateway_before(tmp_path, [answer]) as (gateway, server):
        assert charge(gateway).status == 201
        (request,) = server.requests
    assert len(headers_of(request)["idempotency-key"]) == 32
    assert len(number_of(request)) == 1
    assert json.loads(request.split(b"\r\n\r\n")[1]) == {
        "vehicle_id": "EV-1",
        "energy_kwh": 12.5,
        "max_power_kw": 11,
        "min_power_kw": 4.14,
    }


def test_a_second_sending_counts_more_than_the_first_and_less_than_every_later_try(tmp_path: Path) -> None:
    """The first may be under way still, and must not count when it comes late (security review, H2); the client may
    have given up this try before its second sending, and must not lose what a later one was told."""

    def read_and_hang_up(connection: socket.socket) -> None:
        server.read(connection)

    def answer(connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(CREATED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))

    with gateway_before(tmp_path, [read_and_hang_up, answer, answer]) as (gateway, server):
        assert charge(gateway, "same").status == 201
        assert charge(gateway, "same").status == 201
        first, second, third = server.requests
    assert number_of(second) == (number_of(first)[0] + 1,)
    assert number_of(second) < number_of(third)
    assert {headers_of(request)["idempotency-key"] for request in server.requests} == {"same"}


def test_a_balancer_that_never_answers_gets_no_more_cars_until_it_says_that_it_is_ready(tmp_path: Path) -> None:
    def read_and_hang_up(connection: socket.socket) -> None:
        server.read(connection)

    def ready(connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(ok(READY, b"Connection: close"))

    def answer(connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(CREATED)

    with gateway_before(tmp_path, [read_and_hang_up] * 6 + [ready, answer]) as (gateway, server):
        unanswered = [charge(gateway, f"key-{i}") for i in range(3)]  # the third opens it, and is not sent again
        page = gateway.call("GET", "/metrics").body.decode()  # for which the balancer is asked for its status
        later: list[Reply] = []
        wait_until(lambda: later.append(charge(gateway, "later")) or later[-1].status == 201, 30, "it is closed again")
        asked = [request.split(b" HTTP")[0] for request in server.requests]

    assert [reply.status for reply in unanswered] == [504] * 3
    assert "gateway_breaker_open 1.0" in page
    assert {(reply.status, reply.json()["code"], reply.headers["Retry-After"]) for reply in later[:-1]} <= {
        (503, "balancer-unavailable", "1")
    }
    assert asked == [b"POST /charge"] * 5 + [b"GET /status", b"GET /ready", b"POST /charge"]


def test_a_stop_is_sent_also_to_a_balancer_that_does_not_answer(tmp_path: Path) -> None:
    def read_and_hang_up(connection: socket.socket) -> None:
        server.read(connection)

    def stopped(connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(ok(SESSION, b"Content-Type: application/json"))

    with gateway_before(tmp_path, [read_and_hang_up] * 5 + [stopped]) as (gateway, server):
        for i in range(3):
            charge(gateway, f"key-{i}")

        assert gateway.call("DELETE", "/sessions/substation-0.x").status == 200
        assert server.requests[-1].startswith(b"DELETE /charge/substation-0.x ")


def test_each_sending_says_how_long_it_is_waited_for(tmp_path: Path) -> None:
    def read_and_hang_up(connection: socket.socket) -> None:
        server.read(connection)

    with gateway_before(tmp_path, [read_and_hang_up, read_and_hang_up]) as (gateway, server):
        charge(gateway)
        left_ms = [int(headers_of(request)["smartgrid-deadline-ms"]) for request in server.requests]
    assert len(left_ms) == 2
    assert all(0 < each <= 2_000 for each in left_ms)


def test_a_balancer_that_never_answers_leaves_the_outcome_unknown_and_the_client_with_the_key(tmp_path: Path) -> None:
    def read_and_hang_up(connection: socket.socket) -> None:
        server.read(connection)

    with gateway_before(tmp_path, [read_and_hang_up, read_and_hang_up]) as (gateway, server):
        reply = charge(gateway)
        keys = {headers_of(request)["idempotency-key"] for request in server.requests}
    assert (reply.status, reply.json()["code"]) == (504, "outcome-unknown")
    assert keys == {reply.headers["Idempotency-Key"]}
    assert int(reply.headers["Retry-After"]) >= 1


def test_a_second_try_that_is_refused_says_nothing_of_the_first_that_was_not_answered(tmp_path: Path) -> None:
    """The first may have placed the car and taken the room that the second did not find."""
    problem = b'{"status": 503, "code": "no-capacity", "title": "No room", "type": "about:blank", "detail": "Full."}'

    def read_and_hang_up(connection: socket.socket) -> None:
        server.read(connection)

    def refuse(connection: socket.socket) -> None:
        server.read(connection)
        head = (
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n"
        )
        connection.sendall(head % len(problem) + problem)

    with gateway_before(tmp_path, [read_and_hang_up, refuse]) as (gateway, server):
        reply = charge(gateway, "mine")
    assert (reply.status, reply.json()["code"]) == (504, "outcome-unknown")
    assert reply.headers["Idempotency-Key"] == "mine"


@pytest.mark.parametrize(("status", "code"), [(b"503", b"no-capacity"), (b"429", b"quota-exceeded")])
def test_after_a_sending_without_an_answer_a_refusal_of_the_second_is_not_sure(
    tmp_path: Path, status: bytes, code: bytes
) -> None:
    """The first may have taken the room, or the owner's quota."""
    body = b'{"code": "%s"}' % code

    def read_and_hang_up(connection: socket.socket) -> None:
        server.read(connection)

    def refuse(connection: socket.socket) -> None:
        server.read(connection)
        lines = (b"Content-Type: application/problem+json", b"Content-Length: %d" % len(body), b"", body)
        connection.sendall(b"HTTP/1.1 %s Refused\r\n" % status + b"\r\n".join(lines))

    with gateway_before(tmp_path, [read_and_hang_up, refuse]) as (gateway, server):
        reply = charge(gateway, "not sure")
    assert (reply.status, reply.json()["code"]) == (504, "outcome-unknown")


@pytest.mark.parametrize("body", [b"[]", b"no JSON", b'{"session_id": 7', b"{}"])
def test_an_admission_that_cannot_be_read_is_an_unknown_outcome(tmp_path: Path, body: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(CREATED.replace(b": %d\r" % len(SESSION), b": %d\r" % len(body)).replace(SESSION, body))

    with gateway_before(tmp_path, [answer]) as (gateway, server):
        reply = charge(gateway, "unreadable")
    assert (reply.status, reply.json()["code"]) == (504, "outcome-unknown")
    assert reply.headers["Idempotency-Key"] == "unreadable"


def test_an_id_with_a_line_break_adds_no_header(tmp_path: Path) -> None:
    body = b'{"session_id": "x\\r\\nX-Evil: 1"}'

    def answer(connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(CREATED.replace(b": %d\r" % len(SESSION), b": %d\r" % len(body)).replace(SESSION, body))

    with gateway_before(tmp_path, [answer]) as (gateway, server):
        reply = charge(gateway)
    assert (reply.status, reply.headers["Location"]) == (201, "/sessions/x%0D%0AX-Evil%3A%201")


def test_codes_that_a_balancer_makes_up_are_counted_as_one(tmp_path: Path) -> None:
    def refuse(number: int) -> Script:
        body = b'{"code": "made-up-%d"}' % number

        def script(connection: socket.socket) -> None:
            server.read(connection)
            lines = (b"Content-Type: application/problem+json", b"Connection: close", b"Content-Length: %d" % len(body))
            connection.sendall(b"HTTP/1.1 503 Unavailable\r\n" + b"\r\n".join([*lines, b"", body]))

        return script

    with gateway_before(tmp_path, [refuse(i) for i in range(5)]) as (gateway, server):
        for _ in range(5):
            assert charge(gateway).status == 503
        page = gateway.call("GET", "/metrics").body.decode()
    assert 'failed_requests_total{code="other"} 5.0' in page
    assert "made-up" not in page
