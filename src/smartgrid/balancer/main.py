"""`smartgrid balancer`: one balancer as a process."""

from __future__ import annotations

import random

from smartgrid.balancer import targets
from smartgrid.balancer.app import Api, make_app
from smartgrid.balancer.console.views import Console
from smartgrid.balancer.discovery import Discovery
from smartgrid.balancer.discovery.static import StaticDiscovery, parse
from smartgrid.balancer.grid import Grid
from smartgrid.balancer.lookup import Lookup
from smartgrid.balancer.metrics import BalancerMetrics, FleetCollector, SubstationSeries
from smartgrid.balancer.registrations import Registrations, ask_name
from smartgrid.balancer.roster import Roster
from smartgrid.balancer.router import Router
from smartgrid.balancer.settings import BalancerSettings
from smartgrid.balancer.state import State
from smartgrid.balancer.telemetry import Telemetry
from smartgrid.balancer.voids import Voids
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.routing import make_policy
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.process import service_command
from smartgrid.runtime.server import serve
from smartgrid.web import metrics

MAX_SYNC_AGE_S = 120.0


def run(settings: BalancerSettings) -> None:
    """Serve until told to end."""
    registry, lifecycle, rng = metrics.registry(), Lifecycle(), random.Random()
    counted, state = BalancerMetrics(registry), State(settings.data_dir)
    grid = Grid(Fleet(make_policy(settings.policy, rng), rng, epoch=rng.getrandbits(53)))
    voids = Voids(grid, state)
    telemetry = Telemetry(
        grid, settings.poll_interval_s, on_answer=voids.answers_again, observe_s=counted.poll_s.observe
    )
    voids.check = telemetry.check
    registrations = Registrations(state, targets.parse(settings.allowed_targets))

    def members_changed() -> None:
        telemetry.follow()
        counted.forget_absent(entry.member.name for entry in grid.entries())

    roster = Roster(grid, _sources(settings, registrations), members_changed)
    lookup = Lookup(grid, telemetry, voids)
    router = Router(
        grid, lookup, voids, attempt_timeout_s=settings.attempt_timeout_s, request_timeout_s=settings.request_timeout_s
    )
    api = Api(
        settings.name,
        grid=grid,
        roster=roster,
        router=router,
        lookup=lookup,
        registrations=registrations,
        metrics=counted,
        max_waits=settings.threads // 2,
    )
    console = Console(settings.name, grid, counted, telemetry.max_view_age_s)
    registry.register(FleetCollector(grid, roster, voids, telemetry.max_view_age_s))
    registry.add_text(SubstationSeries(grid, counted.decisions).render)
    lifecycle.add_check(lambda: roster.not_synced(MAX_SYNC_AGE_S))
    lifecycle.add_check(grid.not_seen)
    lifecycle.on_drain(grid.wake)
    voids.start()
    roster.start()
    console.history.start()
    try:
        serve(make_app(api, lifecycle, registry, console), settings, lifecycle)
    finally:
        console.history.stop()
        roster.stop()
        voids.stop()
        telemetry.stop()
        state.close()


def _sources(settings: BalancerSettings, registrations: Registrations) -> list[Discovery]:
    sources: list[Discovery] = [StaticDiscovery(parse(settings.substations), ask_name), registrations]
    if settings.discovery == "kubernetes":
        from smartgrid.balancer.discovery.kubernetes import KubernetesDiscovery

        sources.append(
            KubernetesDiscovery(settings.kubernetes_namespace, settings.kubernetes_service, settings.kubernetes_port)
        )
    return sources


command = service_command("balancer", BalancerSettings, run)
