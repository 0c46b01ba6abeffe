"""Asks the gateway for one session over a kept connection that yields to other greenlets while it waits.

geventhttpclient works on gevent's own sockets, so the standard library stays as it is (no monkey-patching).
"""

from urllib.parse import urlsplit

import gevent
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError

from smartgrid.auth.credentials import Headers
from smartgrid.loadtest.outcomes import Verdict, verdict_on_answer, verdict_on_silence


class ConnectionLostError(Exception):
    """The connection broke before the whole answer was there: the server may or may not have done the request."""


class Client:
    """One kept connection to one base URL."""

    def __init__(self, url: str, timeout_s: float, credential: Headers = dict) -> None:
        """`credential` gives what each request carries besides, such as a token."""
        self._timeout_s, self._credential = timeout_s, credential
        self._prefix = urlsplit(url).path.rstrip("/")
        self._http = HTTPClient.from_url(url, concurrency=1, connection_timeout=timeout_s, network_timeout=timeout_s)

    def ask(self, body: bytes, idempotency_key: str) -> tuple[Verdict, bool]:
        """The verdict on POST /charge, and whether it was sent twice. Takes at most the timeout, whatever happens.

        A lost connection is tried once more: under the same Idempotency-Key that is safe. Nothing else is repeated.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        retried = False
        try:
            with gevent.Timeout(self._timeout_s):
                try:
                    status, answer = self._exchange("POST", "/charge", body, headers)
                except ConnectionLostError:
                    retried = True
                    status, answer = self._exchange("POST", "/charge", body, headers)
        except (gevent.Timeout, TimeoutError):
            return verdict_on_silence("no answer in time"), retried
        except ConnectionLostError:
            return verdict_on_silence("connection lost"), retried
        except ConnectionRefusedError:
            return verdict_on_silence("connection refused"), retried
        except OSError as problem:
            return verdict_on_silence(f"cannot connect: {problem.strerror or problem}"), retried
        return verdict_on_answer(status, answer), retried

    def get(self, path: str) -> bytes | None:
        """The body of a 200 answer, or None."""
        try:
            with gevent.Timeout(self._timeout_s):
                status, answer = self._exchange("GET", path, b"", {})
        except (gevent.Timeout, ConnectionLostError, OSError):
            return None
        return answer if status == 200 else None

    def close(self) -> None:
        self._http.close()

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            response = self._http.request(method, self._prefix + path, body, {**headers, **self._credential()})
            return int(response.status_code), bytes(response.read())
        except (HTTPParseError, ConnectionResetError, BrokenPipeError) as problem:
            raise ConnectionLostError from problem
