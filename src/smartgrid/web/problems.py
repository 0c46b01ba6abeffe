"""Errors as RFC 9457 problem details."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response
from pydantic import ValidationError
from pydantic_core import to_json
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
DEFAULT_RETRY_S = 5
MAX_ERRORS = 20
"""Named in one answer: it must not be many times as long as the request."""
MAX_FIELD_LENGTH = 100
MAX_RETRY_S = 86_400  # so that a client gets a sane number, whatever a session asked for
CODES = {  # the problems that the HTTP layer itself finds
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    413: "body-too-large",
    414: "uri-too-long",
    415: "unsupported-media-type",
    500: "internal-error",
}


class ProblemError(Exception):
    """An answer that is an error: `code` is stable for programs, `detail` says what would be right."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.extensions = dict(headers or {}), extensions

    def response(self) -> Response:
        body = {
            "type": f"urn:smartgrid:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.extensions,
        }
        return Response(to_json(body), self.status, self.headers, content_type=MEDIA_TYPE)


def invalid(error: ValidationError) -> ProblemError:
    """The problem for a body or query that does not fit its model: 400 where it is not JSON at all, else 422."""
    items = error.errors(include_url=False, include_context=False, include_input=False)
    if items[0]["type"] == "json_invalid":
        return ProblemError(400, "malformed-json", f"The body must be JSON: {items[0]['msg']}.")
    errors = [{"field": _field(item["loc"]), "message": item["msg"]} for item in items[:MAX_ERRORS]]
    detail = "; ".join(f"{e['field']}: {e['message']}" if e["field"] else e["message"] for e in errors)
    if len(items) > MAX_ERRORS:
        detail += f"; and {len(items) - MAX_ERRORS} more"
    return ProblemError(422, "invalid-request", detail, errors=errors)


def _field(location: tuple[int | str, ...]) -> str:
    """A name that a client made up may be as long as its body."""
    name = ".".join(map(str, location))
    return name if len(name) <= MAX_FIELD_LENGTH else f"{name[:MAX_FIELD_LENGTH]}…"


def retry_after(release_s: float | None = None) -> dict[str, str]:
    """When to ask again, in a header: in `release_s`, when the next session is expected to end, if that is known."""
    seconds = DEFAULT_RETRY_S if release_s is None else math.ceil(min(max(release_s, 1), MAX_RETRY_S))
    return {"Retry-After": str(seconds)}


def not_found(what: str) -> ProblemError:
    return ProblemError(404, "not-found", f"There is no {what}.")


def install(app: Flask) -> None:
    """Answer every error of `app` as a problem."""
    app.register_error_handler(ProblemError, ProblemError.response)
    app.register_error_handler(ValidationError, lambda error: invalid(error).response())
    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(Exception, _internal_problem)


def _http_problem(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    code = CODES.get(status, HTTPStatus(status).phrase.lower().replace(" ", "-"))
    return ProblemError(status, code, error.description or "", headers=headers).response()


def _internal_problem(error: Exception) -> Response:
    import logging

    logging.getLogger(__name__).error("unexpected error", exc_info=error)
    return ProblemError(500, "internal-error", "An unexpected error; the log has it under the request id.").response()
