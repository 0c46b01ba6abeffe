"""An operator takes a substation out of use for new cars, and puts it back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.http import Reply
from support.processes import Process

A_CAR = {"vehicle_id": "EV-1", "energy_kwh": 50, "max_power_kw": 11}


@pytest.fixture
def substation(tmp_path: Path) -> Iterator[Process]:
    with Process("substation", tmp_path, name="s0", capacity_kw=100) as substation:
        yield substation


def drain(substation: Process, draining: bool = True) -> Reply:
    return substation.call("PUT", "/draining", json={"draining": draining})


def charge(substation: Process) -> Reply:
    return substation.call("POST", "/charge", json=A_CAR)


def test_a_drained_substation_refuses_new_cars_and_goes_on_with_those_it_has(substation: Process) -> None:
    session = charge(substation).json()["session_id"]

    assert drain(substation).json()["state"] == "Draining"

    refused = charge(substation)
    assert (refused.status, refused.json()["code"]) == (503, "draining")
    assert substation.call("GET", f"/charge/{session}").json()["state"] == "Charging"


def test_it_takes_cars_again_when_told_to(substation: Process) -> None:
    drain(substation)

    assert drain(substation, False).json()["state"] == "Available"
    assert charge(substation).status == 201


def test_it_is_still_drained_after_a_crash(substation: Process) -> None:
    drain(substation)
    substation.kill()
    substation.restart()
    assert charge(substation).json()["code"] == "draining"

    drain(substation, False)
    substation.kill()
    substation.restart()
    assert charge(substation).status == 201


def test_who_waits_for_news_hears_of_it_once_and_then_waits_again(substation: Process) -> None:
    """A drained substation goes on for long, so a long poll must not be answered at once for as long as it is."""
    revision = drain(substation).json()["revision"]

    waited = substation.call("GET", f"/status?since={revision}&wait_s=1")

    assert waited.json()["revision"] == revision


@pytest.mark.parametrize("body", [{}, {"draining": "yes"}, {"draining": 1}, {"draining": True, "until": "noon"}])
def test_what_is_no_order_is_refused(substation: Process, body: dict[str, object]) -> None:
    assert substation.call("PUT", "/draining", json=body).status == 422
