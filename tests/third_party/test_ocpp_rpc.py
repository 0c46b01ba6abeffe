"""npm `ocpp-rpc` in strict mode: it holds each byte that the edge sends against the standard's schemas.

Not for 2.1: the schemas of 2.2.1 for it lack BootNotification ("missing from subprotocol schema").
"""

from __future__ import annotations

import pytest

from support.grid import sessions
from support.processes import wait_until
from third_party.chargers import WAIT_S, StrictCharger
from third_party.conftest import Site

FOLLOW_S = 150.0
SAMPLE_KWH = 0.006
"""What flows between two readings: the script's own register is read at most so much later than its last message."""


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1"])
def test_a_strict_charger_finds_nothing_wrong_and_follows(site: Site, subprotocol: str) -> None:
    with StrictCharger(site.url, "strict", subprotocol) as charger:
        charger.wait("ready")
        charger.order("plug")
        charger.wait("started")
        wait_until(lambda: charger.power_kw > 10.9, FOLLOW_S, "it has its 11 kW")

        assert site.substation.call("PUT", "/capacity", json={"capacity_kw": 6}).status == 200
        wait_until(lambda: 5.9 < charger.power_kw <= 6.0, FOLLOW_S, "it follows to 6 kW")
        shown = site.grid.gateway.call("GET", f"/chargers/{site.name}/strict").json()
        assert (shown["version"], shown["vendor"]) == (subprotocol, "ocpp-rpc")

        charger.order("unplug")
        charger.wait("ended")
        wait_until(lambda: sessions(site.substation)[0]["ended_at"] is not None, WAIT_S, "its session has ended")
        (session,) = sessions(site.substation)
        assert session["end_reason"] == "Departed"
        assert session["delivered_kwh"] == pytest.approx(charger.events("ended")[0]["wattHours"] / 1000, abs=SAMPLE_KWH)

        for kind in ("strict", "bad", "failed"):
            assert not charger.events(kind), charger.events(kind)
        assert {"TxProfile", "TxDefaultProfile"} <= {each["purpose"] for each in charger.events("profile")}
