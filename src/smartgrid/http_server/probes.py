"""What is served where probes and metrics have a port of their own.

There, whoever scrapes and probes gets nothing of the API; on the service's own port, clients get no metrics, nor what
an autoscaler reads. `/health` and `/ready` are on both: a gateway asks a balancer whether it is ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from smartgrid.http_server.turns import PROBES
from smartgrid.http_server.wsgi import WsgiApp

PATHS = frozenset(path.decode() for path in PROBES)
METRICS = frozenset(("/metrics", "/autoscaling"))


def only_probes(app: WsgiApp) -> WsgiApp:
    """`app`, but for all else than probes."""
    return _limited(app, lambda path: path in PATHS)


def without_metrics(app: WsgiApp) -> WsgiApp:
    """`app`, but for its metrics."""
    return _limited(app, lambda path: path not in METRICS)


def _limited(app: WsgiApp, is_served: Callable[[str], bool]) -> WsgiApp:
    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = "/" + environ["PATH_INFO"].lstrip("/")  # as Werkzeug reads it: //metrics is /metrics
        # what is not served here is not found, in the words of the application
        return app(environ if is_served(path) else {**environ, "PATH_INFO": "/not-served-here"}, start_response)

    return wsgi
