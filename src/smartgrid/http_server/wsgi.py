"""From a request to what a WSGI application (PEP 3333) is called with, and from what it returns to bytes."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from smartgrid.http_server.request import RefusedError, Request

WsgiApp = Callable[..., Iterable[bytes]]
Headers = Sequence[tuple[str, str]]
CAME_S = "smartgrid.came_s"
"""When the request had come whole, on the monotonic clock, in its environment: what it waits for its turn counts."""
MAY_WAIT = "smartgrid.may_wait"
"""Whether the request has the place of a long poll, in its environment: any other is to be answered at once."""
STREAM = "smartgrid.stream"
"""In the environment where an answer goes on: whom to call with its `stream.Stream`, once the answer has been sent."""
log = logging.getLogger(__name__)
_BASE: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "smartgrid",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,  # Werkzeug: a body without a length ends where the input does
}
_UNPREFIXED = ("CONTENT_TYPE", "CONTENT_LENGTH")
_MAX_NAMES = 1000
_BODILESS = ("1", "204", "304")
_names: dict[bytes, str] = {}  # of headers, as they come again and again


def base_environ(server: tuple[str, int], client: str) -> dict[str, Any]:
    """What all requests of a connection have in common."""
    return {**_BASE, "SERVER_NAME": server[0], "SERVER_PORT": str(server[1]), "REMOTE_ADDR": client}


def environ(base: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """The environment of one request.

    Headers with an underscore are left out: in an environment, `X_Y` could not be told from `X-Y`.
    """
    path = request.path
    made = {
        **base,
        "REQUEST_METHOD": request.method,
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "wsgi.input": BytesIO(request.body),
        CAME_S: request.came_s,
        MAY_WAIT: request.may_wait,
    }
    for name, value in request.headers:
        if b"_" in name:
            continue
        key, text = _names.get(name) or _name(name), value.decode("latin-1")
        if key in made:
            text = f"{made[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        made[key] = text
    return made


def _name(name: bytes) -> str:
    key = name.decode("latin-1").upper().replace("-", "_")
    key = key if key in _UNPREFIXED else f"HTTP_{key}"
    if len(_names) < _MAX_NAMES:
        _names[name] = key
    return key


def answer(
    app: WsgiApp, base: Mapping[str, Any], request: Request, *, keep_alive: bool
) -> tuple[bytes, Callable[[Any], None] | None]:
    """Have `app` answer the request: the answer, and where it goes on whom to call with the stream (`stream.py`).

    An exception of `app` is logged and becomes a 500.
    """
    asked = environ(base, request)
    started: list[tuple[str, Headers]] = []

    def start_response(status: str, headers: Headers, _exc_info: object = None) -> Callable[[bytes], None]:
        started.append((status, headers))
        return body.append

    body: list[bytes] = []
    try:
        parts = app(asked, start_response)
        try:
            body.extend(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        status, headers = started[-1]
        opened: Callable[[Any], None] | None = asked.get(STREAM) if request.method != "HEAD" else None
        goes_on, keep_alive = opened is not None, keep_alive and opened is None
        return encode(status, headers, b"".join(body), request, keep_alive=keep_alive, goes_on=goes_on), opened
    except Exception:
        log.exception("unexpected error")
        refused = RefusedError(500, "internal-error", "An unexpected error; the log has it.")
        return problem(refused, keep_alive=keep_alive), None


def encode(
    status: str, headers: Headers, body: bytes, request: Request | None, *, keep_alive: bool, goes_on: bool = False
) -> bytes:
    """An answer as it is sent; one that goes on has no length. Raises ValueError where a header would become two."""
    if goes_on:
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    head = "".join([f"HTTP/1.1 {status}\r\n", *[f"{name}: {value}\r\n" for name, value in headers]])
    if head.count("\n") != len(headers) + 1 or head.count("\r") != len(headers) + 1:
        raise ValueError("a header of the answer has a line break in it")
    if status.startswith(_BODILESS):
        body = b""
    elif not goes_on and "\r\ncontent-length:" not in head.lower():
        head = f"{head}Content-Length: {len(body)}\r\n"
    if request is not None and request.method == "HEAD":
        body = b""
    if not keep_alive:
        head += "Connection: close\r\n"
    elif request is not None and request.version == "1.0":
        head += "Connection: keep-alive\r\n"
    return f"{head}Date: {_date()}\r\n\r\n".encode("latin-1") + body


def problem(refused: RefusedError, *, keep_alive: bool = False, headers: Headers = ()) -> bytes:
    """What the server itself has to say, in the form in which the services say it (RFC 9457)."""
    body = {
        "type": f"urn:smartgrid:problem:{refused.code}",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.detail,
        "code": refused.code,
    }
    status = f"{refused.status} {HTTPStatus(refused.status).phrase}"
    sent = [("Content-Type", "application/problem+json"), *headers]
    return encode(status, sent, json.dumps(body).encode(), None, keep_alive=keep_alive)


_dated = (0, "")


def _date() -> str:
    """Now, as HTTP writes it; made once a second."""
    global _dated  # noqa: PLW0603
    now_s, (made_s, text) = int(time.time()), _dated
    if now_s != made_s:
        text = formatdate(now_s, usegmt=True)
        _dated = (now_s, text)
    return text
