"""PyPI `ocpp` as a charge point that handles limits and nothing else: what it is asked besides is refused, or in 2.1
never answered, and neither may keep limits and commands waiting."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.grid import sessions
from support.processes import wait_until
from third_party.chargers import WAIT_S, EventProgram
from third_party.conftest import Site

FOLLOW_S = 150.0
SAMPLE_KWH = 0.006
SCRIPT = Path(__file__).parent / "pypi/charger.py"


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_a_charge_point_that_handles_only_limits_follows_them(site: Site, subprotocol: str) -> None:
    with EventProgram([sys.executable, SCRIPT, site.url, "pypi", subprotocol]) as charger:
        charger.wait("ready")
        charger.order("plug")
        charger.wait("started")
        wait_until(lambda: charger.power_kw > 10.9, FOLLOW_S, "it has its 11 kW")

        assert site.substation.call("PUT", "/capacity", json={"capacity_kw": 6}).status == 200
        wait_until(lambda: 5.9 < charger.power_kw <= 6.0, FOLLOW_S, "it follows to 6 kW")

        charger.order("unplug")
        charger.wait("ended")
        wait_until(lambda: sessions(site.substation)[0]["ended_at"] is not None, WAIT_S, "its session has ended")
        (session,) = sessions(site.substation)
        assert session["delivered_kwh"] == pytest.approx(charger.events("ended")[0]["wattHours"] / 1000, abs=SAMPLE_KWH)
        assert not charger.events("failed"), charger.events("failed")
