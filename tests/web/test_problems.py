"""Errors as problem details, of an application with every kind of mistake in it."""

from __future__ import annotations

import logging
import math

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient

from smartgrid.protocol.models import CapacityBody
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import app as web
from smartgrid.web import metrics
from smartgrid.web.problems import ProblemError, retry_after


@pytest.fixture
def lifecycle() -> Lifecycle:
    return Lifecycle()


@pytest.fixture
def client(lifecycle: Lifecycle) -> FlaskClient:
    app = web.create_app("test", lifecycle, metrics.registry())
    _add_routes(app)
    return web.finish_app(app, "Test").test_client()


def _add_routes(app: Flask) -> None:
    @app.get("/bug")
    def bug() -> str:
        raise RuntimeError("EV-SECRET is in here")

    @app.get("/refused")
    def refused() -> str:
        raise ProblemError(503, "no-capacity", "Full.", headers={"Retry-After": "7"}, place="s0")

    @app.get("/teapot")
    def teapot() -> str:
        abort(418)

    @app.put("/body")
    def body() -> web.Response:
        return web.answer(web.read_body(CapacityBody).model_dump())


def test_a_problem_has_its_headers_and_extensions(client: FlaskClient) -> None:
    reply = client.get("/refused")
    assert reply.get_json() == {
        "type": "urn:smartgrid:problem:no-capacity",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Full.",
        "code": "no-capacity",
        "place": "s0",
    }
    assert (reply.content_type, reply.headers["Retry-After"]) == ("application/problem+json", "7")


def test_a_bug_is_logged_and_tells_the_client_nothing(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        reply = client.get("/bug")
    assert (reply.status_code, reply.get_json()["code"]) == (500, "internal-error")
    assert b"SECRET" not in reply.data
    assert "RuntimeError" in caplog.text


def test_any_http_error_is_a_problem(client: FlaskClient) -> None:
    reply = client.get("/teapot")
    assert (reply.status_code, reply.get_json()["status"], reply.content_type) == (418, 418, "application/problem+json")
    assert reply.get_json()["code"]


def test_a_body_of_just_64_kib_is_taken(client: FlaskClient) -> None:
    body = b'{"capacity_kw": 80}'.ljust(web.MAX_BODY_BYTES)
    assert client.put("/body", data=body, content_type="application/json").status_code == 200
    reply = client.put("/body", data=body + b" ", content_type="application/json")
    assert (reply.status_code, reply.get_json()["code"]) == (413, "body-too-large")


def test_every_answer_has_the_request_id(client: FlaskClient) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    for path in ("/health", "/refused", "/bug", "/nowhere"):
        assert client.get(path, headers=headers).headers["X-Request-ID"] == trace


def test_ready_says_why_not(client: FlaskClient, lifecycle: Lifecycle) -> None:
    assert client.get("/ready").status_code == 200
    lifecycle.add_check(lambda: "the disk is full")
    assert client.get("/ready").get_json()["detail"] == "Not ready: the disk is full."
    lifecycle.begin_end()
    assert client.get("/ready").get_json()["detail"] == "Not ready: shutting down."
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("release_s", "seconds"), [(None, "5"), (0.0, "1"), (1.2, "2"), (36.0, "36"), (7200.0, "7200"), (math.inf, "86400")]
)
def test_when_to_ask_again_is_a_whole_number_of_seconds_within_a_day(release_s: float | None, seconds: str) -> None:
    assert retry_after(release_s) == {"Retry-After": seconds}


def test_an_answer_names_a_bounded_number_of_errors_and_says_how_many_more_there_are(client: FlaskClient) -> None:
    reply = client.put("/body", json={f"{'x' * 500}{i}": 1 for i in range(100)})

    assert reply.status_code == 422
    assert len(reply.get_json()["errors"]) == 20
    assert reply.get_json()["detail"].endswith("; and 81 more")  # capacity_kw is missing besides
    assert len(reply.data) < 10_000
