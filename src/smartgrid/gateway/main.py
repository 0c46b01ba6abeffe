"""`smartgrid gateway`: one gateway as a process."""

from __future__ import annotations

from smartgrid.auth.credentials import Credentials
from smartgrid.gateway import rate_limits
from smartgrid.gateway.app import Api, make_app
from smartgrid.gateway.followers import Followers
from smartgrid.gateway.metrics import BalancerCollector, GatewayMetrics
from smartgrid.gateway.settings import GatewaySettings
from smartgrid.gateway.upstream import Balancer
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.process import service_command
from smartgrid.runtime.server import serve
from smartgrid.web import auditing, guarding, metrics
from smartgrid.web.long_polls import LongPolls
from smartgrid.web.passing_on import MARGIN_S, NoEdge, PassedOn


def run(settings: GatewaySettings) -> None:
    """Serve until told to end."""
    registry, lifecycle = metrics.registry(), Lifecycle()
    guard = guarding.guard(settings, lifecycle, registry, is_edge=True)
    credentials = Credentials(settings)
    balancer = Balancer(credentials.client(settings.balancer_url), settings.balancer_timeout_s)
    url = settings.edge_url
    chargers = PassedOn(credentials.client(url), settings.edge_timeout_s, margin_s=MARGIN_S) if url else NoEdge()
    registry.register(BalancerCollector(balancer))
    lifecycle.add_check(balancer.not_reached)
    audit = auditing.of_settings("gateway", settings, registry)
    limits = rate_limits.of_settings(settings, guard, registry)
    polls, followers = LongPolls(settings.threads // 2), Followers(balancer.look)
    counted = GatewayMetrics(registry)
    counted.count_followers(lambda: followers.number)
    api = Api(balancer, counted, polls, followers, lifecycle)
    app = make_app(api, chargers, lifecycle, registry, guard, limits, audit)
    serve(app, settings, lifecycle, registry.add_text)


command = service_command("gateway", GatewaySettings, run)
