"""`make bench-edge-message`: what one MeterValues costs an edge, in one process and without sockets.

Everything of an edge but its sockets and its substations' HTTP: connections (WebSocket frames, OCPP's rules), the
fleet, and what substations are told. Each of the chargers has a car, and sends 9 samples every `INTERVAL_S` of a clock
of its own; once a second of that clock each substation is sent its batch of reports, and tells all of its offers.

Printed is CPU time for each message: of all, and how much less it is without a part. So it hardly depends on what else
the machine does, and two versions can be compared in turns:

    PYTHONPATH=src python benchmarks/bench_edge_message.py
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from websockets.server import ServerProtocol
from websockets.speedups import apply_mask

from smartgrid.edge.chargers.fleet import Fleet
from smartgrid.edge.grid import offers, report_box
from smartgrid.edge.grid.report_box import Connectors, ReportBox
from smartgrid.edge.messages.charger_clock import utc_text
from smartgrid.edge.ocpp.connection import Connection
from smartgrid.edge.ocpp.listener import Listener, Place
from smartgrid.edge.ports import ChargerId, EndOrder, OcppVersion, OpenSession, Outcome, SessionReport, StartOrder
from smartgrid.edge.registry.store import Registry
from smartgrid.edge.transactions.inbox import Done
from smartgrid.edge.transactions.transaction import Transaction
from support.edge_fleet import Clock

INTERVAL_S = 6.0
SESSIONS = 200
"""Of a substation."""
LEASE_S = 900.0
EDGE = "edge-0/bench"
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Inbox:
    """A disk that takes no time: what is kept is written about once a minute, in another thread."""

    trouble = ""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def load(self) -> list[Transaction]:
        return []

    def begin(self) -> None: ...

    def keep(self, transactions: Sequence[Transaction], done: Done | None = None) -> None:
        if done is not None:
            self._clock.later(0.0, lambda: done(True))

    def close(self) -> None: ...


class Grid:
    """Substations without HTTP: each has its box of reports, and offers as bytes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.fleet: Fleet
        self.boxes: dict[str, ReportBox] = {}
        self._sessions: dict[str, dict[str, dict[str, Any]]] = {}
        self._bodies: dict[str, bytes] = {}
        self._before: dict[str, Sequence[OpenSession]] = {}
        self._sequence = itertools.count(1)
        self.reports = 0
        self.answer: Callable[[str], None] = self.tell_offers

    def knows(self, substation: str) -> bool:
        return True

    def watch(self, substation: str) -> None:
        self.boxes.setdefault(substation, ReportBox())
        self._sessions.setdefault(substation, {})

    def start(self, order: StartOrder, on_done: Callable[[Outcome, OpenSession | None, str], None]) -> None:
        charger, found = order.charger, self._sessions[order.charger.substation]
        session = OpenSession(
            f"session-of-a-charger-{charger.charger}", order.vehicle_id, "Charging", 1, 6.9, charger.charger,
            order.connector, order.transaction_id, order.meter_kwh, is_ours=True,
        )  # fmt: skip
        found[session.session_id] = {
            "session_id": session.session_id, "vehicle_id": order.vehicle_id, "state": "Charging", "number": 1,
            "offer_kw": 6.9, "charger": charger.charger, "connector": order.connector,
            "transaction_id": order.transaction_id, "meter_kwh": order.meter_kwh, "edge": EDGE,
        }  # fmt: skip
        self._bodies.pop(charger.substation, None)
        on_done(Outcome.DONE, session, "")

    def end(self, order: EndOrder, on_done: Callable[[Outcome, str], None]) -> None: ...

    def report(self, substation: str, report: SessionReport) -> None:
        self.boxes[substation].add(report, self._clock.now_s)

    def is_told(self, substation: str, session_id: str) -> bool:
        return self.boxes[substation].is_told(session_id)

    def claim(self, substation: str, session_id: str, number: int) -> None: ...

    def give_back(self, substation: str, session_id: str, number: int) -> None: ...

    def connectors(self, substation: str, total: int, free: int) -> None:
        self.boxes[substation].set_connectors(Connectors(total, free), self._clock.now_s)

    def send_reports(self) -> None:
        for box in self.boxes.values():
            while box.due_s <= self._clock.now_s:
                batch = box.take()
                report_box.encode(batch, 1, EDGE, next(self._sequence))
                box.arrived(batch, self._clock.now_s)
                self.reports += len(batch.reports)

    def tell_offers(self, substation: str) -> None:
        body = self._bodies.get(substation)
        if body is None:
            told = {"epoch": 1, "revision": 1, "lease_s": LEASE_S, "capacity_kw": 1e5, "firm_capacity_kw": 1e5}
            body = json.dumps({**told, "sessions": list(self._sessions[substation].values())}).encode()
            self._bodies[substation] = body
        found, _ = offers.read(substation, body, self._clock.now_s, EDGE, self._before.get(substation, ()))
        self._before[substation] = found.sessions
        self.fleet.offered(found)


class Transport(asyncio.Transport):
    """Keeps what the edge sends, for the charger at the other end."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self

    def fileno(self) -> int:
        return -1

    def write(self, data: Any) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None:
        raise AssertionError("a charger was found to send too much")


def framed(text: str) -> bytes:
    """As a charger sends it."""
    data, mask = text.encode(), b"\1\2\3\4"
    head = struct.pack("!BB", 0x81, 0x80 | len(data)) if len(data) < 126 else struct.pack("!BBH", 0x81, 0xFE, len(data))
    return head + mask + apply_mask(data, mask)


class Charger:
    """One that answers Accepted to all it is asked."""

    def __init__(self, host: Listener, clock: Clock, number: int) -> None:
        self._clock, self._transport = clock, Transport()
        charger = ChargerId(f"substation-{number // SESSIONS}", f"charger-{number}")
        ws = ServerProtocol(max_size=65_536)
        ws.receive_data(REQUEST)
        ws.send_response(ws.accept(ws.events_received()[0]))  # type: ignore[arg-type]
        ws.data_to_send()
        self.connection = Connection(host, charger, OcppVersion.V16, ws, self._transport)
        self._ids = itertools.count(1)
        self._wh = 1000.0 * number
        self.connection.begin()
        self.answer()

    def answer(self) -> Any:
        """All that it was sent; returns the last answer to what it has asked."""
        found = None
        while self._transport.written:
            sent = b"".join(self._transport.written)
            self._transport.written.clear()
            while sent:
                length, begin = sent[1], 2
                if length == 126:
                    (length,), begin = struct.unpack_from("!H", sent, 2), 4
                frame = json.loads(sent[begin : begin + length])
                sent = sent[begin + length :]
                if frame[0] == 2:
                    answer = {"status": "Accepted", "configurationKey": []}
                    wanted = answer if frame[2] != "GetConfiguration" else {"configurationKey": []}
                    if frame[2] in ("SetChargingProfile", "ChangeConfiguration", "TriggerMessage"):
                        wanted = {"status": "Accepted"}
                    self.connection.feed(framed(json.dumps([3, frame[1], wanted])))
                else:
                    found = frame[2]
        return found

    def say(self, action: str, **payload: Any) -> Any:
        self.connection.feed(framed(json.dumps([2, f"{next(self._ids)}", action, payload])))
        self._clock.run(0.0)
        return self.answer()

    def plug(self) -> None:
        now = utc_text(self._clock.wall_s())
        self.say("StatusNotification", connectorId=1, status="Charging", errorCode="NoError", timestamp=now)
        told = self.say("StartTransaction", connectorId=1, idTag="TAG", timestamp=now, meterStart=int(self._wh))
        self._transaction = told["transactionId"]

    def meter_values(self, wall_s: float) -> bytes:
        """A car that takes what it is offered, about 10 A of three phases."""
        self._wh += 11.5
        values = [
            (f"{self._wh:.3f}", "Energy.Active.Import.Register", "Wh", None),
            (f"{6800 + self._wh % 90:.3f}", "Power.Active.Import", "W", None),
            *((f"{9.8 + self._wh % 0.2:.3f}", "Current.Import", "A", f"L{phase}") for phase in (1, 2, 3)),
            *((f"{229.5 + self._wh % 1:.3f}", "Voltage", "V", f"L{phase}-N") for phase in (1, 2, 3)),
            ("10.000", "Current.Offered", "A", None),
        ]
        samples = [
            {"value": value, "measurand": measurand, "unit": unit, **({"phase": phase} if phase else {})}
            for value, measurand, unit, phase in values
        ]
        moment = {"timestamp": utc_text(wall_s), "sampledValue": samples}
        payload = {"connectorId": 1, "meterValue": [moment], "transactionId": self._transaction}
        text = json.dumps([2, f"fb5f18-{next(self._ids)}", "MeterValues", payload], separators=(",", ":"))
        return framed(text)


class Bench:
    def __init__(self, chargers: int, folder: Path) -> None:
        self.clock = Clock(time.monotonic(), time.time())
        self.grid = Grid(self.clock)
        registry = Registry(folder, is_open=True)
        self.fleet = Fleet(self.grid, Inbox(self.clock), registry, self.clock.times(), most_untold=10_000)
        self.grid.fleet = self.fleet
        self.host = Listener(Place(), self.fleet, registry, knows=lambda name: True)
        self.fleet.begin()
        self.chargers = [Charger(self.host, self.clock, number) for number in range(chargers)]
        self._pass(5)
        for each in self.chargers:
            each.plug()
        self._pass(120)

    def _pass(self, seconds: int) -> None:
        """Let them be set up, and get their limits."""
        for _ in range(seconds):
            self.clock.run(1.0)
            for substation in self.grid.boxes:
                self.grid.tell_offers(substation)
            self.grid.send_reports()
            for each in self.chargers:
                each.answer()

    def round(self, *, has_fleet: bool = True, has_reports: bool = True, has_offers: bool = True) -> float:
        """CPU of a message, in seconds, of one from each charger and all that goes on meanwhile."""
        seconds = int(INTERVAL_S)
        parts = [self.chargers[at::seconds] for at in range(seconds)]
        taken_s = 0.0
        self.host.upward = self.fleet if has_fleet else Nobody()
        for part in parts:
            wall_s = self.clock.wall_s()
            sent = [(each.connection, each.meter_values(wall_s)) for each in part]
            begun_s = time.process_time()
            for connection, data in sent:
                connection.feed(data)
            if has_fleet:
                self.clock.run(1.0)
            if has_fleet and has_reports:
                self.grid.send_reports()
            if has_fleet and has_offers:
                for substation in self.grid.boxes:
                    self.grid.tell_offers(substation)
            taken_s += time.process_time() - begun_s
            for each in self.chargers:
                each.answer()
        return taken_s / len(self.chargers)


class Nobody:
    """A fleet that only answers."""

    def connected(self, link: Any) -> None: ...

    def called(self, link: Any, message_id: str, action: str, payload: Any) -> None:
        link.reply(message_id, {})

    def disconnected(self, link: Any) -> None: ...


WITHOUT: dict[str, dict[str, bool]] = {
    "all": {},
    "without offers": {"has_offers": False},
    "without reports and offers": {"has_offers": False, "has_reports": False},
    "connections alone": {"has_fleet": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chargers", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.chargers, Path(folder))
        found: dict[str, list[float]] = {name: [] for name in WITHOUT}
        for _ in range(options.rounds):
            for name, parts in WITHOUT.items():
                found[name].append(bench.round(**parts))
    for name, times_s in found.items():
        print(f"{name:28} {statistics.median(times_s) * 1e6:7.1f} µs a message, fewest {min(times_s) * 1e6:.1f}")


if __name__ == "__main__":
    main()
