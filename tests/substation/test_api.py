"""The substation's interface over real HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.grid import metric, sessions
from support.processes import Process, wait_until

TIME_SCALE = 600
RIGID_11_KW = {"vehicle_id": "EV-1", "energy_kwh": 50, "max_power_kw": 11, "min_power_kw": 11}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("api")
    with Process("substation", folder, name="s0", capacity_kw=100, time_scale=1) as process:
        yield process


@pytest.fixture
def substation(running: Process) -> Process:
    """100 kW, and no one there."""
    for session in running.call("GET", "/charge?limit=1000&state=Charging").json()["sessions"]:
        running.call("DELETE", f"/charge/{session['session_id']}")
    for session in running.call("GET", "/charge?limit=1000&state=SuspendedEVSE").json()["sessions"]:
        running.call("DELETE", f"/charge/{session['session_id']}")
    running.call("PUT", "/capacity", json={"capacity_kw": 100})
    return running


def charge(substation: Process, **changes: object) -> dict[str, object]:
    reply = substation.call("POST", "/charge", json={**RIGID_11_KW, **changes})
    assert reply.status == 201, reply.body
    session: dict[str, object] = reply.json()
    return session


def states(substation: Process, ids: list[object]) -> list[str]:
    return [substation.call("GET", f"/charge/{i}").json()["state"] for i in ids]


def test_a_session_says_all_about_itself(substation: Process) -> None:
    session = charge(substation, departure_time="2099-01-01T12:00:00+02:00")
    assert session["departure_time"] == "2099-01-01T10:00:00.000Z"
    assert (session["substation"], session["state"], session["power_kw"]) == ("s0", "Charging", 11)
    assert (session["ended_at"], session["end_reason"]) == (None, None)
    assert datetime.fromisoformat(str(session["started_at"])).tzinfo is not None


def test_a_request_that_names_no_floor_gets_the_usual_one(substation: Process) -> None:
    reply = substation.call("POST", "/charge", json={"vehicle_id": "EV-1", "energy_kwh": 10})
    assert (reply.json()["max_power_kw"], reply.json()["min_power_kw"]) == (11, 4.14)


def test_stopping_twice_gives_the_same_record(substation: Process) -> None:
    path = f"/charge/{charge(substation)['session_id']}"
    first, second = substation.call("DELETE", path), substation.call("DELETE", path)
    assert (first.status, second.status) == (200, 200)
    assert first.json() == second.json() == substation.call("GET", path).json()
    assert (first.json()["state"], first.json()["end_reason"]) == ("Idle", "Stopped")


def test_no_room_says_when_to_come_back(substation: Process) -> None:
    substation.call("PUT", "/capacity", json={"capacity_kw": 11})
    charge(substation, energy_kwh=0.11)  # 36 s at 11 kW
    refused = substation.call("POST", "/charge", json=RIGID_11_KW)
    assert (refused.status, refused.json()["code"]) == (503, "no-capacity")
    assert 1 <= int(refused.headers["Retry-After"]) <= 36


def test_a_flood_of_tiny_sessions_fills_no_book(tmp_path: Path) -> None:
    """They would have stayed for millions of years, and the status would have shown room for all others."""
    with Process("substation", tmp_path, name="s0", capacity_kw=100, max_active=3, max_session_h=0.001) as substation:
        nanowatt = substation.call("POST", "/charge", json={**RIGID_11_KW, "max_power_kw": 1e-9, "min_power_kw": 1e-9})
        assert (nanowatt.status, nanowatt.json()["code"]) == (422, "invalid-request")
        tiny = [charge(substation, max_power_kw=0.1, min_power_kw=0.1)["session_id"] for _ in range(3)]
        refused = substation.call("POST", "/charge", json=RIGID_11_KW)
        assert (refused.status, refused.json()["code"]) == (503, "no-capacity")
        assert json.loads(refused.headers["Smartgrid-Status"])["largest_free_kw"] == 0
        assert int(refused.headers["Retry-After"]) <= 4
        wait_until(lambda: states(substation, tiny) == ["Idle"] * 3)
        assert substation.call("GET", f"/charge/{tiny[0]}").json()["end_reason"] == "Departed"
        assert substation.call("POST", "/charge", json=RIGID_11_KW).status == 201


def test_less_capacity_curtails_suspends_and_more_resumes(substation: Process) -> None:
    rigid = [charge(substation)["session_id"] for _ in range(2)]
    elastic = charge(substation, min_power_kw=4)["session_id"]
    substation.call("PUT", "/capacity", json={"capacity_kw": 30})
    assert substation.call("GET", f"/charge/{elastic}").json()["power_kw"] == 8
    status = substation.call("PUT", "/capacity", json={"capacity_kw": 15}).json()
    assert (status["capacity_kw"], status["load_kw"], status["committed_kw"]) == (15, 11, 26)
    assert states(substation, [*rigid, elastic]) == ["Charging", "SuspendedEVSE", "SuspendedEVSE"]
    substation.call("PUT", "/capacity", json={"capacity_kw": 0})
    assert states(substation, [*rigid, elastic]) == ["SuspendedEVSE"] * 3
    substation.call("PUT", "/capacity", json={"capacity_kw": 100})
    assert states(substation, [*rigid, elastic]) == ["Charging"] * 3


def test_every_answer_carries_the_status(substation: Process) -> None:
    reply = substation.call("POST", "/charge", json=RIGID_11_KW)
    status = json.loads(reply.headers["Smartgrid-Status"])
    assert (status["load_kw"], status["active_sessions"], status["largest_free_kw"]) == (11, 1, 89)
    assert status["next_release_s"] > 0
    asked = substation.call("GET", "/status").json()
    assert {name: status[name] for name in asked} == asked
    assert "Smartgrid-Status" in substation.call("GET", "/charge/unknown").headers


def test_a_long_poll_answers_when_something_changes(substation: Process) -> None:
    revision = substation.call("GET", "/status").json()["revision"]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(substation.call, "GET", f"/status?since={revision}&wait_s=60", timeout_s=90)
        charge(substation)
        assert waiting.result(60).json()["revision"] > revision


def test_a_long_poll_answers_in_time_when_nothing_does(substation: Process) -> None:
    revision = substation.call("GET", "/status").json()["revision"]
    assert substation.call("GET", f"/status?since={revision}&wait_s=1").json()["revision"] == revision


def test_a_long_poll_that_is_behind_answers_at_once(substation: Process) -> None:
    assert substation.call("GET", "/status?since=0&wait_s=60", timeout_s=20).status == 200


def test_pages_show_every_session_once_and_newest_first(substation: Process) -> None:
    ids = [charge(substation, max_power_kw=1, min_power_kw=1)["session_id"] for _ in range(5)]
    found = [session["session_id"] for session in sessions(substation, limit=2, state="Charging")]
    assert found[:5] == ids[::-1]


def test_the_last_page_has_no_cursor(substation: Process) -> None:
    assert substation.call("GET", "/charge?limit=1000").json()["next_cursor"] is None


def test_what_is_kept_for_root_is_no_room_of_the_volume(substation: Process) -> None:
    """As df says it, which an alert for a volume that fills goes by."""
    disk = shutil.disk_usage(substation.folder)

    assert metric(substation, "data_volume_size_bytes") == pytest.approx(disk.used + disk.free, rel=0.1)


def test_the_metrics_say_what_the_books_say(substation: Process) -> None:
    charge(substation)
    page = substation.call("GET", "/metrics").body.decode()
    lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    assert [float(lines[name]) for name in ("current_load", "total_capacity", "active_chargers")] == [11, 100, 1]
    assert float(lines['charging_requests_total{result="admitted"}']) >= 1
    assert float(lines['charging_requests_total{result="rejected"}']) >= 0
    assert float(lines["charging_duration_seconds_count"]) >= 0
    assert float(lines["delivered_energy_kwh_total"]) >= 0


# ---------------------------------------------------------------------- a clock that runs fast, and restarts


def test_an_hour_passes_in_seconds_and_the_capacity_stays_as_set(tmp_path: Path) -> None:
    settings = {"name": "s0", "capacity_kw": 100, "time_scale": TIME_SCALE}
    with Process("substation", tmp_path, **settings) as fast:
        full = charge(fast, energy_kwh=5.5)["session_id"]  # half an hour at 11 kW: three seconds
        leaves_at = datetime.now(UTC) + timedelta(seconds=4)
        leaving = charge(fast, departure_time=leaves_at.isoformat())["session_id"]
        fast.call("PUT", "/capacity", json={"capacity_kw": 66})
        wait_until(lambda: states(fast, [full, leaving]) == ["Idle", "Idle"])
        records = [fast.call("GET", f"/charge/{i}").json() for i in (full, leaving)]
        assert [r["end_reason"] for r in records] == ["EnergyDelivered", "Departed"]
        assert records[0]["delivered_kwh"] == 5.5
        lasted = [datetime.fromisoformat(r["ended_at"]) - datetime.fromisoformat(r["started_at"]) for r in records]
        assert lasted[0] == pytest.approx(timedelta(seconds=1800 / TIME_SCALE), abs=timedelta(milliseconds=2))
        kwh = 11 * lasted[1].total_seconds() * TIME_SCALE / 3600
        assert records[1]["delivered_kwh"] == pytest.approx(kwh, abs=0.01)
        fast.kill()
        fast.restart()
        assert fast.call("GET", "/status").json()["capacity_kw"] == 66
