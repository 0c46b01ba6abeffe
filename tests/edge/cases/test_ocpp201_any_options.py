"""OCPP 2.0.1 lets a charger choose what begins a transaction and what ends it (TxStartPoint, TxStopPoint: E01, E06).

Whatever it has chosen, and in whatever order a driver parks, plugs in and shows a tag: a car that may charge has one
session, with all its energy, and a charger without a transaction has none.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.ports import OcppVersion
from support.case_charger import CaseCharger

POINTS = ("ParkingBayOccupancy", "EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer")
WATT_HOURS_A_MINUTE = 180
STEPS = st.sampled_from(
    ["park", "leave", "plug", "unplug", "tag", "wrong tag", "stop", "charge", "suspend", "meter", "wait", "statuses",
     "reconnect", "restart", "boot", "lose the network", "find the network"]
)  # fmt: skip
Points = st.sets(st.sampled_from(POINTS), min_size=1)


class Driven:
    """A charger of one EVSE with two plugs, and what its driver does there."""

    def __init__(self, data_dir: Path, begins: set[str], ends: set[str], *, ends_at_unplug: bool) -> None:
        self.charger = CaseCharger(data_dir, OcppVersion.V201)
        self.charger.world.refused_tags.add("WRONG")
        self._begins, self._ends, self._ends_at_unplug = begins, ends, ends_at_unplug
        self.is_parked = self.is_plugged = self.is_authorized = self.is_charging = False
        self.transaction: str | None = None
        self._count = 0
        self.register_wh = 1000
        self.drawn_wh = 0
        self._queue: list[tuple[float, dict[str, Any]]] | None = None
        """While it is offline: what it will say of its transactions, and since when."""

    @property
    def _points(self) -> set[str]:
        """What holds, of all that may begin or end a transaction."""
        has_path = self.is_plugged and self.is_authorized
        holds = (self.is_parked, self.is_plugged, self.is_authorized, has_path, has_path and self.is_charging)
        return {point for point, it_holds in zip(POINTS, holds, strict=True) if it_holds}

    @property
    def _car(self) -> str:
        if not self.is_plugged:
            return "Idle"
        return "Charging" if self.is_charging else "EVConnected"

    def step(self, name: str) -> None:
        if name == "plug" and not self.is_parked:
            self.step("park")
        before = self._points
        if name == "park" and not self.is_parked:
            self.is_parked = True
            self._tell("EVDetected", before)
        elif name == "leave" and self.is_parked and not self.is_plugged:
            self.is_parked = False
            self._tell("EVDeparted", before)
        elif name == "plug" and not self.is_plugged:
            self.is_plugged = True
            self._status("Occupied")
            self._tell("CablePluggedIn", before)
        elif name == "unplug" and self.is_plugged:
            self.is_plugged = self.is_charging = False
            self._tell("EVCommunicationLost", before, is_over=self._ends_at_unplug)
            self._status("Available")
        elif name == "tag" and not self.is_authorized:
            assert self._queue is not None or self.charger.authorize()["status"] == "Accepted"
            self.is_authorized = True
            self._tell("Authorized", before, tag="TAG")
        elif name == "wrong tag" and not self.is_authorized:
            assert self._queue is not None or self.charger.authorize("WRONG")["status"] == "Invalid"
        elif name == "stop" and self.is_authorized:
            self.is_authorized = self.is_charging = False
            self._tell("StopAuthorized", before, tag="TAG")
        elif name == "charge" and self.is_plugged and self.is_authorized and not self.is_charging:
            self.is_charging = True
            self._tell("ChargingStateChanged", before)
        elif name == "suspend" and self.is_charging:
            self.is_charging = False
            self._tell("ChargingStateChanged", before)
        else:
            self._happen(name)

    def _happen(self, name: str) -> None:
        """What has nothing to do with what the driver does."""
        if name == "wait":
            self._pass_minute()
        elif name == "meter" and self.transaction is not None:
            self._event("Updated", "MeterValuePeriodic")
        elif name == "lose the network" and self._queue is None:
            self.charger.world.fleet.disconnected(self.charger.link)
            self._queue = []
        elif name == "find the network" and self._queue is not None:
            self._find_network()
        elif name == "restart" and (self.is_plugged or self.transaction is None):  # that its car was gone is not kept
            self.charger.world.restart()
            if self._queue is None:
                self.charger.connect()
                self._statuses()
        elif name == "reconnect" and self._queue is None:
            self.charger.world.fleet.disconnected(self.charger.link)
            self.charger.connect()
            self._statuses()
        elif name == "boot" and self._queue is None:
            self.charger.boot()
            self._statuses()
        elif name == "statuses":
            self._statuses()

    def _find_network(self) -> None:
        self.charger.connect()
        self._statuses()
        queue, self._queue = self._queue or [], None
        for at_s, event in queue:
            self.charger.event(**event, ago_s=self.charger.world.clock.now_s - at_s, offline=True)

    def _pass_minute(self) -> None:
        if self.is_charging and self.transaction is not None:
            self.register_wh += WATT_HOURS_A_MINUTE
            self.drawn_wh += WATT_HOURS_A_MINUTE
        self.charger.run(60)

    def _statuses(self) -> None:
        self._status("Available", plug=2)
        self._status("Occupied" if self.is_plugged else "Available", plug=1)

    def _status(self, status: str, plug: int = 1) -> None:
        if self._queue is None:
            self.charger.status(status, plug=plug)

    def _tell(self, trigger: str, before: set[str], tag: str | None = None, *, is_over: bool = False) -> None:
        ended = (before - self._points) & self._ends
        if self.transaction is None and (self._points - before) & self._begins:
            self._count += 1
            self.transaction = f"T{self._count}"
            self._event("Started", trigger, tag)
        elif self.transaction is not None and (ended or is_over):
            self._event("Ended", trigger, tag)
            self.transaction, self.is_authorized, self.is_charging = None, False, False
        elif self.transaction is not None:
            self._event("Updated", trigger, tag)

    def _event(self, kind: str, trigger: str, tag: str | None = None) -> None:
        if kind == "Started" and self.is_authorized:
            tag = "TAG"
        event = {"kind": kind, "trigger": trigger, "car": self._car, "tag": tag, "wh": self.register_wh}
        event["transaction"] = self.transaction
        if self._queue is None:
            self.charger.event(**event)
        else:
            self._queue.append((self.charger.world.clock.now_s, event))

    # ------------------------------------------------------------------ what has come of it

    def check(self) -> None:
        self.charger.world.offer(11.0)
        self.charger.run(15)
        if self._queue is not None:
            return
        cars = [each.vehicle_id for each in self.charger.world.grid.sessions.values() if each.state != "Idle"]
        if self.transaction is None:
            assert cars == []
        elif self.is_plugged and self.is_authorized:
            assert cars == ["TAG"]
        else:
            assert cars in ([], ["TAG"])

    def finish(self) -> None:
        """The car goes, and all that it has drawn is booked."""
        self.step("find the network")
        self.step("stop")
        self.step("unplug")
        self.step("leave")
        if self.transaction is not None:
            self._event("Ended", "StopAuthorized")
        self.charger.run(60)
        ended = {each.session_id: each.energy_kwh or 0.0 for each in self.charger.world.grid.ends}
        assert 1000 * sum(ended.values()) == pytest.approx(self.drawn_wh, abs=5)
        assert all(each.state == "Idle" for each in self.charger.world.grid.sessions.values())


@given(st.lists(STEPS, min_size=5, max_size=40), Points, Points, st.booleans())
def test_a_car_that_may_charge_has_a_session_whatever_begins_and_ends_transactions(
    steps: list[str], begins: set[str], ends: set[str], ends_at_unplug: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        driven = Driven(Path(folder), begins, ends, ends_at_unplug=ends_at_unplug)
        for step in steps:
            driven.step(step)
            driven.check()
        driven.finish()
        driven.charger.world.inbox.close()
