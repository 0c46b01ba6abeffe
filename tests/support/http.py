"""One HTTP exchange at a time, with nothing between the test and the wire."""

from __future__ import annotations

import http.client
import json as json_module
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json_module.loads(self.body)


def call(
    method: str,
    url: str,
    *,
    json: object = None,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 30.0,
) -> Reply:
    """Send on a connection of its own and wait for the answer; `json` becomes the body with its Content-Type.

    A body in parts is sent in chunks, without its length.

    Raises OSError where no whole answer came: a ConnectionRefusedError if nothing was sent.
    """
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    sent = dict(headers or {})
    if json is not None:
        body = json_module.dumps(json).encode()
        sent.setdefault("Content-Type", "application/json")
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)) as connection:
        connection.connect()
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # one that refuses a body need not read it to its end
                connection.request(method, path or "/", body, sent)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())  # type: ignore[arg-type]
        except http.client.HTTPException as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error


def answers(url: str) -> bool:
    """Whether it is there, and says that all is well."""
    try:
        return call("GET", url).status == 200
    except OSError:
        return False
