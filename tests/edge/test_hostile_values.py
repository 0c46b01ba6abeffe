"""What a hostile or broken charger may say without taking anything from the books, or telling a driver's tag."""

from __future__ import annotations

import pytest

from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.messages.charger_clock import ChargerClock, parse_time
from smartgrid.edge.messages.readings import readings
from smartgrid.edge.ocpp import recent, schemas
from smartgrid.edge.ports import ChargerId, ConnectorSpec, OcppVersion, Reading
from smartgrid.protocol.offers import MAX_CHARGER_KW

NOW_S = 1_795_000_000.0
CHARGER = ChargerId("substation-0", "evil")


@pytest.mark.parametrize(
    "samples",
    [
        [{"value": "4999000", "measurand": "Power.Active.Import", "unit": "W"}],
        [{"value": "900000", "measurand": "Power.Active.Import", "phase": phase} for phase in ("L1", "L2", "L3")],
        [{"value": "2000", "measurand": "Current.Import", "phase": phase} for phase in ("L1", "L2", "L3")],
    ],
)
def test_a_power_that_no_substation_takes_is_not_told(samples: list[dict[str, str]]) -> None:
    """A report with it is refused as a whole: what the charger may draw would not be booked either."""
    told = readings([{"timestamp": "2026-11-26T08:00:00Z", "sampledValue": samples}], ChargerClock(), NOW_S)

    assert all(each.power_kw is None or each.power_kw <= MAX_CHARGER_KW for each in told)


def test_a_register_that_jumps_is_no_power() -> None:
    connector = Connector(1, ConnectorSpec())

    connector.measured(Reading(NOW_S, 0.0), 0.0)

    assert connector.measured(Reading(NOW_S + 60, 999_999.0), 60.0).power_kw is None


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2100-01-01T00:00:00Z"])
def test_a_time_of_no_clock_is_not_told(text: str) -> None:
    assert parse_time(text) is None


def test_a_clock_of_another_century_makes_no_time_that_cannot_be_written() -> None:
    clock = ChargerClock()

    clock.told(parse_time("2099-12-31T00:00:00Z"), NOW_S)

    assert 0 <= clock.right(parse_time("2026-11-26T08:00:00Z"), NOW_S) <= NOW_S


def test_what_is_against_the_schema_is_said_without_the_value() -> None:
    payload = {"connectorId": 1, "idTag": "SECRET-TAG-OF-A-DRIVER-1", "meterStart": 0, "timestamp": "x"}

    wrong = schemas.violation(OcppVersion.V16, "StartTransaction", schemas.REQUEST, payload)

    assert wrong is not None
    assert "SECRET" not in wrong
    assert "idTag" in wrong


def test_a_tag_that_is_a_number_is_not_shown() -> None:
    kept = recent.Recent(1)
    kept.note(CHARGER, recent.IN, b'[2,"a","Authorize",{"idTag":4711471147}]', NOW_S)

    assert "4711" not in kept.look(CHARGER, 0.0)[0].text
