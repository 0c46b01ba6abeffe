"""SIGTERM: first unready, then draining, then gone, and what was under way is answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.substation.app import Api, make_app
from smartgrid.substation.metrics import SubstationMetrics
from smartgrid.web import metrics
from support.books import Books, SetClock
from support.processes import Process, wait_until

A_CAR = {"vehicle_id": "EV-1", "energy_kwh": 10}


def test_an_end_in_order(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100, shutdown_delay_s=6) as substation:
        session = substation.call("POST", "/charge", json=A_CAR).json()
        since = substation.call("GET", "/status").json()["revision"]
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(substation.call, "GET", f"/status?since={since + 10**9}&wait_s=60", timeout_s=90)
            substation.popen.terminate()
            wait_until(lambda: substation.call("GET", "/ready").status == 503)
            substation.popen.terminate()  # a second signal changes nothing
            late = substation.call("POST", "/charge", json=A_CAR)  # clients have not all noticed yet
            assert late.status == 201
            assert waiting.result(60).json()["state"] == "Draining"
        assert substation.exit_code() == 0
        substation.restart()
        found = {s["session_id"] for s in substation.call("GET", "/charge").json()["sessions"]}
        assert found == {session["session_id"], late.json()["session_id"]}
        assert substation.call("GET", "/status").json()["state"] == "Available"


def test_while_draining_no_one_is_admitted(tmp_path: Path) -> None:
    """Between the drain and the end there is too little time to ask over HTTP, so the application is asked."""
    books, registry = Books(tmp_path, SetClock()), metrics.registry()
    api = Api("s0", books.ledger, books.clock, SubstationMetrics(registry))
    client = make_app(api, Lifecycle(), registry).test_client()
    key = {"Idempotency-Key": "k"}
    kept = client.post("/charge", json=A_CAR, headers=key).get_json()["session_id"]
    books.ledger.drain()
    refused = client.post("/charge", json=A_CAR)
    assert (refused.status_code, refused.get_json()["code"]) == (503, "draining")
    assert int(refused.headers["Retry-After"]) > 0
    assert client.get("/status").get_json()["state"] == "Draining"
    assert client.post("/charge", json=A_CAR, headers=key).get_json()["session_id"] == kept
    assert client.delete(f"/charge/{kept}").get_json()["state"] == "Idle"
    books.close()
