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
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

VOLTS, PHASES, CONNECTOR = 230.0, 3, 1
LEAST_A = 6.0
ARRIVES_S = 2.0
"""After the charger has connected: so long it stands idle, and is told its safe current."""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Charger:
    """Its connection, its profiles and its meter. Without a connection it goes on by the profiles that it has."""

    def __init__(self, url: str, key: str, tag: str, car_kw: float, interval_s: float) -> None:
        self.url, self.tag, self.interval_s = url, tag, interval_s
        proof = base64.b64encode(f"{url.rpartition('/')[2]}:{key}".encode()).decode()
        self.headers = {"Authorization": f"Basic {proof}"} if key else {}
        self.car_a = car_kw * 1000 / VOLTS / PHASES
        self.profiles: dict[str, tuple[dict[str, Any], float | None]] = {}
        self.energy_wh, self.metered_s, self.current_a = 0.0, time.monotonic(), 0.0
        self.transaction: int | None = None
        self.unplugged, self.online = asyncio.Event(), asyncio.Event()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count(1)

    async def stay_connected(self) -> None:
        """Connect again whenever the connection is lost."""
        while True:
            with suppress(OSError, WebSocketException):
                async with connect(
                    self.url, subprotocols=[Subprotocol("ocpp1.6")], additional_headers=self.headers
                ) as self.socket:
                    self.online.set()
                    await self.listen()
            if self.online.is_set():
                say("the connection is lost; the car charges on")
            self.online.clear()
            for waiting in self._answers.values():
                waiting.set_exception(ConnectionError())
            self._answers.clear()
            await asyncio.sleep(1)

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

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A CALL and its result, also if the connection is lost meanwhile."""
        while True:
            await self.online.wait()
            message_id = str(next(self._ids))
            answer = self._answers[message_id] = asyncio.get_running_loop().create_future()
            try:
                await self.socket.send(json.dumps([2, message_id, action, payload]))
                return await answer
            except (ConnectionClosed, ConnectionError):
                self._answers.pop(message_id, None)
                await asyncio.sleep(0.1)

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
        start = {"connectorId": CONNECTOR, "idTag": self.tag, "meterStart": 0, "timestamp": now()}
        self.transaction = (await self.call("StartTransaction", start))["transactionId"]
        say(f"plugged in: transaction {self.transaction}")
        await self.status("Charging")
        metering, sent_s = asyncio.create_task(self.meter()), time.monotonic()
        while not self.unplugged.is_set():
            before_a = self.current_a
            self.draw()
            is_due = self.current_a != before_a or time.monotonic() - sent_s >= self.interval_s
            if is_due and metering.done():  # else the connection is lost, and the car charges on all the same
                metering, sent_s = asyncio.create_task(self.meter()), time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.unplugged.wait(), 0.2)
        self.draw()
        stop = {"transactionId": self.transaction, "meterStop": round(self.energy_wh), "timestamp": now()}
        await self.call("StopTransaction", {**stop, "reason": "EVDisconnected"})
        await self.status("Available")
        say(f"unplugged after {self.energy_wh / 1000:.3f} kWh")

    async def meter(self) -> None:
        values = [{"timestamp": now(), "sampledValue": self.samples()}]
        about = {"connectorId": CONNECTOR, "transactionId": self.transaction}
        await self.call("MeterValues", {**about, "meterValue": values})

    async def status(self, status: str) -> None:
        await self.call("StatusNotification", {"connectorId": CONNECTOR, "errorCode": "NoError", "status": status})


def say(line: str) -> None:
    click.echo(f"{datetime.now():%H:%M:%S} {line}")


async def run(charger: Charger, seconds: float | None) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, charger.unplugged.set)
    if seconds is not None:
        loop.call_later(seconds, charger.unplugged.set)
    connection = asyncio.create_task(charger.stay_connected())
    await charger.charge()
    connection.cancel()


@click.command()
@click.argument("url")
@click.option("--tag", default="EV-042", show_default=True, help="Who charges, as the card says.")
@click.option("--car", "car_kw", default=11.0, show_default=True, help="Most power that the car takes, in kW.")
@click.option("--key", default="", help="Its Basic key, where the edge asks for one.")
@click.option("--interval", "interval_s", default=5.0, show_default=True, help="Seconds between meter values.")
@click.option("--seconds", type=float, help="When the car leaves; at Ctrl-C if not given.")
def main(url: str, tag: str, car_kw: float, key: str, interval_s: float, seconds: float | None) -> None:
    """See above."""
    asyncio.run(run(Charger(url, key, tag, car_kw, interval_s), seconds))


if __name__ == "__main__":
    main()
