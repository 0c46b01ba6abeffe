"""The Flask application that every service begins with."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Response, request
from flask.json.provider import DefaultJSONProvider
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from pydantic_core import to_json

from smartgrid.protocol import attempts, tracing
from smartgrid.protocol.models import Health, Readiness
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import metrics, openapi, otel, problems
from smartgrid.web.openapi import operation
from smartgrid.web.problems import ProblemError

MAX_BODY_BYTES = 64 * 1024
JSON = "application/json"
FIRST_ATTEMPT = "Smartgrid-First-Attempt"  # "true": the sender made this key just now, no one has seen it before
MAX_WAIT_S = 60
PAGE_LIMIT = 100
MAX_PAGE_LIMIT = 1000
MAX_DIGITS = 19
KEY_HEADER = {"Idempotency-Key": "Makes a retry return the first answer."}
PAGE_QUERY = {
    "limit": "Sessions a page, 1 to 1000.",
    "cursor": "`next_cursor` of the page before.",
    "state": "Only these.",
}
_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
ModelT = TypeVar("ModelT", bound=BaseModel)


class _App(Flask):
    """No view here is a coroutine, so that need not be asked at every request."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(name: str, lifecycle: Lifecycle, registry: CollectorRegistry) -> Flask:
    """An application with limits, problems, request ids, health, readiness and metrics; routes are the caller's."""
    app = _App(name, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1  # a body in chunks is cut off there, and one more tells it
    app.json = DefaultJSONProvider(app)
    app.before_request(_begin_trace)
    app.after_request(_answer_trace)
    otel.install(app, name)
    problems.install(app)
    metrics.install(app, registry)
    _install_probes(app, lifecycle)
    return app


def finish_app(app: Flask, title: str) -> Flask:
    """Add what describes the routes, once all of them are there."""
    openapi.install(app, title)
    return app


def read_body(model: type[ModelT]) -> ModelT:
    """The request's JSON body.

    Raises a problem: 415 for another media type, 413 over 64 KiB, 400 where it is not JSON, 422 where it does not fit.
    """
    if request.mimetype != JSON:
        raise ProblemError(415, "unsupported-media-type", f"Send the body as Content-Type: {JSON}.")
    body = request.get_data()
    if len(body) > MAX_BODY_BYTES:
        raise ProblemError(413, "body-too-large", f"A body may have {MAX_BODY_BYTES} bytes at the most.")
    return model.model_validate_json(body)


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(to_json(body), status, headers, content_type=JSON)


def idempotency_key() -> str | None:
    """The request's `Idempotency-Key`; a problem (422) where it is not 1 to 255 printable ASCII characters."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise ProblemError(422, "invalid-request", "Idempotency-Key must be 1 to 255 printable ASCII characters.")
    return key


def attempt_number() -> int | None:
    """The request's `Smartgrid-Attempt`, where a balancer sent one."""
    return attempts.decode(request.headers.get(attempts.HEADER))


def query_int(name: str, default: int, low: int, high: int) -> int:
    """A whole number from the query string; a problem (422) that says the bounds where it is none."""
    text = request.args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS or not low <= int(text) <= high:
        raise ProblemError(422, "invalid-request", f"{name} must be a whole number from {low} to {high}.")
    return int(text)


def page_limit() -> int:
    """`limit` from the query string."""
    return query_int("limit", PAGE_LIMIT, 1, MAX_PAGE_LIMIT)


def query_choice(name: str, choices: type[Any]) -> Any | None:
    """A member of an enumeration from the query string, or None where it is absent."""
    text = request.args.get(name)
    try:
        return choices(text) if text is not None else None
    except ValueError:
        allowed = ", ".join(member.value for member in choices)
        raise ProblemError(422, "invalid-request", f"{name} must be one of {allowed}.") from None


def _begin_trace() -> None:
    tracing.begin(request.headers.get(tracing.HEADER), request.headers.get(tracing.REQUEST_ID_HEADER))


def _answer_trace(response: Response) -> Response:
    response.headers[tracing.REQUEST_ID_HEADER] = tracing.current() or ""
    return response


def _install_probes(app: Flask, lifecycle: Lifecycle) -> None:
    @app.get("/health")
    @operation("Alive", answers={200: Health})
    def health() -> Response:
        return answer({"status": "ok"})

    @app.get("/ready")
    @operation("May receive traffic", answers={200: Readiness}, problems=(503,))
    def ready() -> Response:
        reason = lifecycle.not_ready()
        if reason is not None:
            raise ProblemError(503, "not-ready", f"Not ready: {reason}.")
        return answer({"status": "ready"})
