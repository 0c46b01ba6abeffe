"""SIGTERM: first unready, then draining, then gone, and what was under way is answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.processes import Process, wait_until

A_CAR = {"vehicle_id": "EV-1", "energy_kwh": 10}


def test_an_end_in_order(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100, shutdown_delay_s=4) as substation:
        session = substation.call("POST", "/charge", json=A_CAR).json()
        since = substation.call("GET", "/status").json()["revision"]
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(substation.call, "GET", f"/status?since={since + 10**9}&wait_s=60", timeout_s=90)
            substation.popen.terminate()
            wait_until(lambda: substation.call("GET", "/ready").status == 503)
            late = substation.call("POST", "/charge", json=A_CAR)  # clients have not all noticed yet
            assert late.status == 201
            assert waiting.result(60).json()["state"] == "Draining"
        assert substation.exit_code() == 0
        substation.restart()
        found = {s["session_id"] for s in substation.call("GET", "/charge").json()["sessions"]}
        assert found == {session["session_id"], late.json()["session_id"]}
        assert substation.call("GET", "/status").json()["state"] == "Available"


def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", shutdown_delay_s=1) as substation:
        substation.popen.terminate()
        substation.popen.terminate()
        assert substation.exit_code() == 0
