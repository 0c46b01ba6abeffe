"""`smartgrid edge`: one edge as a process.

Chargers are served by an event loop in a thread of its own, the HTTP API by threads, and both by one process, as they
speak of the same chargers.
"""

from __future__ import annotations

import logging

from smartgrid.auth.credentials import Credentials
from smartgrid.edge import parts
from smartgrid.edge.all_chargers import AllChargers
from smartgrid.edge.app import make_app
from smartgrid.edge.metrics import EdgeCollector
from smartgrid.edge.ocpp.counters import Counters
from smartgrid.edge.own_chargers import OwnChargers
from smartgrid.edge.parts import Parts
from smartgrid.edge.settings import EdgeSettings
from smartgrid.runtime.event_loop import EventLoop
from smartgrid.runtime.fair_selector import FairSelector
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.process import service_command
from smartgrid.runtime.server import serve
from smartgrid.web import auditing, guarding, metrics

log = logging.getLogger(__name__)
BEGIN_TIMEOUT_S = 60.0
"""The registry is read anew from its file, which may be long."""


def run(settings: EdgeSettings) -> None:
    """Serve until told to end."""
    registry, lifecycle, counters = metrics.registry(), Lifecycle(), Counters()
    guard = guarding.guard(settings, lifecycle, registry)
    audit = auditing.of_settings("edge", settings, registry)
    selector = FairSelector.of_this_system()
    with EventLoop("chargers", selector) as loop:
        found = loop.run(parts.begin(settings, counters, selector), BEGIN_TIMEOUT_S)
        lifecycle.add_check(found.not_ready)
        lifecycle.on_drain(lambda: _end(loop, found, settings.drain_timeout_s))
        registry.register(EdgeCollector(loop, found, counters))
        own = OwnChargers(settings.name, loop, found.registry, found.fleet, found.fleet.sessions, found.listener)
        peers = found.sharing.peers(Credentials(settings))
        chargers = AllChargers(own, peers) if found.sharing.has_peers else own
        app = make_app(chargers, lifecycle, registry, guard, audit, found.registry, found.sharing.heard)
        serve(app, settings, lifecycle, registry.add_text)


def _end(loop: EventLoop, found: Parts, timeout_s: float) -> None:
    try:
        loop.run(found.end(timeout_s), timeout_s)
    except TimeoutError:
        log.warning("not all was ended in time; what chargers had an answer to is on the disk")


command = service_command("edge", EdgeSettings, run)
