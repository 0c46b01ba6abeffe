"""The balancer's WSGI application, put together from its views."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry

from smartgrid.balancer.console import sealed
from smartgrid.balancer.console.sign_in import SignIn
from smartgrid.balancer.console.views import Console
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.views.fleet import release_in_s
from smartgrid.protocol import status_header
from smartgrid.protocol.headers import STATUS
from smartgrid.runtime.audit import Audit
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import auditing, deadlines
from smartgrid.web.access import Guard
from smartgrid.web.app import create_app, finish_app
from smartgrid.web.routes import add_routes

log = logging.getLogger(__name__)


def make_app(
    name: str,
    fleet: LiveFleet,
    views: Sequence[object],
    console: Console,
    lifecycle: Lifecycle,
    registry: CollectorRegistry,
    guard: Guard | None = None,
    audit: Audit | None = None,
    sign_in: SignIn | None = None,
) -> Flask:
    """The application with these views, which have routes, and the console."""
    app = create_app("balancer", lifecycle, registry)
    deadlines.install(app)
    for each in views:
        add_routes(app, each)
    console.install(app)
    guard = guard or Guard()
    sign_in = sign_in or SignIn(guard, sealed.load(None), None, "", 0.0)
    sign_in.install(app)
    guard.other_ways.append(sign_in.who)
    app.after_request(_status_where_wanted(name, fleet))
    finish_app(app, "Smart grid: balancer", guard)
    if audit is not None:
        auditing.install(app, guard, audit)
    return app


def _status_where_wanted(name: str, fleet: LiveFleet) -> Callable[[Response], Response]:
    """A balancer in front asks for the fresh status with each request; no one else reads it."""

    def add_status(response: Response) -> Response:
        if request.headers.get(STATUS) == status_header.WANTED:
            try:
                totals = fleet.totals()
                response.headers[STATUS] = status_header.encode(name, totals, release_in_s(totals))
            except Exception:  # what the request has done is done, whatever the sums say
                log.exception("no status could be told")
        return response

    return add_status
