"""One request, one fingerprint, however it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smartgrid.protocol.fingerprint import fingerprint
from smartgrid.protocol.models import ChargeBody

A_CAR = {"vehicle_id": "EV-1", "energy_kwh": 10, "max_power_kw": 11, "departure_time": "2099-01-01T12:00:00+02:00"}


def of(**changes: Any) -> str:
    body = {name: value for name, value in {**A_CAR, **changes}.items() if value is not ...}
    return fingerprint(ChargeBody.model_validate_json(json.dumps(body)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"energy_kwh": 10.0},
        {"max_power_kw": ...},
        {"min_power_kw": 4.14},
        {"departure_time": "2099-01-01T10:00:00Z"},
        {"departure_time": "2099-01-01T10:00:00.000+00:00"},
        {"departure_time": "2099-01-01T10:00:00.0001Z"},
    ],
)
def test_the_same_request_told_otherwise_has_the_same(changes: dict[str, Any]) -> None:
    assert of(**changes) == of()


@pytest.mark.parametrize(
    "changes",
    [
        {"vehicle_id": "EV-2"},
        {"vehicle_id": "EV-1 "},
        {"energy_kwh": 10.000001},
        {"max_power_kw": 11.1},
        {"min_power_kw": 4.1},
        {"departure_time": "2099-01-01T12:00:00Z"},
        {"departure_time": "2099-01-01T10:00:00.001Z"},
        {"departure_time": ...},
    ],
)
def test_another_request_has_another(changes: dict[str, Any]) -> None:
    assert of(**changes) != of()


def test_values_do_not_run_into_each_other() -> None:
    assert of(vehicle_id="1 EV", energy_kwh=10) != of(vehicle_id="EV", energy_kwh=101)


def test_it_stays_the_same_from_version_to_version() -> None:
    """It is on disks."""
    assert of() == "EYEiPvfz-Z9NM5V9"
