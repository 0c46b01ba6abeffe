"""How chargers stand, for whoever looks: pictures that nobody changes any more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.connector import Connector
from smartgrid.edge.limits.slot import Written
from smartgrid.edge.messages.values import ConnectorStatus
from smartgrid.edge.ports import Obedience, ProfileKind
from smartgrid.edge.state import ChargerState, ConnectorState

_DISOBEDIENT = frozenset({Obedience.REJECTS, Obedience.IGNORES})
GONE_S = 120.0
"""For so long who does not obey is counted after its connection: one that crashes on each limit is seldom here."""


@dataclass(frozen=True, slots=True)
class Counts:
    """For the metrics. `not_obeying` may have gone within `GONE_S`. `untold` are transactions with something that their
    substation was not told yet."""

    connected: int = 0
    not_obeying: int = 0
    connectors: Counter[str] = field(default_factory=Counter)
    untold: int = 0
    oldest_untold_s: float = 0.0
    clock_skew_s_max: float = 0.0


def counts_of(chargers: Iterable[Charger], wall_s: float) -> Counts:
    """Of all chargers; those that are away count for what is untold, and those that have just gone for disobeying."""
    connected = not_obeying = untold = 0
    statuses: Counter[ConnectorStatus] = Counter()
    oldest_s = skew_s = 0.0
    for charger in chargers:
        for each in charger.transactions:
            if each.wants_start or each.wants_end:
                untold += 1
                since_s = each.started_wall_s if each.ended_wall_s is None else each.ended_wall_s
                oldest_s = max(oldest_s, wall_s - since_s)
        is_here = charger.link is not None
        if is_here or wall_s - (charger.since_wall_s or 0.0) < GONE_S:
            not_obeying += any(each.obedience in _DISOBEDIENT for each in charger.connectors.values())
        if not is_here:
            continue
        connected += 1
        skew_s = max(skew_s, abs(charger.clock.ahead_s))
        for connector in charger.connectors.values():
            statuses[connector.status] += 1
    connectors = Counter({status.value: count for status, count in statuses.items()})
    return Counts(connected, not_obeying, connectors, untold, oldest_s, skew_s)


def state_of(charger: Charger, now_s: float) -> ChargerState:
    return ChargerState(
        id=charger.id,
        connected=charger.link is not None,
        since_wall_s=charger.since_wall_s,
        version=charger.version,
        vendor=charger.booted.vendor or None,
        model=charger.booted.model or None,
        firmware=charger.booted.firmware or None,
        quirks=charger.quirks.name,
        profile_writes=charger.pace.writes(now_s),
        connectors=tuple(_connector(charger, each, now_s) for _, each in sorted(charger.connectors.items())),
    )


def profiles_of(charger: Charger, now_s: float) -> list[dict[str, Any]]:
    """The profiles that may stand at it, by connector and purpose; one that ends is over in `ends_in_s` at the latest,
    and `then_limit` rules from then on, if there is one."""
    return [
        _profile(connector.number, kind, written, now_s, is_confirmed=is_confirmed)
        for _, connector in sorted(charger.connectors.items())
        if connector.limit is not None
        for kind, written, is_confirmed in connector.limit.profiles(now_s)
    ]


def _profile(
    connector: int, kind: ProfileKind, written: Written, now_s: float, *, is_confirmed: bool
) -> dict[str, Any]:
    will_end = now_s < written.ends_s < math.inf
    return {
        "connector": connector,
        "purpose": kind.value,
        "limit": written.at(now_s),
        "unit": written.unit.value,
        "ends_in_s": round(written.ends_s - now_s) if will_end else None,
        "then_limit": written.then_limit if will_end else None,
        "confirmed": is_confirmed,
    }


def _connector(charger: Charger, connector: Connector, now_s: float) -> ConnectorState:
    transaction, limit = charger.transaction_on(connector), connector.limit
    has_car = transaction is not None and connector.limit_for is transaction
    reading = connector.reading if connector.power_kw(now_s) is not None else None
    return ConnectorState(
        connector=connector.number,
        status=connector.status.value,
        session_id=transaction.session_id or None if transaction is not None else None,
        transaction_id=transaction.transaction_id or None if transaction is not None else None,
        offer_kw=None if connector.offer is None else connector.offer.power_kw,
        limit_a=None if limit is None else limit.limit_a,
        phases=connector.spec.phases if limit is None else limit.phases,
        power_kw=connector.power_kw(now_s),
        currents_a=(None, None, None) if reading is None else reading.currents_a,
        held_kw=limit.held_kw(now_s) if limit is not None and has_car else None,
        fallback_a=None if limit is None else limit.safe_a,
        obedience=connector.obedience,
    )
