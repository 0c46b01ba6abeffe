"""The edge's HTTP interface."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from prometheus_client import CollectorRegistry

from smartgrid.edge.registry.store import Registry
from smartgrid.edge.registry.views import RegistryViews
from smartgrid.runtime.audit import Audit
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import auditing
from smartgrid.web.access import Guard
from smartgrid.web.app import create_app, finish_app
from smartgrid.web.charger_views import Chargers, ChargerViews
from smartgrid.web.routes import add_routes


def make_app(
    chargers: Chargers,
    lifecycle: Lifecycle,
    registry: CollectorRegistry,
    guard: Guard | None = None,
    audit: Audit | None = None,
    registrations: Registry | None = None,
    heard: Callable[[str], None] = lambda name: None,
) -> Flask:
    """The WSGI application. `registrations` are told to other edges, and `heard` is told which of them ask."""
    guard = guard or Guard()
    app = create_app("edge", lifecycle, registry)
    add_routes(app, ChargerViews(chargers))
    if registrations is not None:
        add_routes(app, RegistryViews(registrations, heard))
    finish_app(app, "Smart grid: edge", guard)
    if audit is not None:
        auditing.install(app, guard, audit)
    return app
