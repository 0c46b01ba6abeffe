"""The Rust crate `ocpp-charge-point`'s simulated charge point, unmodified: it accepts a TxProfile, and ignores it.

It says so by its meter alone: once in a session it reads 7.4 kW and 2.4 kWh, whatever it was allowed. So it is not
enough to hear Accepted: what its meter shows is booked, beyond what it was offered. In 2.x it says nothing of its
register at the beginning, so all that can be counted is from its first reading on, which is also its last.
"""

from __future__ import annotations

import pytest

from support.grid import sessions
from support.processes import wait_until
from third_party.chargers import Program, built
from third_party.conftest import Site
from third_party.one_version import OneVersion

DRAWN_KW, READ_KWH = 7.4, 2.4
CAPACITY_KW = 5.0
EVENTS_S = 100
"""The whole of its session, in ten steps; connecting takes as long again."""
SESSION_S = 200.0


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_what_it_draws_beyond_what_it_has_accepted_is_booked(site: Site, subprotocol: str) -> None:
    program = built("ocpp-charge-point")
    assert site.substation.call("PUT", "/capacity", json={"capacity_kw": CAPACITY_KW}).status == 200
    with OneVersion(int(site.grid.edge.settings["ocpp_port"]), subprotocol) as relay:  # type: ignore[call-overload]
        url = f"ws://127.0.0.1:{relay.port}/ocpp/{site.name}/rust"
        command = [program, url, "--seconds", EVENTS_S, "--sessions", 1]
        with Program(command, {"RUST_MIN_STACK": "67108864"}) as charger:
            wait_until(lambda: bool(sessions(site.substation)), SESSION_S, "its session has begun")
            wait_until(lambda: _held_kw(site) == DRAWN_KW, SESSION_S, "what its meter shows is booked")
            (session,) = sessions(site.substation)
            assert session["offer_kw"] <= CAPACITY_KW
            shown = site.grid.gateway.call("GET", f"/chargers/{site.name}/rust").json()
            assert (shown["version"], shown["vendor"]) == (subprotocol, "Acme"), charger.output
            wait_until(lambda: sessions(site.substation)[0]["ended_at"] is not None, SESSION_S, "it has ended")
    (session,) = sessions(site.substation)
    expected_kwh = READ_KWH if subprotocol == "ocpp1.6" else 0.0
    assert session["delivered_kwh"] == pytest.approx(expected_kwh, abs=0.001)


def _held_kw(site: Site) -> float | None:
    (session,) = sessions(site.substation)
    return session.get("held_kw")
