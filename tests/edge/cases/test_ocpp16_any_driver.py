"""OCPP 1.6: in whatever order a driver plugs in, shows a tag and leaves, and whatever becomes of networks and edges
meanwhile, a transaction is one session with all its energy, and a charger without a transaction has none."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.ports import OcppVersion
from support.case_charger import CaseCharger

WATT_HOURS_A_MINUTE = 180
STEPS = st.sampled_from(
    ["plug", "unplug", "tag", "stop", "charge", "suspend", "meter", "wait", "status", "reconnect", "restart", "boot",
     "lose power", "lose the network", "find the network"]
)  # fmt: skip


class Driven:
    """A charger of one connector, and what its driver does there. Without a network it goes on by itself, under numbers
    of its own, which it replaces as soon as it has the edge's."""

    def __init__(self, data_dir: Path, *, ends_at_unplug: bool) -> None:
        self.charger = CaseCharger(data_dir, OcppVersion.V16)
        self._ends_at_unplug = ends_at_unplug
        self.is_plugged = self.is_authorized = self.is_charging = False
        self.transaction: int | None = None
        """Its own number of it."""
        self._numbers: dict[int, int] = {}
        self.register_wh = 1000
        self.drawn_wh = 0
        self._count = 0
        self._queue: list[tuple[str, dict[str, Any]]] | None = None

    def step(self, name: str) -> None:
        if name == "plug" and not self.is_plugged:
            self.is_plugged = True
            self._status()
            self._begin()
        elif name == "unplug" and self.is_plugged:
            self.is_plugged = self.is_charging = False
            if self._ends_at_unplug:
                self._end("EVDisconnected")
            self._status()
        elif name == "tag" and not self.is_authorized:
            assert self._queue is not None or self.charger.authorize()["status"] == "Accepted"
            self.is_authorized = True
            self._begin()
        elif name == "stop" and self.transaction is not None:
            self._end("Local", idTag="TAG")
            self._status()
        elif name == "charge" and self.is_plugged and self.transaction is not None:
            self.is_charging = True
            self._status()
        elif name == "suspend" and self.is_charging:
            self.is_charging = False
            self._status()
        else:
            self._happen(name)

    def _happen(self, name: str) -> None:
        """What has nothing to do with what the driver does."""
        world, is_online = self.charger.world, self._queue is None
        if name == "wait":
            if self.is_charging:
                self.register_wh += WATT_HOURS_A_MINUTE
                self.drawn_wh += WATT_HOURS_A_MINUTE
            self.charger.run(60)
        elif name == "meter" and self.transaction is not None:
            sample = {"timestamp": world.time(), "sampledValue": [{"value": str(self.register_wh)}]}
            self._say("MeterValues", connectorId=1, transactionId=self.transaction, meterValue=[sample])
        elif name == "status":
            self._status()
        elif name == "lose the network" and is_online:
            world.fleet.disconnected(self.charger.link)
            self._queue = []
        elif name == "find the network" and not is_online:
            self._find_network()
        elif name == "reconnect" and is_online:
            world.fleet.disconnected(self.charger.link)
            self.charger.connect()
        elif name == "restart":
            world.restart()
            if is_online:
                self.charger.connect()
        elif name == "boot" and is_online:
            self.charger.boot()
            self._status()
        elif name == "lose power" and is_online:
            world.fleet.disconnected(self.charger.link)
            self.charger.connect()
            self.charger.boot()
            self._end("PowerLoss")
            self._status()

    def _begin(self) -> None:
        if self.is_plugged and self.is_authorized and self.transaction is None:
            self._count += 1
            self.transaction = -self._count
            at = self.charger.world.time()
            self._say("StartTransaction", connectorId=1, idTag="TAG", meterStart=self.register_wh, timestamp=at)
            self._status()

    def _end(self, reason: str, **more: str) -> None:
        if self.transaction is not None:
            stop = {"transactionId": self.transaction, "meterStop": self.register_wh, "reason": reason}
            self._say("StopTransaction", timestamp=self.charger.world.time(), **stop, **more)
        self.transaction, self.is_authorized, self.is_charging = None, False, False

    def _status(self) -> None:
        if self._queue is not None:
            return
        status = "Preparing" if self.is_plugged else "Available"
        if self.transaction is not None:
            status = "Charging" if self.is_charging else "SuspendedEV"
        self.charger.status(status)

    def _say(self, action: str, **payload: Any) -> None:
        if self._queue is not None:
            self._queue.append((action, payload))
            return
        number = payload.get("transactionId")
        if number is not None:
            payload["transactionId"] = self._numbers[number]
        answer = self.charger.say(action, **payload)
        if action == "StartTransaction":
            self._numbers[-1 - len(self._numbers)] = answer["transactionId"]

    def _find_network(self) -> None:
        self.charger.connect()
        queue, self._queue = self._queue or [], None
        self._status()
        for action, payload in queue:
            self._say(action, **payload)

    # ------------------------------------------------------------------ what has come of it

    def check(self) -> None:
        self.charger.world.offer(11.0)
        self.charger.run(15)
        if self._queue is None:
            cars = [each.vehicle_id for each in self.charger.world.grid.sessions.values() if each.state != "Idle"]
            assert cars == ([] if self.transaction is None else ["TAG"])

    def finish(self) -> None:
        """The car goes, and all that it has drawn is booked, to one session a transaction."""
        for name in ("find the network", "stop", "unplug"):
            self.step(name)
        self.charger.run(60)
        ended = {each.session_id: each.energy_kwh or 0.0 for each in self.charger.world.grid.ends}
        assert 1000 * sum(ended.values()) == pytest.approx(self.drawn_wh, abs=5)
        assert len(ended) == len(self.charger.world.grid.sessions) == self._count


@given(st.lists(STEPS, min_size=5, max_size=40), st.booleans())
def test_a_transaction_is_one_session_with_all_its_energy(steps: list[str], ends_at_unplug: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        driven = Driven(Path(folder), ends_at_unplug=ends_at_unplug)
        for step in steps:
            driven.step(step)
            driven.check()
        driven.finish()
        driven.charger.world.inbox.close()
