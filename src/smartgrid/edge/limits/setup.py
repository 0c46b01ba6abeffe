"""What a charger is set up with once it is connected and has its limits: pure, as a dialogue.

`setup(...)` is a generator: it yields one call after the other, is sent the answer to each (None for none), and returns
what has come of it. A charger that has been set up so already (`fingerprint`) is not asked again: many send no
BootNotification when they come back, and ten thousand of them may come back at once. Nothing here is needed for safety,
so whatever a charger refuses is noted and gone on from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smartgrid.edge.limits.amps import NOMINAL_V
from smartgrid.edge.limits.payloads import set_charging_profile
from smartgrid.edge.limits.quirks import Quirks
from smartgrid.edge.ports import ConnectorSpec, LimitOrder, OcppVersion, Payload, ProfileKind, RateUnit

Call = tuple[str, dict[str, Any]]
Dialogue = Generator[Call, Payload | None, "SetUp"]
READINGS_A_SECOND = 500
"""That one edge is asked to take: a third of what it can."""
INTERVALS_S = (10, 20, 30, 60)
FORM = 1
"""Raise it when the set-up changes, so that chargers get the new one."""
SETTINGS = 5
"""That are changed beside the measurands, in either version."""
_TAKEN = {"Accepted", "RebootRequired"}
_UNIT_WORDS = {"current": RateUnit.AMPERES, "a": RateUnit.AMPERES, "power": RateUnit.WATTS, "w": RateUnit.WATTS}


@dataclass(frozen=True, slots=True)
class SetUp:
    """What has come of it; `unit` is None where the charger takes both, or does not say."""

    unit: RateUnit | None = None
    measurands: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    needs_reboot: bool = False
    is_whole: bool = True
    """Not so if it was given up, as nothing was answered."""

    @property
    def has_taken(self) -> bool:
        """Whether the charger has taken any of it, and was asked all of it."""
        return self.is_whole and (bool(self.measurands) or len(self.refused) < SETTINGS)


def meter_interval_s(connectors: int) -> int:
    """How often meters are to be read, by how many connectors this edge has: each may have a car."""
    return next((each for each in INTERVALS_S if connectors <= each * READINGS_A_SECOND), INTERVALS_S[-1])


def fingerprint(version: OcppVersion, quirks: Quirks, interval_s: int, connectors: Sequence[ConnectorSpec]) -> str:
    """Of what a set-up would say; one with the same need not be repeated."""
    said = [FORM, version.value, repr(quirks), interval_s, [[each.phases, each.rating_a] for each in connectors]]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def setup(
    version: OcppVersion, quirks: Quirks, interval_s: int, connectors: Sequence[ConnectorSpec], wall_s: float
) -> Dialogue:
    """The dialogue with one charger. `interval_s`: between meter values, unless the quirks say another."""
    if quirks.sets_charge_point_max:
        yield _charge_point_max(version, quirks, connectors, wall_s)
    interval_s = quirks.meter_interval_s or interval_s
    if version is OcppVersion.V16:
        return (yield from _setup_16(quirks, interval_s))
    return (yield from _setup_2(quirks, interval_s))


def _setup_16(quirks: Quirks, interval_s: int) -> Dialogue:
    told = yield "GetConfiguration", {"key": ["ChargingScheduleAllowedChargingRateUnit"]}
    unit = unit_in(configuration(told).get("ChargingScheduleAllowedChargingRateUnit", ""))
    refused, reboots = [], False
    for key, value in (
        ("MeterValueSampleInterval", str(interval_s)),
        ("LocalAuthorizeOffline", "false"),
        ("AllowOfflineTxForUnknownId", "false"),
        ("StopTransactionOnInvalidId", "true"),
        ("StopTransactionOnEVSideDisconnect", "true"),
    ):
        status = _status((yield _change(key, value)))
        reboots |= status == "RebootRequired"
        if status not in _TAKEN:
            refused.append(key)
    measurands = quirks.measurands
    if _status((yield _change("MeterValuesSampledData", ",".join(measurands)))) not in _TAKEN:
        measurands = ()
        for measurand in quirks.measurands:
            more = (*measurands, measurand)
            if _status((yield _change("MeterValuesSampledData", ",".join(more)))) in _TAKEN:
                measurands = more
    return SetUp(unit, measurands, tuple(refused), reboots)


def _setup_2(quirks: Quirks, interval_s: int) -> Dialogue:
    told = yield "GetVariables", {"getVariableData": [_variable("SmartChargingCtrlr", "RateUnit")]}
    unit = unit_in(next(iter(variables(told).values()), ""))
    wanted = {
        ("SampledDataCtrlr", "TxUpdatedInterval"): str(interval_s),
        ("AuthCtrlr", "LocalAuthorizeOffline"): "false",
        ("AuthCtrlr", "OfflineTxForUnknownIdEnabled"): "false",
        ("TxCtrlr", "StopTxOnInvalidId"): "true",
        ("TxCtrlr", "StopTxOnEVSideDisconnect"): "true",
    }
    refused, reboots = [], False
    for (component, name), value in wanted.items():
        status = _set_status((yield _set(component, name, value)))
        reboots |= status == "RebootRequired"
        if status not in _TAKEN:
            refused.append(f"{component}.{name}")
    measurands = quirks.measurands
    if _set_status((yield _set("SampledDataCtrlr", "TxUpdatedMeasurands", ",".join(measurands)))) not in _TAKEN:
        measurands = ()
        for measurand in quirks.measurands:
            more = (*measurands, measurand)
            if _set_status((yield _set("SampledDataCtrlr", "TxUpdatedMeasurands", ",".join(more)))) in _TAKEN:
                measurands = more
    return SetUp(unit, measurands, tuple(refused), reboots)


def unit_in(text: str) -> RateUnit | None:
    """Of a list such as "Current", "Power", "Current,Power", "A,W": the only one in it; None for both or neither."""
    found = {unit for word in text.split(",") if (unit := _UNIT_WORDS.get(word.strip().casefold())) is not None}
    return found.pop() if len(found) == 1 else None


def configuration(payload: Payload | None) -> dict[str, str]:
    """The values in an answer to GetConfiguration, as far as it is one."""
    return {
        str(each["key"]): str(each["value"])
        for each in _entries(payload, "configurationKey")
        if "key" in each and each.get("value") is not None
    }


def variables(payload: Payload | None) -> dict[str, str]:
    """The values in an answer to GetVariables by the name of the variable, as far as it is one."""
    return {
        str(each["variable"].get("name", "")): str(each["attributeValue"])
        for each in _entries(payload, "getVariableResult")
        if each.get("attributeStatus") == "Accepted"
        and "attributeValue" in each
        and isinstance(each.get("variable"), dict)
    }


def _entries(payload: Payload | None, name: str) -> Iterable[Mapping[str, Any]]:
    found = (payload or {}).get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _status(payload: Payload | None) -> str:
    return str((payload or {}).get("status", ""))


def _set_status(payload: Payload | None) -> str:
    return next((str(each.get("attributeStatus", "")) for each in _entries(payload, "setVariableResult")), "")


def _change(key: str, value: str) -> Call:
    return "ChangeConfiguration", {"key": key, "value": value}


def _variable(component: str, name: str) -> dict[str, Any]:
    return {"component": {"name": component}, "variable": {"name": name}}


def _set(component: str, name: str, value: str) -> Call:
    return "SetVariables", {"setVariableData": [{"attributeValue": value, **_variable(component, name)}]}


def _charge_point_max(version: OcppVersion, quirks: Quirks, connectors: Sequence[ConnectorSpec], wall_s: float) -> Call:
    """The rating of the whole charger, which some want before they take another limit."""
    phases = max((each.phases for each in connectors), default=3)
    unit = quirks.unit or RateUnit.AMPERES
    rating_a = sum(each.rating_a for each in connectors)
    limit = rating_a if unit is RateUnit.AMPERES else rating_a * phases * NOMINAL_V
    order = LimitOrder(0, ProfileKind.CHARGE_POINT_MAX, limit, unit, phases, None, 0, profile_id=3)
    return set_charging_profile(order, version, wall_s)
