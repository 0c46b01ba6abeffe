"""OCPP 2.0.1 and 2.1: payloads of chargers as neutral values (`values`). What 1.6 calls a connector is an EVSE here.

An event says by itself whether the driver may charge and whether the car is there (`is_authorized`, `is_plugged`), each
by one of several fields, as chargers fill in different ones. Chargers that never tell of the car are marked
(`may_be_plugged`): their status or meter may tell it in place of the event.
"""

from __future__ import annotations

from typing import Any

from smartgrid.edge.messages.charger_clock import ChargerClock, parse_time
from smartgrid.edge.messages.lenient import integer, items, mapping, text
from smartgrid.edge.messages.readings import readings
from smartgrid.edge.messages.v16 import MAX_ID_TAG, connector_status
from smartgrid.edge.messages.values import Booted, EventKind, EventTold, StatusTold, ValuesTold
from smartgrid.edge.ports import CarState, Heard, Payload

_AUTHORIZING = frozenset({"Authorized", "RemoteStart"})
_PLUGGING = frozenset({"CablePluggedIn"})  # a car that is detected stands in its bay
_CAR_STATES = {state.value.lower(): state for state in CarState}
_KINDS = {kind.value.lower(): kind for kind in EventKind}


def booted(payload: Payload) -> Booted:
    station = mapping(payload.get("chargingStation"))
    return Booted(
        vendor=text(station.get("vendorName"), 64),
        model=text(station.get("model"), 64),
        firmware=text(station.get("firmwareVersion"), 64),
    )


def status(payload: Payload, clock: ChargerClock, received_s: float) -> StatusTold:
    told_s = parse_time(payload.get("timestamp"))
    clock.told(told_s, received_s, is_live=True)
    return StatusTold(
        connector=evse_of(payload),
        status=connector_status(payload.get("connectorStatus")),
        wall_s=clock.right(told_s, received_s),
        plug=_number(payload.get("connectorId")),
    )


def evse_of(payload: Payload) -> int:
    """The EVSE that a message names; 0 where it names none."""
    return _number(payload.get("evseId"))


def notified_statuses(payload: Payload, clock: ChargerClock, received_s: float) -> list[StatusTold]:
    """What a NotifyEvent tells of connectors: some chargers say their status so, and not by a StatusNotification."""
    found = []
    for event in items(payload.get("eventData")):
        component, variable = mapping(event.get("component")), mapping(event.get("variable"))
        evse = mapping(component.get("evse"))
        number = integer(evse.get("id")) or 0
        names = text(component.get("name")).lower(), text(variable.get("name")).lower()
        if names != ("connector", "availabilitystate") or number < 1:
            continue
        told_s = parse_time(event.get("timestamp"))
        clock.told(told_s, received_s)
        found.append(
            StatusTold(
                connector=number,
                status=connector_status(event.get("actualValue")),
                wall_s=clock.right(told_s, received_s),
                plug=_number(evse.get("connectorId")),
            )
        )
    return found


def values(payload: Payload, clock: ChargerClock, received_s: float) -> ValuesTold:
    return ValuesTold(
        connector=evse_of(payload),
        transaction_id=None,
        readings=readings(payload.get("meterValue"), clock, received_s),
    )


def token(payload: Payload) -> tuple[str, str] | None:
    """Identifier and type of an `idToken`; None where there is none. An empty one is of type NoAuthorization."""
    found = payload.get("idToken")
    if not isinstance(found, dict):
        return None
    return text(found.get("idToken"), MAX_ID_TAG), text(found.get("type"), 64)


def event(payload: Payload, clock: ChargerClock, received_s: float) -> EventTold | None:
    """None where it does not say which transaction it is of."""
    info = mapping(payload.get("transactionInfo"))
    transaction_id = text(info.get("transactionId"), 64)
    kind = _KINDS.get(text(payload.get("eventType")).lower())
    if not transaction_id or kind is None:
        return None
    is_offline = payload.get("offline") is True
    told_s = parse_time(payload.get("timestamp"))
    seq_no = integer(payload.get("seqNo")) or 0
    if told_s is not None:
        clock.told_of(transaction_id, seq_no, told_s, received_s, is_queued=is_offline)
    state = text(info.get("chargingState")).lower()
    car = _CAR_STATES.get(state)
    trigger = text(payload.get("triggerReason"))
    id_token = token(payload)
    evse = integer(mapping(payload.get("evse")).get("id"))
    return EventTold(
        kind=kind,
        transaction_id=transaction_id,
        seq_no=seq_no,
        wall_s=clock.right(told_s, received_s),
        connector=evse if evse is not None and evse > 0 else None,
        id_tag=None if id_token is None else id_token[0],
        is_authorized=id_token is not None or trigger in _AUTHORIZING or car is CarState.CHARGING,
        is_plugged=car is not None or trigger in _PLUGGING,
        car=car,
        reason=text(info.get("stoppedReason"), 64) or "Local",
        readings=readings(payload.get("meterValue"), clock, received_s),
        is_late=is_offline or clock.is_late(told_s, received_s),
        may_be_plugged=not state and kind is not EventKind.ENDED,
        is_unplugged=state == "idle",
        heard=Heard(received_s, told_s),
    )


def _number(value: Any) -> int:
    """Of an EVSE or a connector; 0 where none is told."""
    return max(0, integer(value) or 0)
