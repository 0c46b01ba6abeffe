"""What a substation says of itself: its OpenAPI document, its page for people, its logs and metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from smartgrid.protocol.models import Health, Problem, Readiness, SessionBody, SessionPage, StatusBody
from support.http import Reply
from support.processes import Process

A_CAR = {"vehicle_id": "EV-SECRET-1", "energy_kwh": 10}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def document(shared: Process) -> dict[str, Any]:
    found: dict[str, Any] = shared.call("GET", "/openapi.json").json()
    return found


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


# ---------------------------------------------------------------------- OpenAPI


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(references(document))
    assert found
    for reference in found:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_the_document_has_what_openapi_demands(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"]
    assert document["info"]["version"]
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["responses"], name
        for response in operation["responses"].values():
            assert response["description"], name
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", name))
        assert all(p["required"] for p in operation["parameters"] if p["in"] == "path")


def test_every_call_of_the_design_is_described(document: dict[str, Any]) -> None:
    assert {name for name, _ in operations(document)} >= {
        "POST /charge",
        "GET /charge",
        "GET /charge/{session_id}",
        "DELETE /charge/{session_id}",
        "GET /status",
        "PUT /capacity",
        "GET /health",
        "GET /ready",
    }


@pytest.mark.parametrize(
    ("method", "path", "template", "body", "model"),
    [
        ("POST", "/charge", "/charge", A_CAR, SessionBody),
        ("POST", "/charge", "/charge", {}, Problem),
        ("GET", "/charge", "/charge", None, SessionPage),
        ("GET", "/charge?limit=0", "/charge", None, Problem),
        ("GET", "/charge/unknown", "/charge/{session_id}", None, Problem),
        ("DELETE", "/charge/unknown", "/charge/{session_id}", None, Problem),
        ("GET", "/status", "/status", None, StatusBody),
        ("PUT", "/capacity", "/capacity", {"capacity_kw": 100_000}, StatusBody),
        ("GET", "/health", "/health", None, Health),
        ("GET", "/ready", "/ready", None, Readiness),
    ],
)
def test_answers_are_as_described(
    shared: Process,
    document: dict[str, Any],
    method: str,
    path: str,
    template: str,
    body: object,
    model: type[BaseModel],
) -> None:
    reply = shared.call(method, path, json=body)
    model.model_validate_json(reply.body)
    described = document["paths"][template][method.lower()]["responses"][str(reply.status)]
    (schema,) = (content["schema"]["$ref"] for content in described["content"].values())
    assert list(described["content"]) == [reply.headers["Content-Type"]]
    assert schema == f"#/components/schemas/{model.__name__}"


# ---------------------------------------------------------------------- the page


def test_the_page_needs_no_other_server(shared: Process) -> None:
    page = shared.call("GET", "/docs")
    assert page.status == 200
    text = page.body.decode()
    assert "://" not in text
    wanted = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert wanted
    for path in wanted:
        assert path.startswith("/")
        assert shared.call("GET", path).status == 200


def test_the_root_leads_to_the_page(shared: Process) -> None:
    reply = shared.call("GET", "/")
    assert (reply.status, reply.headers["Location"]) == (302, "/docs")


@pytest.mark.parametrize("asset", ["nothing.js", "../__init__.py", "%2e%2e/__init__.py", "..%2f..%2f__init__.py"])
def test_no_other_file_is_served(shared: Process, asset: str) -> None:
    assert shared.call("GET", f"/docs/{asset}").status == 404


# ---------------------------------------------------------------------- logs and metrics


@pytest.fixture(scope="module")
def told(shared: Process) -> list[str]:
    """What only the client and the database may know, of requests that went well and that did not."""
    headers = {"Idempotency-Key": "KEY-SECRET-1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    session_id = shared.call("POST", "/charge", json=A_CAR, headers=headers).json()["session_id"]
    shared.call("POST", "/charge", json={**A_CAR, "energy_kwh": 11}, headers=headers)
    shared.call("POST", "/charge", json={**A_CAR, "energy_kwh": -1}, headers=headers)
    shared.call("GET", f"/charge/{session_id}", headers=headers)
    shared.call("DELETE", f"/charge/{session_id}", headers=headers)
    shared.call("DELETE", "/charge?idempotency_key=KEY-SECRET-1", headers=headers)
    shared.call("POST", "/charge", json=A_CAR, headers=headers)
    return ["EV-SECRET-1", "KEY-SECRET-1", session_id]


@pytest.mark.usefixtures("told")
def test_logs_are_json_lines_with_the_request_id(shared: Process) -> None:
    lines = [json.loads(line) for line in shared.log().splitlines()]
    assert {line["service"] for line in lines} == {"substation"}
    assert all({"time", "level", "logger", "message", "request_id"} <= set(line) for line in lines)
    assert {line["message"] for line in lines if line["request_id"] == TRACE} >= {"charge", "stop"}


def test_no_vehicle_session_or_key_is_in_the_log(shared: Process, told: list[str]) -> None:
    log = shared.log()
    assert log
    assert [secret for secret in told if secret in log] == []


@pytest.mark.usefixtures("told")
def test_one_vehicle_is_the_same_throughout_the_log(shared: Process) -> None:
    lines = [json.loads(line) for line in shared.log().splitlines()]
    vehicles = {line["vehicle"] for line in lines if line["request_id"] == TRACE and "vehicle" in line}
    assert len(vehicles) == 1


def test_no_vehicle_session_or_key_is_in_the_metrics(shared: Process, told: list[str]) -> None:
    page: Reply = shared.call("GET", "/metrics")
    assert page.headers["Content-Type"].startswith("text/plain")
    assert [secret for secret in told if secret in page.body.decode()] == []
