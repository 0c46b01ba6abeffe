"""OCPP 1.6: payloads of chargers as neutral values (`values`).

Nothing here raises an error for what a charger sends: a field that is missing or wrong is what most chargers mean by it
(connector 1, a register of 0, a stop by the driver), since a transaction that is refused over a field is lost to the
books. What cannot be told apart is left open: the transaction ids 0 and below, which no edge gives out.
"""

from __future__ import annotations

from smartgrid.edge.messages.charger_clock import ChargerClock, parse_time
from smartgrid.edge.messages.lenient import integer, number, text
from smartgrid.edge.messages.readings import readings
from smartgrid.edge.messages.values import Booted, ConnectorStatus, StartTold, StatusTold, StopTold, ValuesTold
from smartgrid.edge.ports import Heard, Payload

MAX_ID_TAG = 64


def booted(payload: Payload) -> Booted:
    return Booted(
        vendor=text(payload.get("chargePointVendor"), 64),
        model=text(payload.get("chargePointModel"), 64),
        firmware=text(payload.get("firmwareVersion"), 64),
    )


def status(payload: Payload, clock: ChargerClock, received_s: float) -> StatusTold:
    told_s = parse_time(payload.get("timestamp"))
    clock.told(told_s, received_s, is_live=True)
    connector = integer(payload.get("connectorId"))
    return StatusTold(
        connector=connector if connector is not None and connector >= 0 else 0,
        status=connector_status(payload.get("status")),
        wall_s=clock.right(told_s, received_s),
        error=text(payload.get("errorCode"), 64).replace("NoError", ""),
    )


def connector_status(value: object) -> ConnectorStatus:
    """By OCPP's name, also where upper and lower case are mixed up."""
    return _STATUSES.get(text(value).lower(), ConnectorStatus.UNKNOWN)


def start(payload: Payload, clock: ChargerClock, received_s: float) -> StartTold:
    """`identity` is made of the fields as they were sent: clocks that are put right in between change nothing."""
    told_s = parse_time(payload.get("timestamp"))
    clock.told(told_s, received_s)
    meter_wh = number(payload.get("meterStart"))
    fields = (payload.get("connectorId"), payload.get("idTag"), payload.get("timestamp"), payload.get("meterStart"))
    connector = integer(payload.get("connectorId"))
    return StartTold(
        connector=connector if connector is not None and connector > 0 else 1,
        id_tag=text(payload.get("idTag"), MAX_ID_TAG),
        wall_s=clock.right(told_s, received_s),
        meter_kwh=max(0.0, meter_wh or 0.0) / 1000,
        identity="|".join(text(each) for each in fields),
        is_late=clock.is_late(told_s, received_s),
        heard=Heard(received_s, told_s),
    )


def stop(payload: Payload, clock: ChargerClock, received_s: float) -> StopTold:
    told_s = parse_time(payload.get("timestamp"))
    clock.told(told_s, received_s)
    meter_wh = number(payload.get("meterStop"))
    return StopTold(
        transaction_id=transaction_id(payload.get("transactionId")),
        id_tag=text(payload.get("idTag"), MAX_ID_TAG),
        wall_s=clock.right(told_s, received_s),
        meter_kwh=None if meter_wh is None else max(0.0, meter_wh) / 1000,
        reason=text(payload.get("reason"), 64) or "Local",
        readings=readings(payload.get("transactionData"), clock, received_s),
        heard=Heard(received_s, told_s),
    )


def values(payload: Payload, clock: ChargerClock, received_s: float) -> ValuesTold:
    connector = integer(payload.get("connectorId"))
    return ValuesTold(
        connector=max(0, connector) if connector is not None else 0,
        transaction_id=transaction_id(payload.get("transactionId")),
        readings=readings(payload.get("meterValue"), clock, received_s),
    )


def transaction_id(value: object) -> str | None:
    """None for those that no edge has given out: chargers invent 0, -1 and other negative ones while offline."""
    found = integer(value)
    return str(found) if found is not None and found > 0 else None


_STATUSES = {status.value.lower(): status for status in ConnectorStatus}
