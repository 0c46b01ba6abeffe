"""A substation of which a test says what it answers: for what a real one never does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from support.processes import wait_until

LONGEST_S = 20.0


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    at_s: float


@dataclass(frozen=True)
class Said:
    """An answer; a body that is bytes is sent as it is."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Script = Callable[[Asked], Said | None]
"""What is answered; None closes the connection without a word."""


class StrangeSubstation:
    """Offers `sessions`, takes reports and orders, unless `scripts["POST /reports"]` and so on say otherwise."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Asked] = []
        self.scripts: dict[str, Script] = {}
        self.sessions: list[dict[str, Any]] = []
        self.epoch, self.revision, self.lease_s = 11, 1, 900.0
        self.gone: list[str] = []
        self.changed = threading.Condition()
        self.polls_open = 0
        strange = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                strange.serve(self)

            def do_POST(self) -> None:
                strange.serve(self)

            def log_message(self, *args: object) -> None:
                """The tests say what they want to know."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._ended = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.port = self._server.server_port

    # ------------------------------------------------------------------ what tests do with it

    def offer(self, *sessions: dict[str, Any]) -> None:
        with self.changed:
            self.sessions = list(sessions)
            self.revision += 1
            self.changed.notify_all()

    def restart(self) -> None:
        """As a new process, that knows its sessions from the disk."""
        with self.changed:
            self.epoch, self.revision = self.epoch + 1, 1
            self.changed.notify_all()

    def asked(self, what: str) -> list[Asked]:
        return [each for each in self.requests if f"{each.method} {each.path}".startswith(what)]

    def wait_asked(self, what: str, times: int = 1) -> list[Asked]:
        wait_until(lambda: len(self.asked(what)) >= times, LONGEST_S, f"{what} came {times} times")
        return self.asked(what)

    # ------------------------------------------------------------------ what it does

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        content = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        asked = Asked(
            handler.command,
            parts.path,
            {name: values[0] for name, values in parse_qs(parts.query).items()},
            dict(handler.headers.items()),
            json.loads(content) if content else None,
            time.monotonic(),
        )
        self.requests.append(asked)
        what = f"{asked.method} {asked.path}"
        script = next((each for name, each in self.scripts.items() if what.startswith(name)), self.answer)
        said = script(asked)
        if said is None or self._ended:
            handler.close_connection = True
            return
        with suppress(OSError):  # who asked may have left
            self._send(handler, said)

    def _send(self, handler: BaseHTTPRequestHandler, said: Said) -> None:
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        handler.send_response(said.status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in said.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def answer(self, asked: Asked) -> Said:
        """As a real one would."""
        if asked.path == "/offers":
            return self.offers(asked)
        if asked.path == "/reports":
            return Said(200, {"epoch": self.epoch, "revision": self.revision, "gone": self.gone})
        if asked.path == "/charge":
            return Said(201, session_body(asked.body["vehicle_id"]))
        return Said(200, session_body("EV-1", state="Idle"))

    def offers(self, asked: Asked) -> Said:
        epoch, since, wait_s = (int(asked.query[name]) for name in ("epoch", "since", "wait_s"))
        with self.changed:
            self.polls_open += 1
            self.changed.wait_for(lambda: self._ended or epoch != self.epoch or since != self.revision, wait_s)
            self.polls_open -= 1
            found = {
                "epoch": self.epoch,
                "revision": self.revision,
                "lease_s": self.lease_s,
                "capacity_kw": 100.0,
                "firm_capacity_kw": 40.0,
                "sessions": self.sessions,
            }
        return Said(200, found)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.changed:
            self._ended = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()


def offer(session_id: str = "s-1", number: int = 1, offer_kw: float = 11.0, **changes: object) -> dict[str, Any]:
    """A session in `GET /offers`."""
    return {
        "session_id": session_id,
        "vehicle_id": "EV-1",
        "state": "Charging",
        "number": number,
        "offer_kw": offer_kw,
        "charger": "CP-1",
        "connector": 1,
        "transaction_id": "77",
        "meter_kwh": 12.5,
        "edge": None,
        **changes,
    }


def session_body(vehicle_id: str, session_id: str = "s-1", **changes: object) -> dict[str, Any]:
    """The answer to a start."""
    return {"session_id": session_id, "vehicle_id": vehicle_id, "state": "Charging", "power_kw": 0.0, **changes}
