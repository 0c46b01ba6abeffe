"""What an edge and a substation say to each other, over real HTTP (docs/chargers-protocol.md)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from smartgrid.auth.scopes import GRID_SERVICE
from smartgrid.protocol import status_header
from smartgrid.protocol.headers import STATUS
from support.http import Reply
from support.identity import Identities
from support.processes import Process

EDGE = "edge-0/abcdefgh"
PLUG = {
    "charger": "CP-1",
    "connector": 1,
    "transaction_id": "17",
    "edge": EDGE,
    "rating_kw": 22,
    "fallback_kw": 0,
    "held_kw": 0,
    "meter_kwh": 1234.5,
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process("substation", tmp_path_factory.mktemp("offers"), name="s0", capacity_kw=22) as process:
        yield process


@pytest.fixture
def substation(running: Process) -> Process:
    """22 kW, and nobody is plugged in."""
    for session in offers(running)["sessions"]:
        end(running, session["session_id"])
    report(running, connectors={"total": 0, "free": 0})
    return running


def plug_in(
    substation: Process, connector: int = 1, key: str = "", vehicle_id: str = "EV-1", **changes: object
) -> Reply:
    plug = PLUG | {"connector": connector} | changes
    body = {"vehicle_id": vehicle_id, "energy_kwh": None, "max_power_kw": 22, "wait": True, "charger": plug}
    return substation.call("POST", "/charge", json=body, headers={"Idempotency-Key": key or secrets.token_hex(16)})


def offers(substation: Process, query: str = "") -> dict[str, Any]:
    reply = substation.call("GET", f"/offers{query}")
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


def report(substation: Process, *sessions: dict[str, object], **changes: object) -> dict[str, Any]:
    body = {"epoch": offers(substation)["epoch"], "edge": EDGE, "sessions": sessions} | changes
    reply = substation.call("POST", "/reports", json=body)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


def confirmed(session: dict[str, Any], **changes: object) -> dict[str, object]:
    return {
        "session_id": session["session_id"],
        "number": session["number"],
        "held_kw": session["offer_kw"],
        "fallback_kw": 0,
        "rating_kw": 22,
    } | changes


def end(substation: Process, session_id: str, energy_kwh: float | None = None, reason: str = "Local") -> Reply:
    return substation.call("POST", f"/charge/{session_id}/end", json={"energy_kwh": energy_kwh, "reason": reason})


def test_a_car_that_plugs_in_is_offered_what_there_is(substation: Process) -> None:
    reply = plug_in(substation, key="first")
    session = reply.json()
    assert (reply.status, session["charger"], session["connector"]) == (201, "CP-1", 1)
    assert (session["energy_kwh"], session["state"], session["offer_kw"]) == (None, "Charging", 22)
    (offer,) = offers(substation)["sessions"]
    assert offer == {
        "session_id": session["session_id"],
        "vehicle_id": "EV-1",
        "state": "Charging",
        "number": offer["number"],
        "offer_kw": 22,
        "edge": EDGE,
        "charger": "CP-1",
        "connector": 1,
        "transaction_id": "17",
        "meter_kwh": 1234.5,
    }


def test_a_repeat_of_a_start_is_the_session(substation: Process) -> None:
    first = plug_in(substation, key="again")
    again = plug_in(substation, key="again", held_kw=3, transaction_id="18")
    assert again.json()["session_id"] == first.json()["session_id"]
    assert again.headers["Smartgrid-Replayed"] == "true"
    assert len(offers(substation)["sessions"]) == 1


def test_a_second_car_is_paid_only_when_the_first_has_confirmed(substation: Process) -> None:
    plug_in(substation)
    (full,) = offers(substation)["sessions"]
    report(substation, confirmed(full))
    plug_in(substation, connector=2, vehicle_id="EV-2")
    first, second = offers(substation)["sessions"]
    assert (first["offer_kw"], second["offer_kw"]) == (11, 0)
    report(substation, confirmed(first))
    first, second = offers(substation)["sessions"]
    assert (first["offer_kw"], second["offer_kw"]) == (11, 11)


def test_an_answer_comes_when_something_changes(substation: Process) -> None:
    known = offers(substation)
    with ThreadPoolExecutor() as pool:
        polled = pool.submit(offers, substation, f"?epoch={known['epoch']}&since={known['revision']}&wait_s=30")
        time.sleep(0.2)
        plug_in(substation)
        assert [session["offer_kw"] for session in polled.result(20)["sessions"]] == [22]


def test_an_answer_to_another_epoch_comes_at_once(substation: Process) -> None:
    known = offers(substation)
    assert offers(substation, f"?epoch=1&since={known['revision']}&wait_s=30") == known


def test_the_end_has_the_energy_of_the_meter_and_may_be_repeated(substation: Process) -> None:
    session_id = plug_in(substation).json()["session_id"]
    ended = end(substation, session_id, 3.25, "EVDisconnected").json()
    assert (ended["state"], ended["end_reason"], ended["delivered_kwh"]) == ("Idle", "Departed", 3.25)
    assert end(substation, session_id, 3.25, "EVDisconnected").json() == ended
    assert end(substation, session_id, 3.5).json()["delivered_kwh"] == 3.5
    assert substation.call("GET", f"/charge/{session_id}").json()["delivered_kwh"] == 3.5
    assert offers(substation)["sessions"] == []


def test_a_session_that_others_have_stopped_is_to_be_stopped_at_its_charger(substation: Process) -> None:
    session_id = plug_in(substation).json()["session_id"]
    stopped = substation.call("DELETE", f"/charge/{session_id}").json()
    assert (stopped["state"], stopped["end_reason"]) == ("Idle", "Stopped")
    (offer,) = offers(substation)["sessions"]
    assert (offer["state"], offer["offer_kw"]) == ("Stopping", 0)
    assert end(substation, session_id, 1.5).json()["delivered_kwh"] == 1.5
    assert offers(substation)["sessions"] == []


def test_a_car_without_room_waits_and_is_told_so(substation: Process) -> None:
    for connector in range(1, 6):
        plug_in(substation, connector, vehicle_id=f"EV-{connector}")
    reply = plug_in(substation, connector=6, vehicle_id="EV-6")
    assert (reply.status, reply.json()["state"], reply.json()["position"]) == (202, "Waiting", 1)
    waiting = offers(substation)["sessions"][-1]
    assert (waiting["state"], waiting["offer_kw"], waiting["position"]) == ("Waiting", 0, 1)
    assert substation.call("GET", "/waiting").json() == {"cars": []}


def test_a_reservation_is_found_when_its_car_plugs_in(substation: Process) -> None:
    report(substation, connectors={"total": 2, "free": 2})
    asked = substation.call("POST", "/charge", json={"vehicle_id": "EV-7", "energy_kwh": 10}).json()
    assert (asked["state"], asked["power_kw"]) == ("Reserved", 0)
    kept_for = datetime.fromisoformat(asked["reserved_until"]) - datetime.fromisoformat(asked["started_at"])
    assert kept_for == timedelta(minutes=15)
    assert substation.call("GET", "/status").json()["free_connectors"] == 1
    plugged = plug_in(substation, vehicle_id="EV-7").json()
    assert (plugged["session_id"], plugged["state"]) == (asked["session_id"], "Charging")
    assert "reserved_until" not in plugged
    assert substation.call("GET", "/status").json()["free_connectors"] == 1


def test_a_session_that_charges_without_a_charger_is_found_when_its_car_plugs_in(substation: Process) -> None:
    asked = substation.call("POST", "/charge", json={"vehicle_id": "EV-7", "energy_kwh": 10}).json()
    assert asked["state"] == "Charging"
    plugged = plug_in(substation, vehicle_id="EV-7").json()
    assert (plugged["session_id"], plugged["charger"]) == (asked["session_id"], "CP-1")
    assert substation.call("GET", "/status").json()["active_sessions"] == 1


def test_without_a_free_connector_nobody_is_promised_one(substation: Process) -> None:
    report(substation, connectors={"total": 2, "free": 0})
    refused = substation.call("POST", "/charge", json={"vehicle_id": "EV-8", "energy_kwh": 10})
    assert (refused.status, refused.json()["code"]) == (503, "no-capacity")


def test_the_meter_is_shown(substation: Process) -> None:
    session_id = plug_in(substation).json()["session_id"]
    (offer,) = offers(substation)["sessions"]
    report(substation, confirmed(offer, power_kw=20.9, energy_kwh=1.25, car="Charging"))
    shown = substation.call("GET", f"/charge/{session_id}").json()
    assert (shown["delivered_kwh"], shown["metered_kw"], shown["held_kw"]) == (1.25, 20.9, 22)


def test_what_chargers_may_draw_above_the_capacity_is_in_the_status_and_in_its_header(substation: Process) -> None:
    before = substation.call("GET", "/status").json()
    assert "overbooked_kw" not in before, "no chargers are known"
    plug_in(substation)
    (offer,) = offers(substation)["sessions"]
    report(substation, confirmed(offer, power_kw=21.9, energy_kwh=1.25, car="Charging"))
    substation.call("PUT", "/capacity", json={"capacity_kw": 9})
    reply = substation.call("GET", "/status", headers={STATUS: status_header.WANTED})
    shown, known = reply.json(), status_header.decode(reply.headers[STATUS], 0.0)
    assert (shown["load_kw"], shown["booked_kw"], shown["metered_kw"], shown["overbooked_kw"]) == (9, 22, 21.9, 13)
    assert known is not None
    assert (known[1].booked_kw, known[1].metered_kw, known[1].overbooked_kw) == (22, 21.9, 13)


def test_an_edge_is_told_which_sessions_are_not_here(substation: Process) -> None:
    nobody = confirmed({"session_id": "nobody", "number": 1, "offer_kw": 0})
    assert report(substation, nobody)["gone"] == ["nobody"]


def test_a_claim_makes_the_edge_the_holder(substation: Process) -> None:
    plug_in(substation)
    (offer,) = offers(substation)["sessions"]
    report(substation, edge="edge-1/zzz", claims=[[offer["session_id"], offer["number"]]])
    (claimed,) = offers(substation)["sessions"]
    assert (claimed["edge"], claimed["number"]) == ("edge-1/zzz", offer["number"] + 1)


def test_a_charge_with_a_charger_needs_a_key(substation: Process) -> None:
    body = {"vehicle_id": "EV-1", "energy_kwh": None, "charger": PLUG}
    assert substation.call("POST", "/charge", json=body).status == 422


def test_only_a_service_plugs_cars_in_and_asks_for_offers(tmp_path: Path) -> None:
    """Nobody else knows what a charger draws, nor may move another's session."""
    identities = Identities(tmp_path / "identities")
    driver, service = identities.bearer("ann"), identities.bearer("edge", [GRID_SERVICE])
    with Process("substation", tmp_path / "data", name="s0", capacity_kw=22, **identities.believing) as substation:
        body = {"vehicle_id": "EV-1", "energy_kwh": None, "charger": PLUG}
        key = {"Idempotency-Key": "one"}
        assert substation.call("POST", "/charge", json=body, headers=driver | key).status == 403
        plugged = substation.call("POST", "/charge", json=body, headers=service | key)
        assert plugged.status == 201
        assert substation.call("GET", "/offers", headers=driver).status == 403
        assert len(substation.call("GET", "/offers", headers=service).json()["sessions"]) == 1
        ending = f"/charge/{plugged.json()['session_id']}/end"
        assert substation.call("POST", ending, json={"energy_kwh": 1}, headers=driver).status == 403
        assert substation.call("POST", "/reports", json={"epoch": 1, "edge": "x"}, headers=driver).status == 403


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rating_kw": 1001}, "charger.rating_kw"),
        ({"held_kw": -1}, "charger.held_kw"),
        ({"connector": 0}, "charger.connector"),
        ({"charger": "x" * 49}, "charger.charger"),
        ({"edge": "a\u0000b"}, "charger.edge"),
        ({"started_at": "2026-01-01T00:00:00"}, "charger.started_at"),
    ],
)
def test_what_cannot_be_said_of_a_charger_is_refused(
    substation: Process, changes: dict[str, object], field: str
) -> None:
    reply = plug_in(substation, **changes)  # type: ignore[arg-type]
    assert (reply.status, reply.json()["errors"][0]["field"]) == (422, field)


def test_a_batch_of_reports_has_an_end(substation: Process) -> None:
    session = confirmed({"session_id": "x", "number": 1, "offer_kw": 0})
    body = {"epoch": 1, "edge": EDGE, "sessions": [session] * 201}
    assert substation.call("POST", "/reports", json=body).status == 422


def test_offers_survive_a_kill(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=22) as substation:
        plug_in(substation)
        (before,) = offers(substation)["sessions"]
        substation.kill()
        substation.start()
        (after,) = offers(substation)["sessions"]
    assert after["number"] > before["number"]
    assert {name: value for name, value in after.items() if name != "number"} == {
        name: value for name, value in before.items() if name != "number"
    }
