"""A reload of the proxy in front cuts off all chargers at once: each is back in its session, within its limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.end_to_end.chargers import CAR_KW, SETTLE_S, WAIT_S, session_of, wait_session
from edge.end_to_end.conftest import CAPACITY_KW, Site
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.dialect_201 import Dialect201
from smartgrid.chargersim.street import Handle, Street
from support import certificates
from support.processes import wait_until
from support.tls_proxies import TlsProxy, program

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(params=["nginx", "haproxy"])
def proxy(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Iterator[TlsProxy]:
    """In front of the grid's edge."""
    program(request.param)
    made, port = certificates.make(tmp_path), int(str(site.grid.edge.settings["ocpp_port"]))
    with TlsProxy(request.param, tmp_path / "proxy", port, made, made.cert) as found:
        yield found


def test_a_reload_of_the_proxy_costs_no_session_and_no_limit(site: Site, proxy: TlsProxy) -> None:
    with Street(f"ws://127.0.0.1:{proxy.port}/ocpp", pause_s=0.2, longest_pause_s=1.0) as street:
        chargers = [
            street.add(site.name, f"{proxy.kind}-16", Dialect16()),
            street.add(site.name, f"{proxy.kind}-201", Dialect201()),
        ]
        for charger in chargers:
            wait_until(lambda each=charger: each.is_connected, WAIT_S, "it is connected")  # type: ignore[misc]
            charger.plug(Car(), tag=f"EV-{charger.name}")
        for charger in chargers:
            wait_until(lambda each=charger: each.power_kw > CAR_KW / 2, SETTLE_S, "its car charges")  # type: ignore[misc]
        sessions = [session_of(site.substation, f"EV-{charger.name}")["session_id"] for charger in chargers]
        since = [connected_since(site, charger) for charger in chargers]

        proxy.reload()

        for charger, before in zip(chargers, since, strict=True):
            wait_until(lambda e=charger, b=before: connected_since(site, e) not in (None, b), WAIT_S, "it is back")  # type: ignore[misc]
        for charger, session in zip(chargers, sessions, strict=True):
            assert charger.power_kw > CAR_KW / 2, "its limit went on"
            assert session_of(site.substation, f"EV-{charger.name}")["session_id"] == session
        assert street.most_between_kw(site.name, 0, street.clock.now_s()) <= CAPACITY_KW
        for charger in chargers:
            charger.unplug()
        for charger in chargers:  # else nobody would tell of their ends
            wait_session(site.substation, f"EV-{charger.name}", "Idle")


def connected_since(site: Site, charger: Handle) -> str | None:
    """Since when this connection of it is there."""
    seen = site.grid.edge.call("GET", f"/chargers/{site.name}/{charger.name}").json()
    return str(seen["since"]) if seen["connected"] else None
