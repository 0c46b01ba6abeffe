"""A charger with a car at it, in OCPP 1.6: `charger.py ws://127.0.0.1:9000/ocpp/substation-0/CP1 --car 11`.

The least that charges through a grid: it plugs a car in, does what its charging profiles say, sends its meter, and says
each time the power changes. After `--seconds`, or at Ctrl-C, the car leaves.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click
from websockets.asyncio.client import ClientConnection, connect

VOLTS, PHASES, CONNECTOR = 230.0, 3, 1
ANSWER_TIMEOUT_S = 60.0
LEAST_A = 6.0
ARRIVES_S = 2.0
"""After the charger has connected: so long it stands idle, and is told its safe current."""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Charger:
    """Its socket, its profiles and its meter."""

    def __init__(self, socket: ClientConnection, car_kw: float, interval_s: float) -> None:
        self.socket, self.car_a, self.interval_s = socket, car_kw * 1000 / VOLTS / PHASES, interval_s
        self.profiles: dict[str, tuple[dict[str, Any], float | None]] = {}
        self.energy_wh, self.metered_s, self.current_a = 0.0, time.monotonic(), 0.0
        self.transaction: int | None = None
        self.unplugged = asyncio.Event()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count(1)

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A CALL and its result."""
        message_id = str(next(self._ids))
        self._answers[message_id] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps([2, message_id, action, payload]))
        return await asyncio.wait_for(self._answers[message_id], ANSWER_TIMEOUT_S)

    async def listen(self) -> None:
        """Answer calls, and hand results to who waits for them, until the connection ends."""
        async for text in self.socket:
            kind, message_id, *rest = json.loads(text)
            if kind == 2:
                answer = self.answer(*rest)
                refused = [4, message_id, "NotImplemented", "", {}]
                await self.socket.send(json.dumps(refused if answer is None else [3, message_id, answer]))
            elif kind == 3:
                self._answers.pop(message_id).set_result(rest[0])

    def answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        """The result of a call; None for what it does not know."""
        match action:
            case "SetChargingProfile":
                profile = payload["csChargingProfiles"]
                duration_s = profile["chargingSchedule"].get("duration")
                end_s = None if duration_s is None else time.monotonic() + duration_s
                self.profiles[profile["chargingProfilePurpose"]] = profile, end_s
                return {"status": "Accepted"}
            case "ClearChargingProfile":
                self.profiles.pop(payload.get("chargingProfilePurpose", ""), None)
                return {"status": "Accepted"}
            case "RemoteStopTransaction":
                self.unplugged.set()
                return {"status": "Accepted"}
            case "GetConfiguration":
                known = {"ChargingScheduleAllowedChargingRateUnit": "Current", "ChargeProfileMaxStackLevel": "10"}
                return {"configurationKey": [{"key": k, "readonly": True, "value": v} for k, v in known.items()]}
            case "ChangeConfiguration" | "TriggerMessage" | "Reset" | "RemoteStartTransaction":
                return {"status": "Accepted"}
            case _:
                return None

    def limit_a(self) -> float:
        """Of the profile that rules: the transaction's while it lives, else the default, else none."""
        for purpose in ("TxProfile", "TxDefaultProfile"):
            profile, end_s = self.profiles.get(purpose, (None, None))
            if profile is not None and (end_s is None or time.monotonic() < end_s):
                return float(profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"])
        return self.car_a

    def draw(self) -> None:
        """Count the energy so far, and let the car take what it may from now on: below 6 A none can charge."""
        now_s, before_a = time.monotonic(), self.current_a
        self.energy_wh += before_a * VOLTS * PHASES * (now_s - self.metered_s) / 3600
        allowed_a = self.limit_a()
        self.metered_s, self.current_a = now_s, min(self.car_a, allowed_a) if allowed_a >= LEAST_A else 0.0
        if abs(self.current_a - before_a) > 0.05:
            kw = self.current_a * VOLTS * PHASES / 1000
            say(f"{kw:.2f} kW: {self.current_a:.1f} A on three phases, of at most {allowed_a:.1f} A")

    def samples(self) -> list[dict[str, Any]]:
        register = [{"value": f"{self.energy_wh:.1f}", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
        values = [("Current.Import", "A", self.current_a), ("Voltage", "V", VOLTS)]
        return register + [
            {"value": f"{value:.1f}", "measurand": name, "unit": unit, "phase": f"L{phase}"}
            for name, unit, value in values
            for phase in (1, 2, 3)
        ]

    async def charge(self) -> None:
        """Plug in, charge until the car leaves, and unplug."""
        boot = {"chargePointVendor": "Example", "chargePointModel": "Script"}
        await self.call("BootNotification", boot)
        await self.status("Available")
        await asyncio.sleep(ARRIVES_S)
        await self.status("Preparing")
        start = {"connectorId": CONNECTOR, "idTag": "EV-042", "meterStart": 0, "timestamp": now()}
        self.transaction = (await self.call("StartTransaction", start))["transactionId"]
        say(f"plugged in: transaction {self.transaction}")
        await self.status("Charging")
        sent_s = 0.0
        while not self.unplugged.is_set():
            before_a = self.current_a
            self.draw()
            if self.current_a != before_a or time.monotonic() - sent_s >= self.interval_s:
                sent_s = time.monotonic()
                values = [{"timestamp": now(), "sampledValue": self.samples()}]
                meter = {"connectorId": CONNECTOR, "transactionId": self.transaction, "meterValue": values}
                await self.call("MeterValues", meter)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.unplugged.wait(), 0.2)
        self.draw()
        stop = {"transactionId": self.transaction, "meterStop": round(self.energy_wh), "timestamp": now()}
        await self.call("StopTransaction", {**stop, "reason": "EVDisconnected"})
        await self.status("Available")
        say(f"unplugged after {self.energy_wh / 1000:.3f} kWh")

    async def status(self, status: str) -> None:
        await self.call("StatusNotification", {"connectorId": CONNECTOR, "errorCode": "NoError", "status": status})


def say(line: str) -> None:
    click.echo(f"{datetime.now():%H:%M:%S} {line}")


async def run(url: str, car_kw: float, key: str, interval_s: float, seconds: float | None) -> None:
    name = url.rpartition("/")[2]
    proof = base64.b64encode(f"{name}:{key}".encode()).decode()
    headers = {"Authorization": f"Basic {proof}"} if key else {}
    async with connect(url, subprotocols=["ocpp1.6"], additional_headers=headers) as socket:  # type: ignore[list-item]
        charger = Charger(socket, car_kw, interval_s)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, charger.unplugged.set)
        if seconds is not None:
            loop.call_later(seconds, charger.unplugged.set)
        listening = asyncio.create_task(charger.listen())
        await charger.charge()
        listening.cancel()


@click.command()
@click.argument("url")
@click.option("--car", "car_kw", default=11.0, show_default=True, help="Most power that the car takes, in kW.")
@click.option("--key", default="", help="Its Basic key, where the edge asks for one.")
@click.option("--interval", "interval_s", default=5.0, show_default=True, help="Seconds between meter values.")
@click.option("--seconds", type=float, help="When the car leaves; at Ctrl-C if not given.")
def main(url: str, car_kw: float, key: str, interval_s: float, seconds: float | None) -> None:
    """See above."""
    asyncio.run(run(url, car_kw, key, interval_s, seconds))


if __name__ == "__main__":
    main()
