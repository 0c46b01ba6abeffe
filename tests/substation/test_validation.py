"""What a substation refuses, over real HTTP: each mistake has its status, its code and a sentence."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import suppress

import pytest

from support.http import Reply
from support.processes import Process

A_CAR = {"vehicle_id": "EV-1", "energy_kwh": 10}
JSON = {"Content-Type": "application/json"}


def assert_problem(reply: Reply, status: int, code: str) -> dict[str, object]:
    """An RFC 9457 problem as all services answer it; returns it."""
    assert reply.status == status, reply.body
    assert reply.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, object] = reply.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"urn:smartgrid:problem:{code}"
    assert problem["title"] == http.client.responses[status]
    assert str(problem["detail"]).strip()
    return problem


def post(substation: Process, body: str | bytes, headers: dict[str, str] | None = None) -> Reply:
    raw = body.encode() if isinstance(body, str) else body
    return substation.call("POST", "/charge", body=raw, headers=JSON if headers is None else headers)


# ---------------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"energy_kwh": 10}', "vehicle_id"),
        ("[]", ""),
        ('"EV-1"', ""),
        ("null", ""),
        ('{"vehicle_id": "EV-1"}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": "10"}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": true}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": "null"}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": [10]}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": NaN}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": Infinity}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": -Infinity}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 1e999}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 0}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": -1}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 500.001}', "energy_kwh"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 10, "max_power_kw": 0}', "max_power_kw"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 10, "max_power_kw": 501}', "max_power_kw"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 10, "max_power_kw": "11"}', "max_power_kw"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 10, "min_power_kw": 0}', "min_power_kw"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 10, "min_power_kw": 12}', ""),
        ('{"vehicle_id": 1, "energy_kwh": 10}', "vehicle_id"),
        ('{"vehicle_id": "", "energy_kwh": 10}', "vehicle_id"),
        ('{"vehicle_id": "   ", "energy_kwh": 10}', "vehicle_id"),
        ('{"vehicle_id": "a\\u0000b", "energy_kwh": 10}', "vehicle_id"),
        ('{"vehicle_id": "a\\nb", "energy_kwh": 10}', "vehicle_id"),
        ('{"vehicle_id": "' + "x" * 65 + '", "energy_kwh": 10}', "vehicle_id"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 10, "colour": "red"}', "colour"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 10, "departure_time": "tomorrow"}', "departure_time"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 10, "departure_time": "2099-01-01T10:00:00"}', "departure_time"),
        ('{"vehicle_id": "EV-1", "energy_kwh": 10, "departure_time": "9999-12-31T23:00:00-12:00"}', "departure_time"),
    ],
)
def test_a_body_that_does_not_fit_names_the_field(shared: Process, body: str, field: str) -> None:
    problem = assert_problem(post(shared, body), 422, "invalid-request")
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert [error["field"] for error in errors] == [field]
    assert all(error["message"] for error in errors)


def test_every_wrong_field_is_named_at_once(shared: Process) -> None:
    problem = assert_problem(post(shared, '{"vehicle_id": "", "energy_kwh": -1, "colour": 1}'), 422, "invalid-request")
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert sorted(error["field"] for error in errors) == ["colour", "energy_kwh", "vehicle_id"]


def test_a_departure_must_be_to_come(shared: Process) -> None:
    reply = shared.call("POST", "/charge", json={**A_CAR, "departure_time": "2001-01-01T00:00:00Z"})
    assert "future" in str(assert_problem(reply, 422, "invalid-request")["detail"])


@pytest.mark.parametrize(
    "body", [b"", b"{", b"vehicle_id=EV-1", b"\xff\xfe", b'{"vehicle_id": "\\ud800"}', b"{" * 60_000]
)
def test_what_is_no_json_is_said_so(shared: Process, body: bytes) -> None:
    assert_problem(post(shared, body), 400, "malformed-json")


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}]
)
def test_another_media_type_is_refused(shared: Process, headers: dict[str, str]) -> None:
    assert_problem(post(shared, json.dumps(A_CAR), headers), 415, "unsupported-media-type")


def test_the_charset_may_be_named(shared: Process) -> None:
    reply = post(shared, json.dumps(A_CAR), {"Content-Type": "application/json; charset=utf-8"})
    assert reply.status == 201


def test_a_body_over_64_kib_is_refused(shared: Process) -> None:
    assert_problem(post(shared, b" " * 65_537), 413, "body-too-large")


def test_so_is_one_that_does_not_say_its_length(shared: Process) -> None:
    parts = [json.dumps(A_CAR).encode(), *[b" " * 10_000] * 10]
    assert_problem(shared.call("POST", "/charge", body=parts, headers=JSON), 413, "body-too-large")


def test_a_short_body_may_come_in_chunks(shared: Process) -> None:
    text = json.dumps(A_CAR).encode()
    assert shared.call("POST", "/charge", body=[text[:5], text[5:]], headers=JSON).status == 201


# ---------------------------------------------------------------------- queries, headers, methods


@pytest.mark.parametrize(
    "path",
    [
        "/charge?limit=0",
        "/charge?limit=1001",
        "/charge?limit=ten",
        "/charge?limit=-1",
        "/charge?limit=1.5",
        "/charge?limit=",
        "/charge?limit=%C2%B2",
        "/charge?limit=" + "0" * 30 + "100000",
        "/charge?limit=" + "9" * 5000,
        "/charge?cursor=abc",
        "/charge?cursor=-1",
        "/charge?state=Flying",
        "/charge?state=",
        "/status?since=x",
        "/status?since=0&wait_s=61",
        "/status?since=0&wait_s=-1",
    ],
)
def test_a_query_that_does_not_fit_is_refused(shared: Process, path: str) -> None:
    assert_problem(shared.call("GET", path), 422, "invalid-request")


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "k\u00e9y", "a\tb"])
def test_a_key_must_be_printable_ascii(shared: Process, key: str) -> None:
    headers = {"Idempotency-Key": key}
    assert_problem(shared.call("POST", "/charge", json=A_CAR, headers=headers), 422, "invalid-request")


@pytest.mark.parametrize("key", ["x", "x" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", '"quoted, with spaces"'])
def test_any_printable_key_will_do(shared: Process, key: str) -> None:
    assert shared.call("POST", "/charge", json=A_CAR, headers={"Idempotency-Key": key}).status == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/charge", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("POST", "/charge/abc", {"DELETE", "GET", "HEAD", "OPTIONS"}),
        ("POST", "/status", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/capacity", {"OPTIONS", "PUT"}),
        ("PROPFIND", "/status", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_another_method_is_told_which_there_are(shared: Process, method: str, path: str, allowed: set[str]) -> None:
    reply = shared.call(method, path)
    assert_problem(reply, 405, "method-not-allowed")
    assert set(reply.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/charge/unknown"), ("DELETE", "/charge/unknown"), ("GET", "/nowhere"), ("GET", "/charge/a/b")],
)
def test_what_is_not_there_is_not_found(shared: Process, method: str, path: str) -> None:
    assert_problem(shared.call(method, path), 404, "not-found")


@pytest.mark.parametrize("path", ["/health", "/ready", "/status", "/charge", "/metrics"])
def test_head_is_get_without_the_body(shared: Process, path: str) -> None:
    reply = shared.call("HEAD", path)
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize("capacity", ["-1", "100001", "NaN", "1e999", '"80"', "true", "null"])
def test_a_capacity_that_cannot_be_is_refused(shared: Process, capacity: str) -> None:
    body = f'{{"capacity_kw": {capacity}}}'.encode()
    assert_problem(shared.call("PUT", "/capacity", body=body, headers=JSON), 422, "invalid-request")


# ---------------------------------------------------------------------- what is not even HTTP


def exchange(substation: Process, request: bytes) -> bytes:
    """The raw answer to raw bytes, until the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", substation.port), timeout=10) as connection:
        connection.sendall(request)
        with suppress(OSError):  # it may have closed already
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: localhost\r\nBroken\r\n\r\n",
        b"POST /charge HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_nonsense_gets_no_more_than_a_400(shared: Process, request_bytes: bytes) -> None:
    answer = exchange(shared, request_bytes)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert shared.call("GET", "/health").status == 200


def test_huge_headers_are_refused_and_harm_no_one(shared: Process) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (i, b"y" * 4000) for i in range(300))
    try:
        answer = exchange(shared, b"GET /status HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
    except ConnectionError:
        answer = b""  # it closed before all was sent
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431") or answer.startswith(b"HTTP/1.1 400")
    assert shared.call("GET", "/health").status == 200


def test_a_body_that_breaks_off_starts_nothing(shared: Process) -> None:
    before = shared.call("GET", "/status").json()["active_sessions"]
    head = b"POST /charge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    exchange(shared, head + b'{"vehicle_id": "EV-1",')
    assert shared.call("GET", "/status").json()["active_sessions"] == before


# ---------------------------------------------------------------------- extremes that are allowed


def test_a_car_that_would_take_half_a_year_harms_no_one(shared: Process) -> None:
    reply = shared.call("POST", "/charge", json={"vehicle_id": "EV-1", "energy_kwh": 500, "max_power_kw": 0.1})
    assert reply.status == 201
    status = json.loads(shared.call("GET", "/status").headers["Smartgrid-Status"])
    assert status["next_release_s"] <= 48 * 3600  # no session lasts longer
    shared.call("DELETE", f"/charge/{reply.json()['session_id']}")


def test_a_car_may_stay_for_millennia(shared: Process) -> None:
    reply = shared.call("POST", "/charge", json={**A_CAR, "departure_time": "9990-01-01T00:00:00+14:00"})
    assert reply.status == 201
    assert reply.json()["departure_time"] == "9989-12-31T10:00:00.000Z"
    assert shared.call("GET", "/charge").status == 200


def test_a_vehicle_may_have_any_printable_name(shared: Process) -> None:
    name = "Ünïcøde 电动车 🚗 <script>\"'; DROP TABLE session; --"
    reply = shared.call("POST", "/charge", json={**A_CAR, "vehicle_id": name})
    assert reply.json()["vehicle_id"] == name
    assert shared.call("GET", f"/charge/{reply.json()['session_id']}").json()["vehicle_id"] == name
