"""Go `ocpp-go`'s example chargers, unmodified: they cannot be controlled, so they are booked at their rating.

The one of 1.6 says NotSupported to a charging profile although it advertises smart charging, the one of 2.0.1 answers
with an error. Both count energy as exported; the one of 2.0.1 starts before anybody is authorized, at connector 0.
"""

from __future__ import annotations

import pytest

from support.grid import metric, sessions
from support.processes import wait_until
from third_party.chargers import Program, built
from third_party.conftest import Site

RATING_KW = 22.08
SESSION_S = 180.0


@pytest.mark.parametrize(("version", "variable"), [("1.6", "CENTRAL_SYSTEM_URL"), ("2.0.1", "CSMS_URL")])
def test_it_charges_and_is_booked_at_its_rating(site: Site, version: str, variable: str) -> None:
    assert site.substation.call("PUT", "/capacity", json={"capacity_kw": 50}).status == 200
    name = f"go-{version}"
    with Program([built(f"ocpp-go-{version}")], {"CLIENT_ID": name, variable: site.url}) as charger:
        wait_until(
            lambda: metric(site.substation, "uncontrolled_power_kw") == pytest.approx(RATING_KW, abs=0.01),
            SESSION_S,
            "it is booked at its rating",
        )
        shown = site.grid.gateway.call("GET", f"/chargers/{site.name}/{name}").json()
        assert shown["obedience"] == "rejects", charger.output
        wait_until(lambda: sessions(site.substation)[0]["ended_at"] is not None, SESSION_S, "it has left")

    (session,) = sessions(site.substation)
    assert (session["vehicle_id"], session["end_reason"]) == ("12345", "Departed")
    assert site.substation.call("GET", "/status").json()["load_kw"] == 0
