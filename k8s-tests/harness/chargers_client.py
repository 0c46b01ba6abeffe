"""Simulated chargers: runs in a pod of the cluster's network, in the image of the edge, which has the simulator.

What a test wants of them comes by HTTP at port 8080, through the API server, and what they have seen goes back so:
`POST /add`, `/plug`, `/unplug` with the names of chargers, `GET /` for the state of all.
"""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from smartgrid.chargersim.behaviour import Behaviour
from smartgrid.chargersim.car import Car
from smartgrid.chargersim.dialect_16 import Dialect16
from smartgrid.chargersim.dialect_201 import Dialect201
from smartgrid.chargersim.street import Handle, Street

READY_BEHAVIOUR = Behaviour(sample_interval_s=5)
EMPTY = {"battery_kwh": 1000.0, "energy_kwh": 0.0, "max_current_a": 32.0}
"""A car that takes all that it gets for as long as a test lasts."""


def main() -> None:
    with Street(os.environ["URL"], pause_s=0.5, longest_pause_s=3) as street:
        Api.street = street
        ThreadingHTTPServer(("0.0.0.0", 8080), Api).serve_forever()


class Api(BaseHTTPRequestHandler):
    """One request, one answer in JSON."""

    street: Street

    def do_GET(self) -> None:
        self._answer(state(self.street))

    def do_POST(self) -> None:
        named = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for substation, name in named:
            getattr(self, f"_{self.path.strip('/')}")(substation, name)
        self._answer({})

    def _add(self, substation: str, name: str) -> None:
        dialect = Dialect201() if name.endswith("2") else Dialect16()
        self.street.add(substation, name, dialect, READY_BEHAVIOUR, keeps_commands=False)

    def _plug(self, _: str, name: str) -> None:
        self.street.handles[name].plug(Car(**EMPTY), tag=f"tag-of-{name}")

    def _unplug(self, _: str, name: str) -> None:
        self.street.handles[name].unplug()

    def _answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not each look of a test."""


def state(street: Street) -> dict[str, Any]:
    """Of all chargers, and the most that each substation's have drawn at any moment since the last look."""
    chargers = {name: of_one(handle) for name, handle in street.handles.items()}
    busbars = {name: street.moments(name) for name in street.busbars}
    return {
        "now_s": street.clock.now_s(),
        "chargers": chargers,
        "moments": {name: [list(moment) for moment in moments] for name, moments in busbars.items()},
    }


def of_one(handle: Handle) -> dict[str, Any]:
    return {
        "is_connected": handle.is_connected,
        "connections": handle.line.connections,
        "power_kw": handle.power_kw,
        "register_kwh": handle.register_kwh(),
        "transactions": len(handle.transactions),
        "kept_messages": handle.charger.kept_messages,
    }


if __name__ == "__main__":
    main()
