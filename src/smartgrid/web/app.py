"""The Flask application that every service begins with."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask, Request, Response, request
from flask.json.provider import DefaultJSONProvider
from flask.sessions import NullSession, SessionInterface
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from pydantic_core import to_json

from smartgrid.domain.session import SessionState
from smartgrid.http_server.wsgi import CAME_S
from smartgrid.protocol import tracing
from smartgrid.protocol.headers import KEY
from smartgrid.protocol.models import Health, Readiness
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import metrics, openapi, otel, parameters, problems
from smartgrid.web.access import OPEN, Guard
from smartgrid.web.openapi import operation
from smartgrid.web.problems import ProblemError

MAX_BODY_BYTES = 64 * 1024
JSON = "application/json"
MAX_WAIT_S = 60
PAGE_LIMIT = 100
MAX_PAGE_LIMIT = 1000
MAX_DIGITS = 19
KEY_PATTERN = r"[!-~]([ -~]{0,253}[!-~])?"
KEY_HEADER = {KEY: parameters.text("Makes a retry return the same session.", KEY_PATTERN, 255)}
PAGE_QUERY = {
    "limit": parameters.whole("Sessions a page.", 1, MAX_PAGE_LIMIT),
    "cursor": parameters.Parameter("`next_cursor` of the page before.", {"type": "string"}),
    "state": parameters.choice("Only these.", SessionState),
}
_KEY = re.compile(KEY_PATTERN)
ModelT = TypeVar("ModelT", bound=BaseModel)


class _NoSessions(SessionInterface):
    """No service keeps browser sessions, so no cookie need be looked for at every request."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return _NO_SESSION


class _App(Flask):
    """Flask, without what no service needs at every request: coroutines, browser sessions, hooks for the trace."""

    session_interface = _NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def wsgi_app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Note when it came, begin or take over the trace, and say in the answer which trace it is."""
        environ.setdefault(CAME_S, time.monotonic())  # our own server has said so already
        request_id = tracing.begin(environ.get("HTTP_TRACEPARENT"), environ.get("HTTP_X_REQUEST_ID"))

        def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            headers.append((tracing.REQUEST_ID_HEADER, request_id))
            return start_response(status, headers, error)

        return super().wsgi_app(environ, start)


_NO_SESSION = NullSession()


def create_app(name: str, lifecycle: Lifecycle, registry: CollectorRegistry) -> Flask:
    """An application with limits, problems, request ids, health, readiness and metrics; routes are the caller's."""
    app = _App(name, static_folder=None, root_path=str(Path(__file__).parent))  # else it looks for a module of the name
    app.url_map.merge_slashes = False  # or // is sent on to the host that the request names; a URL may be in a path
    app.json = DefaultJSONProvider(app)
    otel.install(app, name)
    problems.install(app)
    metrics.install(app, registry)
    _install_probes(app, lifecycle)
    return app


def finish_app(app: Flask, title: str, guard: Guard | None = None) -> Flask:
    """Add what describes the routes and what guards them, once all of them are there. By default nothing is asked."""
    openapi.install(app, title)
    (guard or Guard()).install(app)
    return app


def read_body(model: type[ModelT]) -> ModelT:
    """The request's JSON body.

    Raises a problem: 415 for another media type, 413 over 64 KiB, 400 where it is not JSON, 422 where it does not fit.
    """
    environ = request.environ
    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != JSON:
        raise ProblemError(415, "unsupported-media-type", f"Send the body as Content-Type: {JSON}.")
    body = _body(environ["wsgi.input"])
    environ["wsgi.input"] = BytesIO(body)  # for who wants to read it again, to pass it on
    return model.model_validate_json(body)


def _body(stream: Any) -> bytes:
    """The server ends the stream with the body, whether it came with a length or in chunks. Raises a problem (413)."""
    parts, left_bytes = [], MAX_BODY_BYTES + 1
    while left_bytes > 0 and (part := stream.read(left_bytes)):
        parts.append(part)
        left_bytes -= len(part)
    if left_bytes <= 0:
        raise ProblemError(413, "body-too-large", f"A body may have {MAX_BODY_BYTES} bytes at the most.")
    return b"".join(parts)


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(to_json(body), status, headers, content_type=JSON)


def idempotency_key() -> str | None:
    """The request's `Idempotency-Key`; a problem (422) where it is not 1 to 255 printable ASCII characters."""
    key = request.headers.get(KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise ProblemError(422, "invalid-request", "Idempotency-Key must be 1 to 255 printable ASCII characters.")
    return key


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


def _install_probes(app: Flask, lifecycle: Lifecycle) -> None:
    @app.get("/health")
    @operation("Alive", answers={200: Health}, needs=OPEN)
    def health() -> Response:
        return answer({"status": "ok"})

    @app.get("/ready")
    @operation("May receive traffic", answers={200: Readiness}, problems=(503,), needs=OPEN)
    def ready() -> Response:
        reason = lifecycle.not_ready()
        if reason is not None:
            raise ProblemError(503, "not-ready", f"Not ready: {reason}.")
        return answer({"status": "ready"})
