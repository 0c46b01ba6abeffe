"""Waiting over real HTTP: 202, looks that wait, lists, forecasts, and what only a balancer may ask."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smartgrid.protocol import keys
from smartgrid.protocol.fingerprint import fingerprint
from smartgrid.protocol.models import ChargeBody
from support.http import Reply
from support.processes import Process

A_CAR = {"vehicle_id": "EV-SECRET-2", "energy_kwh": 40, "max_power_kw": 80, "min_power_kw": 80}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("waiting")
    with Process("substation", folder, name="s0", capacity_kw=100, log_level="debug") as process:
        yield process


@pytest.fixture
def substation(running: Process) -> Process:
    """100 kW, all but 20 of which one car takes for half an hour, and nobody waits."""
    for state in ("Waiting", "Charging", "SuspendedEVSE"):
        for session in running.call("GET", f"/charge?limit=1000&state={state}").json()["sessions"]:
            running.call("DELETE", f"/charge/{session['session_id']}")
    assert charge(running).status == 201
    return running


def charge(substation: Process, headers: dict[str, str] | None = None, **changes: object) -> Reply:
    return substation.call("POST", "/charge", json=A_CAR | changes, headers=headers or {})


def waits(substation: Process, headers: dict[str, str] | None = None, **changes: object) -> dict[str, object]:
    reply = charge(substation, headers, wait=True, **changes)
    assert reply.status == 202, reply.body
    session: dict[str, object] = reply.json()
    return session


def stop_who_charges(substation: Process) -> None:
    (session,) = substation.call("GET", "/charge?state=Charging").json()["sessions"]
    substation.call("DELETE", f"/charge/{session['session_id']}")


def test_who_finds_no_room_waits(substation: Process) -> None:
    reply = charge(substation, wait=True, departure_time="2099-01-01T00:00:00Z")
    session = reply.json()
    assert (reply.status, session["state"], session["position"]) == (202, "Waiting", 1)
    assert (session["started_at"], session["power_kw"], session["delivered_kwh"]) == (None, 0, 0)
    joined, start = (datetime.fromisoformat(session[name]) for name in ("joined_at", "expected_start"))
    assert timedelta(minutes=25) < start - joined < timedelta(minutes=31)
    assert reply.headers["Retry-After"] == "60"
    assert substation.call("GET", f"/charge/{session['session_id']}").json()["state"] == "Waiting"


def test_one_that_will_not_start_as_things_stand_expects_nothing(substation: Process) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    session = waits(substation, wait_until=soon)
    assert session["expected_start"] is None
    assert datetime.fromisoformat(str(session["wait_until"])) == datetime.fromisoformat(soon).replace(
        microsecond=datetime.fromisoformat(soon).microsecond // 1000 * 1000
    )


@pytest.mark.parametrize("headers", [{}, {"Smartgrid-Wait": "no"}])
def test_who_does_not_wait_here_is_refused(substation: Process, headers: dict[str, str]) -> None:
    reply = charge(substation, headers, **({"wait": True} if headers else {}))
    assert (reply.status, reply.json()["code"]) == (503, "no-capacity")


def test_a_repeat_finds_the_one_that_waits(substation: Process) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    first, again = charge(substation, key, wait=True), charge(substation, key, wait=True)
    assert (first.status, again.status) == (202, 202)
    assert (first.headers.get("Smartgrid-Replayed"), again.headers["Smartgrid-Replayed"]) == (None, "true")
    assert again.json()["session_id"] == first.json()["session_id"]
    assert int(again.headers["Retry-After"]) >= 1
    stop_who_charges(substation)
    later = charge(substation, key, wait=True)
    assert (later.status, later.json()["state"], later.headers.get("Retry-After")) == (201, "Charging", None)
    assert later.json()["joined_at"] == first.json()["joined_at"]


def test_a_list_of_those_that_wait(substation: Process) -> None:
    ids = [waits(substation)["session_id"] for _ in range(3)]
    listed = substation.call("GET", "/charge?state=Waiting&limit=2").json()
    assert [(each["session_id"], each["position"]) for each in listed["sessions"]] == [(ids[2], 3), (ids[1], 2)]
    rest = substation.call("GET", f"/charge?state=Waiting&limit=2&cursor={listed['next_cursor']}").json()
    assert [each["session_id"] for each in rest["sessions"]] == ids[:1]
    assert ids[0] not in {
        each["session_id"] for each in substation.call("GET", "/charge?state=Charging").json()["sessions"]
    }


def test_a_stop_ends_the_wait(substation: Process) -> None:
    path = f"/charge/{waits(substation)['session_id']}"
    stopped = substation.call("DELETE", path).json()
    assert (stopped["state"], stopped["end_reason"], stopped["delivered_kwh"]) == ("Idle", "Stopped", 0)
    assert (stopped["started_at"], "position" in stopped) == (None, False)
    assert substation.call("GET", path).json() == stopped


def test_a_look_that_waits_is_answered_when_it_starts(substation: Process) -> None:
    path = f"/charge/{waits(substation)['session_id']}?wait_s=30"
    with ThreadPoolExecutor(1) as threads:
        look = threads.submit(lambda: substation.call("GET", path))
        stop_who_charges(substation)
        assert look.result(60).json()["state"] == "Charging"


def test_it_starts_by_itself_at_the_time_that_was_expected(tmp_path: Path) -> None:
    with Process("substation", tmp_path, name="s0", capacity_kw=100, time_scale=600) as fast:
        charge(fast, energy_kwh=27)  # two seconds
        told = waits(fast)
        started = fast.call("GET", f"/charge/{told['session_id']}?wait_s=60").json()
    assert (started["state"], started["started_at"]) == ("Charging", told["expected_start"])


def test_a_look_that_waits_is_answered_when_its_time_is_up(substation: Process) -> None:
    path = f"/charge/{waits(substation)['session_id']}?wait_s=1"
    began_s = time.monotonic()
    assert substation.call("GET", path).json()["state"] == "Waiting"
    assert time.monotonic() - began_s >= 1


def test_nobody_waits_for_more_than_a_minute(substation: Process) -> None:
    reply = substation.call("GET", f"/charge/{waits(substation)['session_id']}?wait_s=61")
    assert (reply.status, reply.json()["code"]) == (422, "invalid-request")


def test_the_status_says_who_waits(substation: Process) -> None:
    waits(substation)
    status = substation.call("GET", "/status")
    assert (status.json()["waiting_sessions"], status.json()["waiting_kw"]) == (1, 80)
    assert '"largest_free_kw":0.0,"waiting_kwh":40.0' in status.headers["Smartgrid-Status"].replace(" ", "")


def test_a_forecast_says_when_a_car_would_start(substation: Process) -> None:
    free = substation.call("POST", "/forecast", json=A_CAR | {"max_power_kw": 20, "min_power_kw": 20}).json()
    assert free == {"expected_start_in_s": 0, "takes": True}
    full = substation.call("POST", "/forecast", json=A_CAR).json()
    assert full["takes"]
    assert 1500 < full["expected_start_in_s"] <= 1800
    large = substation.call("POST", "/forecast", json=A_CAR | {"max_power_kw": 200, "min_power_kw": 200}).json()
    assert large == {"expected_start_in_s": None, "takes": False}
    assert substation.call("GET", "/status").json()["waiting_sessions"] == 0


def test_a_balancer_is_told_all_that_it_takes_to_move_a_car(substation: Process) -> None:
    owner, key = "A" * 22, secrets.token_hex(8)
    departure, until = "2099-01-01T12:00:00.123456+02:00", "2098-01-01T00:00:00Z"
    sent = {"Idempotency-Key": key, "Smartgrid-Owner": owner, "Smartgrid-Number": "1790000000000000.0.7"}
    session = waits(substation, sent, departure_time=departure, wait_until=until)
    waits(substation)
    (told,) = substation.call("GET", "/waiting?limit=1").json()["cars"]
    body = told.pop("body")
    assert told == {
        "session_id": session["session_id"],
        "digest": keys.digest(key, owner),
        "number": "1790000000000000.0.7",
        "fingerprint": fingerprint(ChargeBody.model_validate_json(json.dumps(A_CAR | {"departure_time": departure}))),
        "owner": owner,
    }
    assert datetime.fromisoformat(body.pop("departure_time")) == datetime.fromisoformat(departure)
    assert datetime.fromisoformat(body.pop("wait_until")) == datetime.fromisoformat(until)
    assert body == A_CAR
    assert len(substation.call("GET", "/waiting").json()["cars"]) == 2


def test_a_car_that_is_moved_has_its_key_there(substation: Process) -> None:
    key = secrets.token_hex(8)
    small = {"max_power_kw": 20, "min_power_kw": 20}
    moved = charge(substation, {"Smartgrid-Key-Digest": keys.digest(key)}, **small)
    repeat = charge(substation, {"Idempotency-Key": key}, **small)
    assert (moved.status, repeat.status, repeat.headers["Smartgrid-Replayed"]) == (201, 201, "true")
    assert repeat.json()["session_id"] == moved.json()["session_id"]


@pytest.mark.parametrize("digest", ["", "x" * 21, "x" * 23, "x" * 21 + "!"])
def test_what_is_no_digest_is_refused(substation: Process, digest: str) -> None:
    reply = charge(substation, {"Smartgrid-Key-Digest": digest})
    assert (reply.status, reply.json()["code"]) == (422, "invalid-request")


def test_metrics_say_who_waits_and_has_waited(substation: Process) -> None:
    waits(substation)
    assert "\nwaiting_sessions 1.0" in substation.call("GET", "/metrics").body.decode()
    stop_who_charges(substation)
    shown = substation.call("GET", "/metrics").body.decode()
    assert "\nwaiting_sessions 0.0" in shown
    assert 'charging_requests_total{result="waiting"}' in shown
    assert int(float(shown.partition("\nwaiting_duration_seconds_count ")[2].split()[0])) >= 1


def test_no_vehicle_is_in_the_log(substation: Process) -> None:
    waits(substation)
    substation.call("GET", "/waiting")
    substation.call("POST", "/forecast", json=A_CAR)
    assert '"wait"' in substation.log()
    assert "EV-SECRET-2" not in substation.log()
