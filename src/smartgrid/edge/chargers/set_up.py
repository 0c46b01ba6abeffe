"""What a charger is asked and told once it has connected, after its limits.

Many chargers send no BootNotification when they come back, so everything begins with the connection; and some say
nothing at all: they are asked for their status (and for their boot, if it was never seen), spread over some seconds.
"""

from __future__ import annotations

import heapq
import itertools

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.limits.quirks import DEFAULT, Quirks
from smartgrid.edge.messages.values import Booted
from smartgrid.edge.ports import ChargerSpec, Link, OcppVersion, Payload

SILENT_S, SPREAD_S = 15.0, 30.0


class SetUp:
    def __init__(self, times: Times) -> None:
        self._times = times
        self._silent: list[tuple[float, int, Charger, Link]] = []
        self._ties = itertools.count()

    def quirks_of(self, spec: ChargerSpec, booted: Booted) -> Quirks:
        return DEFAULT

    def begin(self, charger: Charger) -> None:
        """It has connected."""
        assert charger.link is not None
        due_s = self._times.now() + SILENT_S + self._times.rng.uniform(0.0, SPREAD_S)
        heapq.heappush(self._silent, (due_s, next(self._ties), charger, charger.link))

    def tick(self, now_s: float) -> None:
        """Ask those who have said nothing."""
        while self._silent and self._silent[0][0] <= now_s:
            *_, charger, link = heapq.heappop(self._silent)
            if charger.link is link and not charger.is_heard:
                for call in _questions(charger, link.version):
                    link.call(*call, lambda answer: None, slot=f"{call}")


def _questions(charger: Charger, version: OcppVersion) -> list[tuple[str, Payload]]:
    wanted = ["StatusNotification"] if charger.booted.model else ["BootNotification", "StatusNotification"]
    if version is OcppVersion.V16:
        return [("TriggerMessage", {"requestedMessage": each}) for each in wanted]
    found: list[tuple[str, Payload]] = [
        ("TriggerMessage", {"requestedMessage": each}) for each in wanted if each != "StatusNotification"
    ]
    evses = sorted(charger.connectors)
    return found + [
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": number, "connectorId": 1}})
        for number in evses
    ]
