"""What the gateway does not let through, and how it says so."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from support.grid import Grid
from support.http import Reply

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes

GOOD: dict[str, object] = {"vehicle_id": "EV-1", "energy_kwh": 12.5}
MAX_BODY_BYTES = 64 * 1024


@pytest.fixture(scope="module")
def grid(shared_grid: Grid) -> Grid:
    """Mended once for all, as nothing here fails."""
    shared_grid.mend()
    return shared_grid


def post(grid: Grid, body: bytes, **headers: str) -> Reply:
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return grid.gateway.call("POST", "/charge", body=body, headers=sent)


def assert_problem(reply: Reply, status: int, code: str) -> dict[str, object]:
    assert reply.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, object] = reply.json()
    assert (reply.status, problem["status"], problem["code"]) == (status, status, code), problem
    assert problem["type"]
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vehicle_id", ""),
        ("vehicle_id", "   "),
        ("vehicle_id", "x" * 65),
        ("vehicle_id", "two\nlines"),
        ("vehicle_id", "nul\0"),
        ("vehicle_id", 7),
        ("vehicle_id", None),
        ("energy_kwh", 0),
        ("energy_kwh", -1),
        ("energy_kwh", 500.001),
        ("energy_kwh", "12"),
        ("energy_kwh", True),
        ("energy_kwh", [1]),
        ("max_power_kw", 0),
        ("max_power_kw", 501),
        ("max_power_kw", "11"),
        ("min_power_kw", 0),
        ("min_power_kw", -4),
        ("departure_time", "tomorrow"),
        ("departure_time", "2030-01-01T00:00:00"),
        ("departure_time", 1893456000),
        ("region", "West"),
        ("region", 7),
        ("region", []),
        ("region", ["west", "a.b"]),
        ("region", ["west"] * 17),
        ("state", "Charging"),
        ("session_id", "mine"),
    ],
)
def test_a_field_that_does_not_fit(grid: Grid, field: str, value: object) -> None:
    reply = post(grid, json.dumps({**GOOD, field: value}).encode())
    problem = assert_problem(reply, 422, "invalid-request")
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert [error["field"] for error in errors] == [field]
    assert errors[0]["message"]


@pytest.mark.parametrize("field", ["vehicle_id", "energy_kwh"])
def test_a_field_that_is_missing(grid: Grid, field: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != field}
    assert_problem(post(grid, json.dumps(body).encode()), 422, "invalid-request")


def test_a_minimum_above_the_maximum(grid: Grid) -> None:
    body = {**GOOD, "max_power_kw": 11, "min_power_kw": 12}
    assert_problem(post(grid, json.dumps(body).encode()), 422, "invalid-request")


def test_a_departure_in_the_past(grid: Grid) -> None:
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    assert_problem(post(grid, json.dumps({**GOOD, "departure_time": past}).encode()), 422, "invalid-request")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_not_finite_or_not_a_number_is_refused(grid: Grid, number: str) -> None:
    reply = post(grid, b'{"vehicle_id": "EV-1", "energy_kwh": ' + number.encode() + b"}")
    assert reply.status in (400, 422)
    assert reply.json()["code"] in ("malformed-json", "invalid-request")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"vehicle_id": "EV-1",}', b"vehicle_id=EV-1"])
def test_what_is_no_json(grid: Grid, body: bytes) -> None:
    assert_problem(post(grid, body), 400, "malformed-json")


@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b'"EV-1"'])
def test_json_that_is_no_object(grid: Grid, body: bytes) -> None:
    assert_problem(post(grid, body), 422, "invalid-request")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_another_media_type(grid: Grid, media_type: str) -> None:
    reply = post(grid, json.dumps(GOOD).encode(), Content_Type=media_type)
    assert_problem(reply, 415, "unsupported-media-type")


def test_a_media_type_with_a_charset(grid: Grid) -> None:
    assert post(grid, json.dumps(GOOD).encode(), Content_Type="application/json; charset=utf-8").status == 201


def test_bodies_up_to_64_kib(grid: Grid) -> None:
    body = json.dumps(GOOD).encode()
    assert post(grid, body.ljust(MAX_BODY_BYTES)).status == 201
    assert_problem(post(grid, body.ljust(MAX_BODY_BYTES + 1)), 413, "body-too-large")


@pytest.mark.parametrize("key", ["x" * 256, "tab\there", " ", "\u00e9"])
def test_an_invalid_key_is_refused(grid: Grid, key: str) -> None:
    reply = post(grid, json.dumps(GOOD).encode(), Idempotency_Key=key)
    assert_problem(reply, 422, "invalid-request")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/charge"), ("PUT", "/charge"), ("POST", "/sessions"), ("DELETE", "/sessions"), ("POST", "/status")],
)
def test_a_method_that_is_not_there(grid: Grid, method: str, path: str) -> None:
    reply = grid.gateway.call(method, path)
    assert_problem(reply, 405, "method-not-allowed")
    assert reply.headers["Allow"]


def test_a_path_that_is_not_there(grid: Grid) -> None:
    assert_problem(grid.gateway.call("GET", "/nothing"), 404, "not-found")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1.5", "state=charging", "state=", "cursor=mine"]
)
def test_a_query_that_does_not_fit(grid: Grid, query: str) -> None:
    assert_problem(grid.gateway.call("GET", f"/sessions?{query}"), 422, "invalid-request")


@pytest.mark.parametrize("limit", ["9" * 30, "٣"])
def test_a_limit_that_is_hardly_a_number(grid: Grid, limit: str) -> None:
    from urllib.parse import quote

    assert_problem(grid.gateway.call("GET", f"/sessions?limit={quote(limit)}"), 422, "invalid-request")
