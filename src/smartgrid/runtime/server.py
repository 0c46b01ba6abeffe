"""The HTTP server: Granian in one process, threads for requests, and an end in order."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.mt import MTServer

from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.settings import ServiceSettings

WsgiApp = Callable[..., Iterable[bytes]]
log = logging.getLogger(__name__)
THREAD_IDLE_TIMEOUT_S = 30
SIGNAL_LOOK_S = 0.5
HEAD_TIMEOUT_S = 5
"""Longest wait for a request's headers; a kept connection may be idle for as long."""
MAX_CONNECTIONS = 8192
"""More are not accepted until others have ended. Silent ones end with the time for headers."""


class CannotListenError(Exception):
    """The address cannot be listened on; the message is one sentence."""


class _Server(MTServer):
    """Granian's threaded server, which by itself insists on a free-threaded Python.

    With the GIL it serves WSGI just as well, and unlike its forking twin it is one process: what ends it ends all of
    it, and its state is the service's.
    """

    def __init__(self, lifecycle: Lifecycle, settings: ServiceSettings, **options: Any) -> None:
        super().__init__("smartgrid", **options)
        self._lifecycle, self._settings = lifecycle, settings

    def _check_gil(self) -> None:
        pass

    def signal_handler_interrupt(self, *args: object, **kwargs: object) -> None:
        if self._lifecycle.ending:
            return  # it is under way, and bounded by the drain timeout
        self._lifecycle.begin_end()
        threading.Thread(target=self._end, name="shutdown", daemon=True).start()

    def _serve_loop(self, *args: Any) -> None:
        """Wait for the end.

        Python runs the handler of a signal when its main thread next runs. One that comes just before the thread begins
        to wait would be noticed only with the next one, so it does not wait for long.
        """
        while not self.main_loop_interrupt.wait(SIGNAL_LOOK_S):
            pass
        super()._serve_loop(*args)  # type: ignore[no-untyped-call]

    def _end(self) -> None:
        log.info("shutting down")
        _exit_after(_longest_end_s(self._settings))
        time.sleep(self._settings.shutdown_delay_s)
        self._lifecycle.drain()
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]


def _exit_after(delay_s: float) -> None:
    """Whatever still hangs by then is not waited for."""
    timer = threading.Timer(delay_s, os._exit, [1])
    timer.daemon = True
    timer.start()


def _longest_end_s(settings: ServiceSettings) -> float:
    return settings.shutdown_delay_s + settings.drain_timeout_s


def check_address(host: str, port: int) -> None:
    """Raise CannotListenError if something else listens on the address, or it is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "the port is in use" if error.errno == errno.EADDRINUSE else (error.strerror or str(error)).lower()
            raise CannotListenError(f"cannot listen on {host}:{port}: {reason}") from error


def serve(app: WsgiApp, settings: ServiceSettings, lifecycle: Lifecycle) -> None:
    """Serve until SIGTERM or SIGINT, then turn unready, wait, drain and return.

    Raises CannotListenError.
    """
    check_address(settings.host, settings.port)
    logging.getLogger("_granian").propagate = False
    server = _Server(
        lifecycle,
        settings,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,  # HTTP/2 lets a few bytes hold many threads, and much memory for headers
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_TIMEOUT_S * 1000),
        backpressure=MAX_CONNECTIONS,
        blocking_threads=settings.threads,
        blocking_threads_idle_timeout=THREAD_IDLE_TIMEOUT_S,
        log_enabled=False,
        websockets=False,
    )
    log.info("listening on %s:%d", settings.host, settings.port)
    server.serve(target_loader=lambda: _unchunked(app), wrap_loader=False)


def _unchunked(app: WsgiApp) -> WsgiApp:
    """Hand short answers over whole: Granian sends a list with a length, and anything else in chunks."""

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        parts = app(environ, start_response)
        if environ.get("smartgrid.stream"):
            return parts
        try:
            return list(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()

    return wsgi
