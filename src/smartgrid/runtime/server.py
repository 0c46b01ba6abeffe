"""A service's server as a part of its process: where it listens, what it does on SIGTERM, and that it ends.

The end, in order: unready at once, so that clients stop sending; after `shutdown_delay_s` the service drains, which
ends its long polls; then nothing more is accepted, and what is under way is answered. Whatever still hangs when
`drain_timeout_s` is over is not waited for.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable

from smartgrid.http_server import hosts
from smartgrid.http_server.probes import only_probes, without_metrics
from smartgrid.http_server.server import HttpServer
from smartgrid.http_server.tls import ServerTls, TlsFilesError
from smartgrid.http_server.turns import Kind, budgets
from smartgrid.http_server.wsgi import WsgiApp
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.settings import ServiceSettings
from smartgrid.runtime.start_error import StartError

PROBES_AT_ONCE = 4
SIGNAL_LOOK_S = 0.5
log = logging.getLogger(__name__)


class CannotListenError(Exception):
    """The address cannot be listened on; the message is one sentence."""


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


def serve(
    app: WsgiApp,
    settings: ServiceSettings,
    lifecycle: Lifecycle,
    add_metrics: Callable[[Callable[[], str]], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then turn unready, wait, drain and return. Only in the main thread.

    `add_metrics` takes what renders the server's own metrics. Raises CannotListenError or StartError.
    """
    servers = _servers(app, settings)
    add_metrics(servers[0].metrics)
    stopped = threading.Event()

    def end() -> None:
        log.info("shutting down")
        _exit_after(settings.shutdown_delay_s + settings.drain_timeout_s)
        time.sleep(settings.shutdown_delay_s)
        lifecycle.drain()
        for server in servers:
            server.stop()
        stopped.set()

    def on_signal(*_: object) -> None:
        if not lifecycle.ending:  # else it is under way, and bounded by the drain timeout
            lifecycle.begin_end()
            threading.Thread(target=end, name="shutdown", daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    gc.collect()
    gc.freeze()  # what a service is made of stays until its end: the collector need not look through it again and again
    for server in servers:
        server.start()
    log.info("listening on %s:%d", settings.host, settings.port)
    # Python runs the handler of a signal when its main thread next runs. One that comes just before the thread begins
    # to wait would be noticed only with the next one, so it does not wait for long.
    while not stopped.wait(SIGNAL_LOOK_S):
        pass


def _servers(app: WsgiApp, settings: ServiceSettings) -> list[HttpServer]:
    """The one for everyone, and where it is wanted the one for probes, which ends last."""
    app = hosts.only_for(app, settings.host, hosts.parse(settings.allowed_hosts))
    if settings.probe_port is None:
        return [_listen(app, settings.host, settings.port, budgets(settings.threads), _tls(settings))]
    return [
        _listen(without_metrics(app), settings.host, settings.port, budgets(settings.threads), _tls(settings)),
        _listen(only_probes(app), settings.host, settings.probe_port, dict.fromkeys(Kind, PROBES_AT_ONCE)),
    ]


def _listen(app: WsgiApp, host: str, port: int, most: dict[Kind, int], tls: ServerTls | None = None) -> HttpServer:
    check_address(host, port)
    return HttpServer(app, host, port, most, tls)


def _tls(settings: ServiceSettings) -> ServerTls | None:
    """Raises StartError. Probes and metrics on a port of their own are in plain text: kubelets check no certificate."""
    cert_file, key_file = settings.tls_cert_file, settings.tls_key_file
    if cert_file is None and key_file is None:
        return None
    if cert_file is None or key_file is None:
        raise StartError("SMARTGRID_TLS_CERT_FILE and SMARTGRID_TLS_KEY_FILE belong together")
    try:
        return ServerTls(cert_file, key_file)
    except TlsFilesError as error:
        raise StartError(f"SMARTGRID_TLS_CERT_FILE, SMARTGRID_TLS_KEY_FILE: {error}") from None


def _exit_after(delay_s: float) -> None:
    """Whatever still hangs by then is not waited for."""
    timer = threading.Timer(delay_s, os._exit, [1])
    timer.daemon = True
    timer.start()
