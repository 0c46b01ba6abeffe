"""A file that is damaged while the substation runs: no car is sent there any more, and no answer is an accident."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from smartgrid.substation.keeper import HEARTBEAT_S
from support.processes import Process, wait_until

PAGE_BYTES = 4096
A_CAR = {"vehicle_id": "EV-1", "energy_kwh": 10, "max_power_kw": 1}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str, str]]:
    """A substation with an ended and an active session, whose file is overwritten; and the ids of the two."""
    with Process("substation", tmp_path_factory.mktemp("damaged"), name="s0", capacity_kw=100) as substation:
        ended, active = (charge(substation, key) for key in ("ended", "active"))
        substation.call("DELETE", f"/charge/{ended}")
        substation.terminate()  # so that all of it is in the main file
        substation.restart()
        path = Path(str(substation.settings["data_dir"])) / "substation.db"
        with path.open("r+b") as file:
            file.seek(PAGE_BYTES)
            file.write(b"\xff" * (path.stat().st_size - PAGE_BYTES))
        wait_until(lambda: substation.call("GET", "/charge").status == 503, what="the damage is noticed")
        yield substation, ended, active


def charge(substation: Process, key: str) -> str:
    reply = substation.call("POST", "/charge", json=A_CAR, headers={"Idempotency-Key": key})
    assert reply.status == 201, reply.body
    return str(reply.json()["session_id"])


def test_no_car_is_admitted_and_the_status_shows_no_room(damaged: tuple[Process, str, str]) -> None:
    substation, _, _ = damaged
    refused = substation.call("POST", "/charge", json=A_CAR, headers={"Idempotency-Key": "new"})
    assert (refused.status, refused.json()["code"]) == (503, "storage-unavailable")
    assert json.loads(refused.headers["Smartgrid-Status"])["largest_free_kw"] == 0


def test_it_does_not_heal(damaged: tuple[Process, str, str]) -> None:
    """The substation still notes that it is alive: that this works makes the rest no better."""
    substation, _, _ = damaged
    time.sleep(2 * HEARTBEAT_S)
    ready = substation.call("GET", "/ready")
    assert (ready.status, ready.json()["code"]) == (503, "not-ready")
    assert "malformed" in ready.json()["detail"]


def test_what_is_in_memory_is_answered_all_the_same(damaged: tuple[Process, str, str]) -> None:
    substation, _, active = damaged
    assert substation.call("GET", f"/charge/{active}").json()["state"] == "Charging"
    assert substation.call("GET", "/status").json()["active_sessions"] == 1
    assert substation.call("GET", "/health").status == 200


def test_what_cannot_be_read_is_said_so(damaged: tuple[Process, str, str]) -> None:
    substation, ended, _ = damaged
    for path in ("/charge", f"/charge/{ended}"):
        reply = substation.call("GET", path)
        assert (reply.status, reply.json()["code"]) == (503, "storage-unavailable")


def test_a_repeat_whose_session_cannot_be_read_is_not_placed_elsewhere(damaged: tuple[Process, str, str]) -> None:
    substation, _, _ = damaged
    again = substation.call("POST", "/charge", json=A_CAR, headers={"Idempotency-Key": "ended"})
    assert (again.status, again.json()["code"]) == (504, "outcome-unknown")
