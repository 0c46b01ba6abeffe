"""A disk that takes no more: nothing new is promised, nothing promised is lost, and all is well when room returns."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.http import Reply
from support.processes import Process, wait_until

pytestmark = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit (Linux)")


@contextmanager
def full_disk(substation: Process) -> Iterator[None]:
    """No file of its process may grow, as if the disk were full; this needs no rights."""
    _, most = resource.prlimit(substation.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(substation.pid, resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.prlimit(substation.pid, resource.RLIMIT_FSIZE, (most, most))


def charge(substation: Process, key: str) -> Reply:
    car = {"vehicle_id": f"EV-{key}", "energy_kwh": 10}
    return substation.call("POST", "/charge", json=car, headers={"Idempotency-Key": key})


def test_a_full_disk_costs_no_session(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100) as substation:
        kept = charge(substation, "before").json()["session_id"]
        with full_disk(substation):
            reply = charge(substation, "during")
            assert (reply.status, reply.json()["code"]) == (503, "storage-unavailable")
            assert int(reply.headers["Retry-After"]) > 0
            assert substation.call("GET", "/ready").status == 503
            assert substation.call("GET", "/health").status == 200
            assert substation.call("GET", "/status").json()["active_sessions"] == 1
            assert [s["session_id"] for s in substation.call("GET", "/charge").json()["sessions"]] == [kept]
            stop = substation.call("DELETE", f"/charge/{kept}")
            assert (stop.status, stop.json()["code"]) == (503, "storage-unavailable")
            assert "try again to be sure that it outlives a crash" in stop.json()["detail"]
            assert substation.call("GET", f"/charge/{kept}").json()["state"] == "Idle"  # it draws no power any more
            assert json.loads(stop.headers["Smartgrid-Status"])["largest_free_kw"] == 0
        wait_until(lambda: substation.call("GET", "/ready").status == 200)
        again = charge(substation, "during")
        assert again.status == 201
        substation.kill()
        substation.restart()
        found = {s["session_id"]: s["state"] for s in substation.call("GET", "/charge").json()["sessions"]}
        assert found == {kept: "Idle", again.json()["session_id"]: "Charging"}


def test_a_kill_during_a_full_disk_costs_no_session_either(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100) as substation:
        kept = charge(substation, "before").json()["session_id"]
        with full_disk(substation):
            assert charge(substation, "during").status == 503
            substation.popen.kill()
            substation.popen.wait(10)
            substation.launch()  # the limit belonged to the process that is gone
        substation.wait_ready()
        assert [s["session_id"] for s in substation.call("GET", "/charge").json()["sessions"]] == [kept]
