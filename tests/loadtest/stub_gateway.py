"""A small gateway that really answers over HTTP, with faults on demand.

It admits every car on the next of its substations, keeps what it was sent, and answers a repeated Idempotency-Key with
the session of the first. A fault is what happens to each new key: see FAULTS.
"""

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = ("none", "full", "draining", "broken", "slow", "drop", "drop-once", "cut-off", "no-session", "not-http",
          "wait", "wait-in-vain")  # fmt: skip
PORTS = range(18200, 18299)
JOINED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Stub:
    """What the server was told to do and what it saw."""

    fault: str = "none"
    every: int = 1
    delay_s: float = 0.0
    substations: tuple[str, ...] = ("substation-0", "substation-1", "substation-2")
    on_charge: Callable[[], object] = lambda: None
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    arrived_s: list[float] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    fleet_status: int = 200
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_of(self, key: str) -> str:
        """The fault for this request; `drop-once` spares a key that was seen before."""
        with self.lock:
            self.arrived_s.append(time.monotonic())
            seen, order = key in self.keys, len(set(self.keys))
            self.keys.append(key)
        if order % self.every or (self.fault == "drop-once" and seen):
            return "none"
        return self.fault

    def admit(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if key not in self.sessions:
                substation = self.substations[len(self.sessions) % len(self.substations)]
                self.sessions[key] = {
                    "session_id": f"{substation}.{len(self.sessions)}",
                    "substation": substation,
                    **body,
                }
                self.bodies.append(body)
            return self.sessions[key]

    def enlist(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """Lets the car wait: it is told that it will start a second after it joined."""
        with self.lock:
            self.bodies.append(body)
            session = {
                "session_id": f"substation-0.{len(self.sessions)}",
                "substation": "substation-0",
                "state": "Waiting",
                "started_at": None,
                "ended_at": None,
                "joined_at": JOINED_AT.isoformat(),
                "expected_start": (JOINED_AT + timedelta(seconds=1)).isoformat(),
            }
            self.sessions[key] = session
            return session

    def look(self, session_id: str) -> dict[str, Any] | None:
        """A waiting session, whose wait of 2.5 s has ended at the second look."""
        with self.lock:
            self.looks[session_id] += 1
            session = next((s for s in self.sessions.values() if s["session_id"] == session_id), None)
            if session is not None and self.looks[session_id] == 2:
                end = (JOINED_AT + timedelta(seconds=2.5)).isoformat()
                if self.fault == "wait":
                    session |= {"state": "Charging", "started_at": end, "substation": "substation-2"}
                else:
                    session |= {"state": "Idle", "ended_at": end, "end_reason": "WaitExpired"}
            return session

    def fleet(self) -> list[dict[str, Any]]:
        """Loads that differ by a known amount once there is a session: 10, 20, 30, ... %."""
        with self.lock:
            loaded = bool(self.sessions)
        return [
            {"name": name, "load_percentage": 10.0 * (position + 1) * loaded, "in_rotation": True}
            for position, name in enumerate(self.substations)
        ]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: Stub

    def do_GET(self) -> None:
        if self.path == "/substations":
            self.stub.tokens.add(self.headers["Authorization"])
            self.answer(self.stub.fleet_status, {"substations": self.stub.fleet()})
        elif self.path.startswith("/sessions/"):
            self.stub.tokens.add(self.headers["Authorization"])
            session = self.stub.look(self.path.removeprefix("/sessions/"))
            self.answer(200 if session else 404, session or {"code": "not-found"})
        elif self.path == "/health":
            self.answer(200, {"status": "ok"})
        else:
            self.answer(404, {"code": "not-found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.stub.lock:
            self.stub.tokens.add(self.headers["Authorization"])
            self.stub.at_once += 1
            self.stub.most_at_once = max(self.stub.most_at_once, self.stub.at_once)
        try:
            self.charge(self.headers["Idempotency-Key"], body)
        finally:
            with self.stub.lock:
                self.stub.at_once -= 1

    def charge(self, key: str, body: dict[str, Any]) -> None:
        self.stub.on_charge()
        fault = self.stub.fault_of(key)
        time.sleep(self.stub.delay_s)
        if fault == "none":
            self.answer(201, self.stub.admit(key, body))
        elif fault in ("full", "draining"):
            code = {"full": "no-capacity", "draining": "draining"}[fault]
            self.answer(503, {"status": 503, "code": code, "title": "No room"}, {"Retry-After": "7"})
        elif fault in ("wait", "wait-in-vain"):
            self.answer(202, self.stub.enlist(key, body))
        elif fault == "broken":
            self.answer(500, {"status": 500, "code": "internal-error"})
        elif fault == "no-session":
            self.answer(201, {"hello": "world"})
        elif fault == "slow":
            time.sleep(30)
            self.close_connection = True
        elif fault == "cut-off":
            self.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n{")
        elif fault == "not-http":
            self.write(b"hello\r\n\r\n")
        else:
            self.drop(key, body)

    def drop(self, key: str, body: dict[str, Any]) -> None:
        """Admits the car, but breaks the connection before the answer: the worst case for whoever asked."""
        if self.stub.fault == "drop-once":
            self.stub.admit(key, body)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def write(self, raw: bytes) -> None:
        self.wfile.write(raw)
        self.close_connection = True

    def answer(self, status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def finish(self) -> None:
        if self.connection.fileno() >= 0:
            super().finish()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """A client that has gone is nothing to print."""


@contextmanager
def running_stub(stub: Stub) -> Iterator[Stub]:
    """Serves the stub on a free port of the load tester's own range."""
    server = _bound(type("BoundHandler", (Handler,), {"stub": stub}))
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _bound(handler: type[Handler]) -> Server:
    for port in PORTS:
        try:
            return Server(("127.0.0.1", port), handler)
        except OSError:
            continue
    raise RuntimeError("no free port in the range of the load tester's tests")


if __name__ == "__main__":  # python stub_gateway.py [FAULT [EVERY [DELAY_S]]]: to try things by hand
    import sys

    fault, every, delay_s = [*sys.argv[1:], *("none", "1", "0")[len(sys.argv) - 1 :]][:3]
    with running_stub(Stub(fault=fault, every=int(every), delay_s=float(delay_s))) as running:
        print(running.url, flush=True)  # noqa: T201
        threading.Event().wait()
