"""`smartgrid balancer`: one balancer as a process."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, closing

from smartgrid.auth.credentials import Credentials
from smartgrid.balancer import region_list, targets
from smartgrid.balancer.app import make_app
from smartgrid.balancer.changes import Changes
from smartgrid.balancer.console import sign_in
from smartgrid.balancer.console.chargers import Chargers
from smartgrid.balancer.console.views import Console
from smartgrid.balancer.discovery import Discovery
from smartgrid.balancer.discovery.static import AskName, StaticDiscovery, parse
from smartgrid.balancer.last_known import LastKnown
from smartgrid.balancer.live_fleet import LiveFleet
from smartgrid.balancer.membership import Membership
from smartgrid.balancer.metrics import BalancerMetrics, FleetCollector, ScalingCollector, SubstationSeries
from smartgrid.balancer.moves import Mover
from smartgrid.balancer.placement.compare import Comparer
from smartgrid.balancer.placement.directory import Directory
from smartgrid.balancer.placement.fleet_use import FleetUse
from smartgrid.balancer.placement.forecasts import Forecasts
from smartgrid.balancer.placement.keys_under_way import KeysUnderWay
from smartgrid.balancer.placement.placement import Placement
from smartgrid.balancer.registrations import Introduction, Registrations, introduction
from smartgrid.balancer.roster import Roster
from smartgrid.balancer.scaling.follower import ReadAutoscaler, Scaling
from smartgrid.balancer.sessions import Sessions
from smartgrid.balancer.settings import BalancerSettings
from smartgrid.balancer.state import State
from smartgrid.balancer.telemetry import Telemetry
from smartgrid.balancer.tries import Tries
from smartgrid.balancer.views.fleet import FleetViews
from smartgrid.balancer.views.operating import OperatingViews
from smartgrid.balancer.views.placing import PlacingViews
from smartgrid.balancer.views.scaling import ScalingViews
from smartgrid.balancer.views.sessions import SessionViews
from smartgrid.balancer.views.waiting import WaitingViews
from smartgrid.balancer.waiting_lists import WaitingLists
from smartgrid.domain.fleet import Fleet
from smartgrid.domain.regions import Regions
from smartgrid.domain.routing import make_policy
from smartgrid.http_server import hosts
from smartgrid.protocol.numbers import draw_balancer_id
from smartgrid.protocol.status_header import MAX_COUNT
from smartgrid.runtime.event_loop import EventLoop
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.process import service_command
from smartgrid.runtime.quotas import parse_quotas
from smartgrid.runtime.server import serve
from smartgrid.runtime.start_error import StartError
from smartgrid.web import auditing, guarding, metrics
from smartgrid.web.long_polls import LongPolls

POLLED = "polled"


def run(settings: BalancerSettings) -> None:
    """Serve until told to end."""
    regions = _regions(settings)
    registry, lifecycle = metrics.registry(), Lifecycle()
    counted, changes = BalancerMetrics(registry), Changes()
    use = FleetUse(parse_quotas(settings.quotas).fleet.quota())
    directory, guard = Directory(changes.notify, use), guarding.guard(settings, lifecycle, registry)
    guard.service_hosts = hosts.parse(settings.service_hosts)
    credentials, audit = Credentials(settings), auditing.of_settings("balancer", settings, registry)
    signing_in = sign_in.of_settings(settings, guard)
    fleet = _fleet(settings, changes, directory, credentials)

    def ask(url: str) -> Introduction | None:
        return introduction(credentials.client(url))

    def ask_name(url: str) -> str | None:
        found = ask(url)
        return found.name if found else None

    with ExitStack() as stack:
        loop = stack.enter_context(EventLoop("telemetry"))
        telemetry = Telemetry(
            loop,
            fleet,
            directory,
            settings.poll_interval_s,
            credential_of=credentials.of,
            observe_s=counted.poll_s.observe,
        )

        def members_changed() -> None:
            telemetry.follow()
            counted.forget_absent(each.name for each in fleet.substations())

        membership = Membership(fleet, members_changed)
        state = stack.enter_context(closing(State(settings.data_dir)))
        registrations = Registrations(state, targets.parse(settings.allowed_targets), membership, ask, fleet.epoch)
        roster = stack.enter_context(Roster(membership, _sources(settings, registrations, ask_name)))
        comparer = stack.enter_context(Comparer(fleet, directory, on_superseded=counted.supersedings.inc))
        scaling = Scaling(
            settings.kubernetes_service,
            fleet,
            membership.named_away,
            lambda: roster.not_synced() or fleet.not_seen(),
            _autoscaler(settings),
        )
        stack.enter_context(scaling)
        edge = credentials.client(settings.edge_url) if settings.edge_url else None
        console = Console(settings.name, fleet, counted, telemetry.max_view_age_s, Chargers(edge))
        stack.enter_context(console.history)
        forecasts, keys, balancer_id = Forecasts(fleet), KeysUnderWay(), draw_balancer_id()
        placement = Placement(
            fleet,
            directory,
            use,
            balancer_id=balancer_id,
            regions=regions,
            attempt_timeout_s=settings.attempt_timeout_s,
            request_timeout_s=settings.request_timeout_s,
            let_down=telemetry.check,
            forecasts=forecasts,
            keys=keys,
        )
        mover = Mover(
            fleet,
            directory,
            keys,
            balancer_id=balancer_id,
            timeout_s=settings.attempt_timeout_s,
            let_down=telemetry.check,
            on_move=lambda result: counted.moves.labels(result).inc(),
            settle=lambda: comparer.look(time.monotonic()),
        )
        if not regions.names:  # each of which moves its own; in which of them a car wishes to be no list tells
            stack.enter_context(mover)
        known = LastKnown()
        views = [
            PlacingViews(placement, fleet, counted, Tries(), known),
            SessionViews(Sessions(fleet, directory, known), LongPolls(settings.threads // 4)),
            WaitingViews(forecasts, WaitingLists(fleet)),
            OperatingViews(fleet),
            FleetViews(settings.name, fleet, directory, changes, registrations, LongPolls(settings.threads // 2)),
            ScalingViews(scaling),
        ]
        registry.register(FleetCollector(fleet, roster, directory, telemetry.max_view_age_s))
        registry.register(ScalingCollector(scaling))
        registry.add_text(SubstationSeries(fleet, counted.decisions, telemetry.clock_skews_s).render)
        lifecycle.add_check(roster.not_synced)
        lifecycle.add_check(fleet.not_seen)
        lifecycle.on_drain(changes.end)
        app = make_app(settings.name, fleet, views, console, lifecycle, registry, guard, audit, signing_in)
        serve(app, settings, lifecycle, registry.add_text)


def _regions(settings: BalancerSettings) -> Regions:
    found = region_list.load(settings.regions, settings.residency_label, settings.name)
    if found.names and settings.policy == POLLED:  # it looks at loads alone, and knows no order
        raise StartError(f"SMARTGRID_REGIONS needs another policy than SMARTGRID_POLICY={POLLED}")
    return found


def _fleet(settings: BalancerSettings, changes: Changes, directory: Directory, credentials: Credentials) -> LiveFleet:
    rng = random.Random()
    return LiveFleet(
        Fleet(make_policy(settings.policy, rng), rng, epoch=rng.randrange(1, MAX_COUNT)),
        client_for=credentials.client,
        away_life_s=settings.away_life_h * 3600,
        on_change=changes.notify,
        on_forgotten=directory.forget_member,
    )


def _sources(settings: BalancerSettings, registrations: Registrations, ask: AskName) -> list[Discovery]:
    sources: list[Discovery] = [StaticDiscovery(parse(settings.substations), ask), registrations]
    if settings.discovery == "kubernetes":
        from smartgrid.balancer.discovery.kubernetes import KubernetesDiscovery

        sources.append(
            KubernetesDiscovery(settings.kubernetes_namespace, settings.kubernetes_service, settings.kubernetes_port)
        )
    return sources


def _autoscaler(settings: BalancerSettings) -> ReadAutoscaler:
    if settings.discovery != "kubernetes":
        return lambda: None
    from smartgrid.balancer.discovery.autoscaler import AutoscalerOf

    return AutoscalerOf(settings.kubernetes_namespace, settings.kubernetes_service).read


command = service_command("balancer", BalancerSettings, run)
