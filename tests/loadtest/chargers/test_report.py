"""The report of a run with chargers: what was drawn against what there is, and registers against sessions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from loadtest.chargers.test_plan import SETTINGS
from smartgrid.loadtest.chargers.report import CarSeen, ChargerRun, SessionSeen, report_of
from smartgrid.loadtest.chargers.table import result_text
from smartgrid.loadtest.chargers.thresholds import missed_thresholds

CARS = [
    CarSeen("A", "substation-0", 2.0, 0.1, is_settled=True),
    CarSeen("B", "substation-0", 1.0, 0.3, is_settled=True),
    CarSeen("C", "substation-1", None, None, is_settled=False),
]
SESSIONS = [SessionSeen("A", 2.0, has_ended=True), SessionSeen("B", 0.9, has_ended=True)]
RUN = ChargerRun(
    started_at=datetime(2026, 11, 26, tzinfo=UTC),
    duration_s=100.0,
    cars=CARS,
    sessions=SESSIONS,
    most_kw={"substation-0": 21.5, "substation-1": 8.0},
    capacities_kw={"substation-0": 22.0, "substation-1": 7.0},
    connected=3,
    messages_out=150,
    messages_in=50,
    profiles=7,
    connections=4,
    refused=Counter({401: 2}),
)


def report(**changes: Any) -> dict[str, Any]:
    return dict(report_of(SETTINGS, replace(RUN, **changes)))


def test_the_most_above_any_capacity_at_any_moment() -> None:
    assert report()["over_kw"] == 1.0
    assert report(most_kw={"substation-0": 21.5})["over_kw"] == 0.0
    assert report(capacities_kw={})["over_kw"] is None


def test_energy_is_compared_car_by_car() -> None:
    energy = report()["energy"]

    assert (energy["registers_kwh"], energy["sessions_kwh"]) == (3.0, 2.9)
    assert energy["largest_difference_kwh"] == pytest.approx(0.1)
    assert energy["without_session"] == energy["with_several"] == energy["not_ended"] == 0


def test_a_car_without_a_session_or_with_two_is_counted() -> None:
    doubled = [*SESSIONS[:1], *SESSIONS[:1]]

    energy = report(sessions=doubled)["energy"]
    assert (energy["without_session"], energy["with_several"]) == (1, 1)
    assert energy["largest_difference_kwh"] == 2.0


def test_rates_and_times() -> None:
    found = report()

    assert found["success_rate"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["messages"]["per_s"] == 2.0
    assert found["first_limit_ms"]["max"] == 300.0


def test_without_the_grids_view_nothing_is_guessed() -> None:
    found = report(problem="GET /sessions answered with 403", sessions=[])

    assert found["energy"]["sessions_kwh"] is None
    assert "403" in result_text(found, replace(RUN, problem="GET /sessions answered with 403"))


def test_the_table_has_what_the_report_has() -> None:
    text = result_text(report(), RUN)

    assert "3 of 200 chargers connected, refused with 401: 2" in text
    assert "a capacity was exceeded by 1.000 kW" in text
    assert "off by 0.100 kWh" in text


def test_a_missed_threshold_is_one_sentence() -> None:
    asked = replace(SETTINGS, min_success_rate=0.9, max_p95_ms=200.0, max_over_kw=0.0)
    (charged, limit, over) = missed_thresholds(report(), asked)

    assert charged.startswith("The share of cars that charged is 66.67%, 23.33 points below")
    assert "300 ms, 100 ms above the most allowed 200 ms" in limit
    assert "1 kW above the most allowed 0 kW" in over
    assert missed_thresholds(report(), SETTINGS) == []
