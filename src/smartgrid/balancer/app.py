"""The balancer's WSGI application, put together from its views."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry

from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.views.fleet import release_in_s
from smartgrid.protocol import status_header
from smartgrid.protocol.headers import STATUS
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web.app import create_app, finish_app

log = logging.getLogger(__name__)


class Views(Protocol):
    """Routes that belong together."""

    def install(self, app: Flask) -> None: ...


def make_app(
    name: str, fleet: LiveFleet, views: Sequence[Views], lifecycle: Lifecycle, registry: CollectorRegistry
) -> Flask:
    """The application with these views."""
    app = create_app("balancer", lifecycle, registry)
    app.url_map.merge_slashes = False  # the URL of a substation may come decoded
    for each in views:
        each.install(app)
    app.after_request(_status_where_wanted(name, fleet))
    return finish_app(app, "Smart grid: balancer")


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
