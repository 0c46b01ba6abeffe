"""Limits as OCPP messages: (action, payload), and what a charger's answers to them say.

An absolute schedule begins in the past, as between its receipt and its begin there would be no limit (OCPP 1.6 5.16.4),
and is written in the charger's own time, so that a clock that is off by seconds ends it when it should. Times are cut
to whole seconds, never later. A charger whose clock is far off gets a relative schedule without any time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from smartgrid.edge.ports import LimitOrder, OcppVersion, Payload, ProfileKind, RateUnit

PAST_S = 60
_PURPOSE_2X = {ProfileKind.CHARGE_POINT_MAX: "ChargingStationMaxProfile"}
COMPOSITE_S = 60
"""The composite schedule is asked for the next minute: only its begin counts."""


def set_charging_profile(
    order: LimitOrder, version: OcppVersion, wall_s: float, clock_skew_s: float = 0.0
) -> tuple[str, dict[str, Any]]:
    """`wall_s` is when the order was made, `clock_skew_s` by how much the charger's clock is ahead of ours."""
    start_s = math.floor(wall_s + clock_skew_s) - PAST_S
    schedule = _schedule(order, start_s)
    profile: dict[str, Any] = {
        "stackLevel": order.stack_level,
        "chargingProfilePurpose": order.kind.value,
        "chargingProfileKind": "Absolute" if "startSchedule" in schedule else "Relative",
    }
    if "startSchedule" in schedule and "duration" in schedule:
        profile["validTo"] = _time(start_s + schedule["duration"])
    place = 0 if order.kind is ProfileKind.CHARGE_POINT_MAX else order.connector
    if version is OcppVersion.V16:
        profile |= {"chargingProfileId": order.profile_id, "chargingSchedule": schedule}
        if order.transaction_id is not None:
            profile["transactionId"] = int(order.transaction_id)
        return "SetChargingProfile", {"connectorId": place, "csChargingProfiles": profile}
    profile |= {
        "id": order.profile_id,
        "chargingProfilePurpose": _PURPOSE_2X.get(order.kind, order.kind.value),
        "chargingSchedule": [{"id": order.profile_id} | schedule],
    }
    if order.transaction_id is not None:
        profile["transactionId"] = order.transaction_id
    if version is OcppVersion.V21 and order.kind is ProfileKind.TX and order.duration_s is not None:
        # A second end, which needs no clock: gone for good once it has been offline for its whole life.
        profile |= {"maxOfflineDuration": order.duration_s, "invalidAfterOfflineDuration": True}
    return "SetChargingProfile", {"evseId": place, "chargingProfile": profile}


def get_composite_schedule(connector: int, version: OcppVersion, unit: RateUnit) -> tuple[str, dict[str, Any]]:
    """What limits the charger says that it applies there."""
    where = "connectorId" if version is OcppVersion.V16 else "evseId"
    return "GetCompositeSchedule", {where: connector, "duration": COMPOSITE_S, "chargingRateUnit": unit.value}


def composite_limit(payload: Payload, version: OcppVersion) -> tuple[float, RateUnit] | None:
    """The limit of now in an answer to `get_composite_schedule`; None where it does not say."""
    schedule = payload.get("chargingSchedule" if version is OcppVersion.V16 else "schedule")
    if payload.get("status") != "Accepted" or not isinstance(schedule, Mapping):
        return None
    periods = schedule.get("chargingSchedulePeriod")
    unit = schedule.get("chargingRateUnit")
    if not isinstance(periods, list) or not periods or not isinstance(periods[0], Mapping):
        return None
    limit, start = periods[0].get("limit"), periods[0].get("startPeriod", 0)
    if unit not in ("A", "W") or start != 0 or isinstance(limit, bool) or not isinstance(limit, int | float):
        return None
    return (float(limit), RateUnit(unit)) if math.isfinite(limit) and limit >= 0 else None


def clear_all_profiles(version: OcppVersion) -> list[tuple[str, dict[str, Any]]]:
    """Whatever an earlier operator has left; only for when no car charges."""
    if version is OcppVersion.V16:
        return [("ClearChargingProfile", {})]
    purposes = ("TxProfile", "TxDefaultProfile", "ChargingStationMaxProfile")
    return [
        ("ClearChargingProfile", {"chargingProfileCriteria": {"chargingProfilePurpose": purpose}})
        for purpose in purposes
    ]


def clear_profile(profile_id: int, version: OcppVersion) -> tuple[str, dict[str, Any]]:
    """One of ours."""
    return "ClearChargingProfile", {"id" if version is OcppVersion.V16 else "chargingProfileId": profile_id}


def _schedule(order: LimitOrder, start_s: int) -> dict[str, Any]:
    schedule: dict[str, Any] = {"chargingRateUnit": order.unit.value, "chargingSchedulePeriod": [_period(order, 0)]}
    lead_s = 0
    if not order.is_relative and (order.duration_s is not None or order.kind is ProfileKind.CHARGE_POINT_MAX):
        schedule["startSchedule"] = _time(start_s)
        lead_s = PAST_S
    if order.duration_s is None:
        return schedule
    if order.then_limit is None:
        schedule["duration"] = lead_s + order.duration_s
    elif order.then_limit != order.limit:
        schedule["chargingSchedulePeriod"].append(_period(order, lead_s + order.duration_s))
    return schedule


def _period(order: LimitOrder, start_s: int) -> dict[str, Any]:
    limit = order.limit if start_s == 0 else order.then_limit
    return {"startPeriod": start_s, "limit": limit, "numberPhases": order.phases}


def _time(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
