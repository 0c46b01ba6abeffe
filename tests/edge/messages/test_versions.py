"""The same things said in 1.6 and in 2.x, and said badly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.messages import v2x, v16
from smartgrid.edge.messages.charger_clock import ChargerClock, utc_text
from smartgrid.edge.messages.values import ConnectorStatus, EventKind
from smartgrid.edge.ports import CarState

NOW_S = 1_800_000_000.0
NOW = utc_text(NOW_S)


def test_a_start_is_what_its_repeats_have_in_common_whenever_it_comes() -> None:
    payload = {"connectorId": 2, "idTag": "TAG", "timestamp": NOW, "meterStart": 5000}
    now, later = (v16.start(payload, ChargerClock(), NOW_S + passed_s) for passed_s in (0, 3600))
    assert now.identity == later.identity
    assert (now.connector, now.id_tag, now.meter_kwh, now.wall_s, now.is_late) == (2, "TAG", 5.0, NOW_S, False)
    assert later.is_late
    assert now.identity != v16.start({**payload, "meterStart": 5001}, ChargerClock(), NOW_S).identity


@pytest.mark.parametrize("connector", [None, 0, -1, "x"])
def test_a_start_without_a_connector_is_of_the_first(connector: object) -> None:
    assert v16.start({"connectorId": connector}, ChargerClock(), NOW_S).connector == 1


@pytest.mark.parametrize(("told", "meant"), [(7, "7"), ("7", "7"), (0, None), (-1, None), (-77, None), (None, None)])
def test_ids_that_chargers_invent_are_none(told: object, meant: str | None) -> None:
    assert v16.transaction_id(told) == meant


def test_a_stop_brings_its_values() -> None:
    data = [{"timestamp": NOW, "sampledValue": [{"value": "6000"}]}]
    told = v16.stop({"transactionId": 7, "timestamp": NOW, "transactionData": data}, ChargerClock(), NOW_S)
    assert (told.meter_kwh, told.reason, told.readings[0].energy_kwh) == (None, "Local", 6.0)


@pytest.mark.parametrize(
    ("told", "status"),
    [("Charging", ConnectorStatus.CHARGING), ("SuspendedEvse", ConnectorStatus.SUSPENDED_EVSE), ("?", "Unknown")],
)
def test_a_status_however_it_is_written(told: str, status: ConnectorStatus) -> None:
    assert v16.status({"connectorId": 1, "status": told}, ChargerClock(), NOW_S).status is ConnectorStatus(status)


def test_a_status_of_2x_is_of_an_evse() -> None:
    told = v2x.status({"evseId": 2, "connectorId": 1, "connectorStatus": "Occupied"}, ChargerClock(), NOW_S)
    assert (told.connector, told.status) == (2, ConnectorStatus.OCCUPIED)


def event(**more: Any) -> Any:
    payload = {
        "eventType": "Started",
        "timestamp": NOW,
        "triggerReason": "CablePluggedIn",
        "seqNo": 3,
        "transactionInfo": {"transactionId": "abc"},
        **more,
    }
    return v2x.event(payload, ChargerClock(), NOW_S)


def test_an_event_says_which_transaction_where_and_how_far_it_is() -> None:
    told = event(evse={"id": 2}, transactionInfo={"transactionId": "abc", "chargingState": "EVConnected"})
    assert (told.kind, told.transaction_id, told.seq_no, told.connector) == (EventKind.STARTED, "abc", 3, 2)
    assert (told.is_plugged, told.is_authorized, told.car) == (True, False, CarState.EV_CONNECTED)


@pytest.mark.parametrize(
    "more",
    [
        {"idToken": {"idToken": "", "type": "NoAuthorization"}},
        {"triggerReason": "RemoteStart"},
        {"transactionInfo": {"transactionId": "abc", "chargingState": "Charging"}},
    ],
)
def test_an_event_that_shows_that_its_car_may_charge(more: dict[str, Any]) -> None:
    assert event(**more).is_authorized


def test_an_event_of_before_the_connection_is_late_as_it_says_so() -> None:
    assert event(offline=True).is_late
    assert not event(offline="yes").is_late


def test_a_clock_that_is_set_back_amid_a_transaction_makes_no_event_late() -> None:
    clock = ChargerClock()
    info = {"transactionId": "abc"}
    first = {"eventType": "Started", "seqNo": 0, "timestamp": utc_text(NOW_S), "transactionInfo": info}
    back = utc_text(NOW_S - 7200)
    values = [{"timestamp": back, "sampledValue": [{"value": 11_000, "measurand": "Power.Active.Import"}]}]
    then = {"eventType": "Updated", "seqNo": 1, "timestamp": back, "transactionInfo": info, "meterValue": values}
    assert v2x.event(first, clock, NOW_S) is not None
    told = v2x.event(then, clock, NOW_S + 30)
    assert told is not None
    assert (told.is_late, told.wall_s) == (False, NOW_S + 30)
    assert [(reading.is_late, reading.power_kw) for reading in told.readings] == [(False, 11)]


@pytest.mark.parametrize("more", [{"transactionInfo": None}, {"transactionInfo": {}}, {"eventType": "Paused"}])
def test_an_event_of_nothing_is_none(more: dict[str, Any]) -> None:
    assert event(**more) is None


def test_what_a_charger_is_in_either_version() -> None:
    old = v16.booted({"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1"})
    new = v2x.booted({"chargingStation": {"vendorName": "V", "model": "M", "firmwareVersion": "1"}})
    assert old == new


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.text(max_size=3))
FIELDS = (
    *("connectorId", "idTag", "timestamp", "meterStart", "meterStop", "transactionId", "meterValue", "status"),
    *("evseId", "connectorStatus", "evse", "transactionInfo", "eventType", "seqNo", "idToken", "chargingStation"),
)
payloads = st.dictionaries(
    st.sampled_from(FIELDS),
    anything | st.dictionaries(st.sampled_from(["id", "transactionId", "idToken", "type"]), anything),
)


@given(payloads)
def test_rubbish_raises_nothing(payload: dict[str, Any]) -> None:
    for parse in (v16.start, v16.stop, v16.status, v16.values, v2x.event, v2x.status, v2x.values):
        parse(payload, ChargerClock(), NOW_S)
    for describe in (v16.booted, v2x.booted, v2x.token):
        describe(payload)
