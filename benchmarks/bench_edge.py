"""`make bench-edge`: one edge with 10,000 connected chargers, a car at each.

The edge is a real process with all its parts; the chargers are simulated (`smartgrid.chargersim`, OCPP 1.6), in this
process; the substations are stubs that offer each session the same, in a third. Measured, in this order:

1. all connect at once: how long it takes, and the edge's memory;
2. a car at each: memory with as many open transactions;
3. meter values (9 samples), about 1,500 a second: the edge's CPU for each, from the socket to the substation's reports,
   and beside it what PyPI `ocpp` needs for the same message, by itself and without a socket;
4. the edge is killed and started again: how long until all are connected, and until each has its limit; and whether a
   limit was the first thing that each charger was told.

CPU times are of the process, so they do not depend on what else this machine does; durations do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from stub_offers import address

from smartgrid.chargersim.behaviour import FAULTLESS
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.charger import Charger
from smartgrid.chargersim.dialect import Identity
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.outlet import Outlet
from smartgrid.chargersim.street import Handle, Street
from support.ports import free_port
from support.processes import Process

AIM_MEMORY_MB, AIM_VALUES_PER_S, AIM_STORM_S = 300, 1500, 30
STUBS = 50
TIMEOUT_S = 600.0
MEASURE_S = 30.0
PLAIN_MESSAGES = 500
TICK_S = 30.0  # what a charger does by itself is not what is measured
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Told:
    """What a charger was told first since it last connected, and whether it has a limit for its car."""

    __slots__ = ("first", "has_limit")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.first: str | None = None
        self.has_limit = False

    def __call__(self, action: str, payload: Any) -> None:
        if self.first is None:
            self.first = action
        if action == "SetChargingProfile":
            self.has_limit |= payload["csChargingProfiles"]["chargingProfilePurpose"] == "TxProfile"


def cpu_s(process: Process) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def memory_mb(process: Process) -> float:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def wait(is_done: Callable[[], bool], what: str) -> float:
    """How long it took, in seconds."""
    begun_s = time.monotonic()
    while not is_done():
        if time.monotonic() > begun_s + TIMEOUT_S:
            raise SystemExit(f"not within {TIMEOUT_S:g} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - begun_s


def plain_us() -> float:
    """CPU of PyPI `ocpp` for one MeterValues with its answer, as its documentation has it, without a socket."""
    from ocpp.routing import on
    from ocpp.v16 import ChargePoint, call_result

    class Connection:
        async def send(self, message: str) -> None: ...

    class Charge(ChargePoint):  # type: ignore[misc]
        @on("MeterValues")  # type: ignore[untyped-decorator]
        async def meter(self, **_: Any) -> Any:
            return call_result.MeterValues()

    text = meter_values()

    async def run() -> float:
        charger = Charge("c", Connection())
        await charger.route_message(text)
        begun_s = time.process_time()
        for _ in range(PLAIN_MESSAGES):
            await charger.route_message(text)
        return (time.process_time() - begun_s) / PLAIN_MESSAGES

    return asyncio.run(run()) * 1e6


def meter_values() -> str:
    """As a simulated charger sends it."""
    charger = Charger(Identity("c"), Dialect16(), [Outlet(1)], replace(FAULTLESS, boots=False, sets_clock=False))
    charger.plug(1, Car(), 0.0, tag="EV")
    charger.opened(0.0)
    charger.advance(61.0)
    for _ in range(20):
        for text in charger.outgoing[:]:
            charger.outgoing.remove(text)
            frame = json.loads(text)
            if frame[0] == 2 and frame[2] == "MeterValues":
                return text
            charger.received(json.dumps([3, frame[1], {"transactionId": 7}]), 61.0)
    raise AssertionError("it never read its meter")


class Bench:
    def __init__(self, chargers: int, folder: Path) -> None:
        self.count, self.stub_port = chargers, free_port()
        substations = ",".join(f"stub-{n}=http://{address(n)}:{self.stub_port}" for n in range(STUBS))
        self.interval_s = max(1, round(chargers / AIM_VALUES_PER_S - 0.5))
        self.edge = Process(
            "edge",
            folder / "edge",
            name="edge-0",
            ocpp_port=free_port(),
            substations=substations,
            registration="open",
            max_chargers=chargers + 1000,
            meter_interval_s=self.interval_s,
            heartbeat_s=3600,
        )
        command = [sys.executable, Path(__file__).with_name("stub_offers.py"), "--port", str(self.stub_port)]
        self.stubs = subprocess.Popen([*command, "--count", str(STUBS)], stdout=subprocess.PIPE, text=True)
        assert self.stubs.stdout is not None
        self.stubs.stdout.readline()
        self.told = [Told() for _ in range(chargers)]
        self.handles: list[Handle] = []

    def run(self) -> None:
        try:
            with (
                self.edge,
                Street(f"ws://127.0.0.1:{self.edge.settings['ocpp_port']}/ocpp", longest_pause_s=5.0) as street,
            ):
                self._connect(street)
                self._plug(street)
                self._measure_values()
                self._storm(street)
        finally:
            self.stubs.kill()
            self.stubs.wait()

    def _connect(self, street: Street) -> None:
        print(f"edge alone: {memory_mb(self.edge):.0f} MB")
        before_s = cpu_s(self.edge)
        behaviour = replace(FAULTLESS, tick_s=TICK_S, sample_interval_s=3600.0, call_timeout_s=120.0)
        self.handles = [
            street.add(f"stub-{n % STUBS}", f"charger-{n}", Dialect16(), behaviour, connects=False, watch=told)
            for n, told in enumerate(self.told)
        ]
        street.call(lambda: [handle.line.connect() for handle in self.handles])
        took_s = wait(lambda: all(each.is_connected for each in self.handles), "all are connected")
        wait(lambda: all(each.first for each in self.told), "all are set up")
        took_cpu_s = cpu_s(self.edge) - before_s
        print(
            f"{self.count} connect at once: {took_s:.1f} s, {took_cpu_s / self.count * 1e3:.2f} ms of CPU each with "
            f"the set-up; edge {memory_mb(self.edge):.0f} MB (aim: at most {AIM_MEMORY_MB})"
        )

    def _plug(self, street: Street) -> None:
        for at, handle in enumerate(self.handles):
            handle.plug(Car(max_current_a=16, battery_kwh=1000), tag=f"EV-{at}")
        took_s = wait(lambda: all(each.has_limit for each in self.told), "each car has its limit")
        print(f"a car at each: {took_s:.1f} s more until all have a limit; edge {memory_mb(self.edge):.0f} MB")

    def _measure_values(self) -> None:
        wait(lambda: all(each.charger.kept_messages == 0 for each in self.handles), "all has been taken")
        time.sleep(self.interval_s)
        sent, begun_cpu_s, begun_s = self._sent(), cpu_s(self.edge), time.monotonic()
        time.sleep(MEASURE_S)
        took_s, values, used_s = time.monotonic() - begun_s, self._sent() - sent, cpu_s(self.edge) - begun_cpu_s
        ours_us, plain = used_s / values * 1e6, plain_us()
        print(
            f"{values / took_s:.0f} messages/s, nearly all MeterValues: {used_s / took_s:.0%} of one core, "
            f"{ours_us:.0f} µs of CPU each "
            f"(so {1e6 / ours_us:.0f}/s on one core; aim: {AIM_VALUES_PER_S}); edge {memory_mb(self.edge):.0f} MB\n"
            f"PyPI ocpp for the same message, without a socket, an inbox or a substation: {plain:.0f} µs, "
            f"{plain / ours_us:.1f} times ours"
        )

    def _sent(self) -> int:
        return sum(each.charger.counts.sent for each in self.handles)

    def _storm(self, street: Street) -> None:
        self.edge.kill()
        wait(lambda: not any(each.is_connected for each in self.handles), "all have lost it")
        street.call(lambda: [told.forget() for told in self.told])
        self.edge.restart()
        took_s = wait(lambda: all(each.is_connected for each in self.handles), "all are back")
        limits_s = took_s + wait(lambda: all(each.has_limit for each in self.told), "each has its limit again")
        first = Counter(each.first for each in self.told)
        print(
            f"edge killed and started: all {self.count} back {took_s:.1f} s after it was ready, each with its limit "
            f"after {limits_s:.1f} s (aim: {AIM_STORM_S}); told first: {dict(first)}; "
            f"edge {memory_mb(self.edge):.0f} MB"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chargers", type=int, default=10_000)
    chargers = parser.parse_args().chargers
    with tempfile.TemporaryDirectory() as folder:
        Bench(chargers, Path(folder)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
