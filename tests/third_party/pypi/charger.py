"""A charge point on PyPI `ocpp`, with a car of 16 A on three phases and a handler for nothing but limits.

    python charger.py ws://127.0.0.1:9000/ocpp/substation-0 NAME ocpp1.6|ocpp2.0.1|ocpp2.1

So the library answers all else that it is asked with NotImplemented; in 2.1 it does not answer at all (2.1.0). What it
gets and sends it holds against OCA's schemas. Each thing that happens is one line of JSON on stdout; lines on stdin are
orders: `plug`, `unplug`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import math
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import websockets
from ocpp.routing import on

MOST_A, VOLTS, SAMPLE_S = 16.0, 230.0, 1.0
VERSIONS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}

url, name, protocol = sys.argv[1:]
is_16 = protocol == "ocpp1.6"
ocpp = importlib.import_module(f"ocpp.{VERSIONS[protocol]}")
call: Any = ocpp.call


def say(event: str, **more: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **more}) + "\n")
    sys.stdout.flush()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ChargePoint(ocpp.ChargePoint):  # type: ignore[name-defined, misc]
    """Its car draws what the last profile lets it."""

    def __init__(self, connection: Any) -> None:
        super().__init__(name, connection)
        self.limits: dict[str, tuple[float, float]] = {}
        self.transaction: Any = None
        self.register_wh, self.last_s, self.number = 1000.0, time.time(), 0

    @on("SetChargingProfile")
    def on_set_charging_profile(self, **told: Any) -> Any:
        self.meter_wh()
        profile = told["cs_charging_profiles"] if is_16 else told["charging_profile"]
        schedule = profile["charging_schedule"] if is_16 else profile["charging_schedule"][0]
        period, ends_s = schedule["charging_schedule_period"][0], math.inf
        watts_of_one = 1.0 if schedule["charging_rate_unit"] == "W" else VOLTS * period.get("number_phases", 3)
        if "duration" in schedule:
            starts_s = datetime.fromisoformat(schedule["start_schedule"]).timestamp()
            ends_s = starts_s + schedule["duration"]
        self.limits[profile["charging_profile_purpose"]] = float(period["limit"]) * watts_of_one, ends_s
        return ocpp.call_result.SetChargingProfile("Accepted")

    def power_w(self) -> float:
        if self.transaction is None:
            return 0.0
        most_w = MOST_A * VOLTS * 3
        for purpose in ("TxProfile", "TxDefaultProfile"):
            limit_w, ends_s = self.limits.get(purpose, (most_w, -math.inf))
            if time.time() < ends_s:
                return min(limit_w, most_w)
        return most_w

    def meter_wh(self) -> int:
        now_s = time.time()
        self.register_wh += self.power_w() * (now_s - self.last_s) / 3600
        self.last_s = now_s
        return int(self.register_wh)

    async def ask(self, request: Any) -> Any:
        return await self.call(request, suppress=False)

    async def boot(self) -> None:
        station = {"vendor_name": "mobilityhouse", "model": "ocpp"}
        await self.ask(
            call.BootNotification(charge_point_vendor="mobilityhouse", charge_point_model="ocpp")
            if is_16
            else call.BootNotification(charging_station=station, reason="PowerUp")
        )

    async def status(self, state: str) -> None:
        await self.ask(
            call.StatusNotification(connector_id=1, error_code="NoError", status=state)
            if is_16
            else call.StatusNotification(timestamp=now(), connector_status=state, evse_id=1, connector_id=1)
        )

    def sampled(self) -> list[dict[str, Any]]:
        register_wh, values = self.meter_wh(), []
        for measurand, value, unit in (
            ("Energy.Active.Import.Register", register_wh, "Wh"),
            ("Power.Active.Import", round(self.power_w(), 1), "W"),
        ):
            of_version = {"value": str(value), "unit": unit} if is_16 else {"value": value}
            more = {} if is_16 else {"unit_of_measure": {"unit": unit}}
            values.append({"measurand": measurand, **of_version, **more})
        return [{"timestamp": now(), "sampled_value": values}]

    async def event(self, kind: str, trigger: str, **more: Any) -> None:
        self.number += 1
        await self.ask(
            call.TransactionEvent(
                event_type=kind,
                timestamp=now(),
                trigger_reason=trigger,
                seq_no=self.number,
                transaction_info={"transaction_id": self.transaction, "charging_state": "Charging"},
                evse={"id": 1, "connector_id": 1},
                meter_value=self.sampled(),
                **more,
            )
        )

    async def plug(self) -> None:
        await self.status("Preparing" if is_16 else "Occupied")
        if is_16:
            meter_wh = self.meter_wh()
            start = call.StartTransaction(connector_id=1, id_tag="PYPI", meter_start=meter_wh, timestamp=now())
            self.transaction = (await self.ask(start)).transaction_id
        else:
            self.meter_wh()
            self.transaction = str(uuid.uuid4())
            await self.event("Started", "Authorized", id_token={"id_token": "PYPI", "type": "ISO14443"})
        say("started")

    async def unplug(self) -> None:
        meter_wh = self.meter_wh()
        if is_16:
            stop = call.StopTransaction(meter_stop=meter_wh, timestamp=now(), transaction_id=self.transaction)
            stop.reason = "EVDisconnected"
            await self.ask(stop)
        else:
            await self.event("Ended", "EVCommunicationLost")
        self.transaction = None
        await self.status("Available")
        say("ended", wattHours=meter_wh - 1000)

    async def sample(self) -> None:
        if self.transaction is None:
            return
        if is_16:
            values = call.MeterValues(connector_id=1, transaction_id=self.transaction, meter_value=self.sampled())
            await self.ask(values)
        else:
            await self.event("Updated", "MeterValuePeriodic")
        say("power", watts=self.power_w())


async def charge(charger: ChargePoint) -> None:
    await charger.boot()
    await charger.status("Available")
    say("ready")
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        try:
            order = await asyncio.wait_for(reader.readline(), SAMPLE_S)
        except TimeoutError:
            await charger.sample()
            continue
        if not order:
            return
        await {"plug": charger.plug, "unplug": charger.unplug}[order.decode().strip()]()


async def main() -> None:
    async with websockets.connect(f"{url}/{name}", subprotocols=[websockets.Subprotocol(protocol)]) as connection:
        charger = ChargePoint(connection)
        listening = asyncio.create_task(charger.start())
        try:
            await charge(charger)
        except Exception as error:
            say("failed", error=repr(error))
            raise
        finally:
            listening.cancel()


asyncio.run(main())
