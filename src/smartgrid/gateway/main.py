"""`smartgrid gateway`: one gateway as a process."""

from __future__ import annotations

import click

from smartgrid.gateway.app import Api, make_app
from smartgrid.gateway.metrics import ActiveSessionsCollector, GatewayMetrics
from smartgrid.gateway.settings import GatewaySettings
from smartgrid.gateway.upstream import Balancer
from smartgrid.service import logs, metrics
from smartgrid.service.lifecycle import Lifecycle
from smartgrid.service.process import as_sentence
from smartgrid.service.server import check_address, serve
from smartgrid.service.settings import load


@click.command()
@as_sentence
def command() -> None:
    """Run one gateway; settings come from SMARTGRID_* (docs/settings.md)."""
    settings = load(GatewaySettings)
    logs.configure("gateway", settings.log_level, settings.log_hash_key)
    check_address(settings.host, settings.port)
    run(settings)


def run(settings: GatewaySettings) -> None:
    """Serve until told to end."""
    registry, lifecycle = metrics.registry(), Lifecycle()
    balancer = Balancer(settings.balancer_url, settings.balancer_timeout_s)
    registry.register(ActiveSessionsCollector(balancer))
    lifecycle.add_check(balancer.not_reached)
    app = make_app(Api(balancer, GatewayMetrics(registry)), lifecycle, registry)
    serve(app, settings, lifecycle)
