"""The edge's parts that live in its event loop: put together, begun and ended in order.

    Listener ── Fleet ── SubstationGrid        and the registry and the inbox, which have threads of their own

Begun from the far end, so that whoever connects finds everything there. Ended from the near end: nobody is let in any
more, chargers are told to come again (1001), what substations are owed is told once more, and what is left is on the
disk.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from smartgrid.auth.credentials import Credentials
from smartgrid.edge import tags
from smartgrid.edge.chargers.fleet import Fleet
from smartgrid.edge.chargers.picture import Counts
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.grid.directory import Directory
from smartgrid.edge.grid.grid import SubstationGrid
from smartgrid.edge.limits.quirks import Table
from smartgrid.edge.ocpp.counters import Counters
from smartgrid.edge.ocpp.listener import Listener, Place
from smartgrid.edge.ocpp.settings import Bounds, Proxies
from smartgrid.edge.ports import ChargerId
from smartgrid.edge.registry.replication import Replication
from smartgrid.edge.registry.store import Registry
from smartgrid.edge.settings import EdgeSettings, parse_substations
from smartgrid.edge.sharing import Sharing
from smartgrid.edge.transactions.inbox import Inbox
from smartgrid.edge.transactions.inbox_file import InboxFile
from smartgrid.http_server.client_address import networks
from smartgrid.http_server.tls import ServerTls, TlsFilesError
from smartgrid.runtime.fair_selector import FairSelector
from smartgrid.runtime.server import CannotListenError, check_address
from smartgrid.runtime.start_error import StartError

MOST_SPREAD_S = 3.0
"""Over which connections are closed at the end: their chargers come again as spread as that."""
LAST_REPORTS_S = 2.0
TLS_SHARE = 4
"""All chargers may connect at once; over TLS of our own, which costs ten times as much, a part of them."""
LEAST_SILENCE_S, HEARTBEATS_MISSED = 900.0, 3.0
"""A charger is gone that has said nothing for so long, and that has missed so many heartbeats."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """Begun; everything but `not_ready` and `registry` only in the loop."""

    registry: Registry
    grid: SubstationGrid
    fleet: Fleet
    listener: Listener
    directory: Directory
    sharing: Sharing
    replication: Replication

    def counts(self) -> Counts:
        return self.fleet.counts()

    def not_ready(self) -> str | None:
        """Why chargers are better let in elsewhere, or later. From any thread."""
        trouble = self.fleet.inbox.trouble
        if trouble:
            return f"the inbox takes nothing: {trouble}"
        if not self.directory.names():
            return "no substation is known: the balancer has not told of any"
        return None

    async def end(self, drain_timeout_s: float) -> None:
        """Within the drain timeout, if the disk does its part."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.listener.stop(min(MOST_SPREAD_S, drain_timeout_s / 4)), drain_timeout_s * 0.6)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.sharing.close(), LAST_REPORTS_S)
        await self.replication.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.grid.close(), LAST_REPORTS_S)
        self.fleet.close()
        self.registry.close()


async def begin(settings: EdgeSettings, counters: Counters, selector: FairSelector | None = None) -> Parts:
    """Everything, listening; `selector` is the loop's, if it is one. Raises StartError, CannotListenError."""
    tls, tag_of = _tls(settings), tags.load(settings.id_tags_file)
    check_address(settings.ocpp_host, settings.ocpp_port)
    is_open = settings.registration == "open"
    registry = Registry(settings.data_dir, is_open=is_open, chargers_file=settings.chargers_file)
    loop, credentials = asyncio.get_running_loop(), Credentials(settings)
    substations = parse_substations(settings.substations)
    directory = Directory(substations, settings.balancer_url, credentials, settings.data_dir)
    grid = SubstationGrid(settings.name, directory, credentials)
    inbox = Inbox(InboxFile(settings.data_dir), loop.call_soon_threadsafe)
    sharing = Sharing(settings)
    fleet = Fleet(
        grid,
        inbox,
        registry,
        Times.of_loop(loop),
        tag_of=tag_of,
        heartbeat_s=settings.heartbeat_s,
        table=Table.load(settings.quirks_file),
        meter_interval_s=settings.meter_interval_s,
        has_peers=sharing.has_peers,
        most_untold=settings.max_inbox_messages,
    )
    proxies = Proxies(networks(settings.trusted_proxies), settings.client_certificate_header)
    bounds = Bounds(
        max_connections=settings.max_chargers,
        max_handshakes=settings.max_chargers // (TLS_SHARE if tls else 1),
        max_message_bytes=settings.max_frame_bytes,
        messages_per_s=settings.messages_per_s,
        silence_s=max(LEAST_SILENCE_S, HEARTBEATS_MISSED * settings.heartbeat_s),
    )
    listener = Listener(
        Place(settings.ocpp_host, settings.ocpp_port, tls, proxies),
        fleet,
        registry,
        knows=grid.knows,
        bounds=bounds,
        counters=counters,
        pass_on=sharing.pass_on,
        vouched=sharing.vouched,
        selector=selector,
    )
    replication = Replication(registry, sharing.shards.http_urls, credentials, own_name=settings.name)
    found = Parts(registry, grid, fleet, listener, directory, sharing, replication)
    listener.is_ready = lambda: found.not_ready() is None
    registry.on_removed = lambda charger: _drop(loop, listener, charger)
    grid.begin(fleet)
    fleet.begin()
    await sharing.shards.look()  # else all would be ours at first, and nobody asked for registrations
    await replication.begin()  # else chargers that only the others know would be refused
    try:
        await listener.start()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotListenError(f"cannot listen on {settings.ocpp_host}:{settings.ocpp_port}: {reason}") from error
    sharing.begin(listener, grid)
    log.info("chargers connect at %s:%d", settings.ocpp_host, settings.ocpp_port)
    return found


def _drop(loop: asyncio.AbstractEventLoop, listener: Listener, charger: ChargerId) -> None:
    """The registry tells it in a thread of its own, perhaps as all of it ends."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(listener.drop, charger)


def _tls(settings: EdgeSettings) -> ServerTls | None:
    """Chargers', where it is ended here. Raises StartError."""
    cert_file, key_file, ca_file = settings.ocpp_tls_cert_file, settings.ocpp_tls_key_file, settings.ocpp_client_ca_file
    if cert_file is None and key_file is None and ca_file is None:
        return None
    if cert_file is None or key_file is None:
        raise StartError(
            "SMARTGRID_OCPP_TLS_CERT_FILE and SMARTGRID_OCPP_TLS_KEY_FILE belong together, "
            "and SMARTGRID_OCPP_CLIENT_CA_FILE to both"
        )
    try:
        return ServerTls(cert_file, key_file, ca_file)
    except TlsFilesError as error:
        raise StartError(f"SMARTGRID_OCPP_TLS_CERT_FILE, SMARTGRID_OCPP_TLS_KEY_FILE: {error}") from None
