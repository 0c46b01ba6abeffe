"""Whoever opens connections and sends little, or what is no request, takes nothing from the others."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from attacks.conftest import LONGEST_S, raw, while_open
from support.grid import Grid, charge, sessions
from support.processes import Process

SERVICES: dict[str, Callable[[Grid], Process]] = {
    "gateway": lambda grid: grid.gateway,
    "balancer": lambda grid: grid.balancer,
    "substation": lambda grid: grid.substations[0],
}
CAR = b'{"vehicle_id": "EV-1", "energy_kwh": 1}'
HEAD = b"POST /charge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
each_service = pytest.mark.parametrize("service", SERVICES)


@contextmanager
def many_files(number: int) -> Iterator[None]:
    """So many may be open in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(number, hard)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def assert_serves(target: Process) -> None:
    assert target.call("GET", "/health", timeout_s=LONGEST_S).status == 200
    assert charge(target, "EV-honest").status == 201


@each_service
def test_a_hundred_bodies_that_do_not_come(grid: Grid, service: str) -> None:
    """C3: 64 of them stopped everything, /health too."""
    target = SERVICES[service](grid)

    while_open(target, 100, HEAD + b"Content-Length: 100\r\n\r\n{", lambda: assert_serves(target))


@pytest.mark.parametrize(
    "sent", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: "], ids=["silent", "half a head"]
)
def test_more_connections_than_a_thousand_that_say_nothing(grid: Grid, sent: bytes) -> None:
    """C4: 1,024 stopped all accepts, for ever."""
    with many_files(4096):
        while_open(grid.gateway, 1_100, sent, lambda: assert_serves(grid.gateway))


@each_service
def test_http_2_is_not_spoken(grid: Grid, service: str) -> None:
    """C1, C2: 5.8 KB of it ended a gateway until it was killed, and 57 KB took 380 MB."""
    target = SERVICES[service](grid)

    assert raw(target, PREFACE + b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\x83" * 64).startswith(b"HTTP/1.1 400 ")

    assert_serves(target)


ODD = {
    "two lengths": HEAD + b"Content-Length: 39\r\nContent-Length: 40\r\n\r\n" + CAR,
    "a length and chunks": HEAD
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "an unknown encoding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + CAR,
    "a folded header": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "two keys": HEAD + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 39\r\n\r\n" + CAR,
    "another site's host": HEAD.replace(b"localhost", b"evil.example") + b"Content-Length: 39\r\n\r\n" + CAR,
    "200 headers": HEAD + b"".join(b"X-%d: a\r\n" % i for i in range(200)) + b"\r\n",
    "a header of 100 KB": HEAD + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n",
    "a target of 70 KB": b"GET /sessions?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a body of 10 MB": HEAD + b"Content-Length: 10000000\r\n\r\n",
    "chunks of 200 KB": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + (b"1000\r\n" + b"a" * 4096 + b"\r\n") * 50
    + b"0\r\n\r\n",
    "a way out of the folder": b"GET /docs/..%2f..%2f..%2fetc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a NUL in a path": b"GET /sessions/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a path that is no text": b"GET /sessions/%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a number that is none": HEAD + b"Content-Length: 42\r\n\r\n" + CAR.replace(b"1}", b"NaN }"),
    "a tower of lists": HEAD + b"Content-Length: 60000\r\n\r\n" + b"[" * 30_000 + b"]" * 30_000,
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_proper_request_is_the_clients_fault_and_does_nothing(grid: Grid, name: str) -> None:
    for service in SERVICES.values():
        status = raw(service(grid), ODD[name]).partition(b"\r\n")[0]
        assert status.startswith(b"HTTP/1.1 4"), status

    assert [session for substation in grid.substations for session in sessions(substation, state="Charging")] == []


def test_a_body_of_nothing_but_unknown_fields_is_not_answered_with_ten_times_as_much(grid: Grid) -> None:
    body = b'{"vehicle_id":"a",' + b",".join(b'"k%d":0' % i for i in range(6_000)) + b"}"

    reply = grid.gateway.call("POST", "/charge", body=body, headers={"Content-Type": "application/json"})

    assert reply.status == 422
    assert len(reply.body) < len(body) / 10
