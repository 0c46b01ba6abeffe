"""What a charger is asked and told once it has connected, after its limits.

Many chargers send no BootNotification when they come back, so everything begins with the connection; and some say
nothing at all: they are asked for their status (and for their boot, if it was never seen), spread over some seconds.

The set-up itself is a dialogue of seven to thirteen calls, one after the other (`limits.setup`). One that was had is
remembered, by a fingerprint of what it would say, with the charger in the registry: so ten thousand that come back are
not asked again. An edge that has just started does not know yet how many will come, and so how often each meter should
be read: any of the usual intervals is as good. `ABREAST` chargers are set up at a time.

Some refuse everything until their BootNotification is answered. So what is refused before that counts for nothing: the
dialogue is had again, and one in which nothing at all was taken is not remembered. Who leaves `MOST_UNANSWERED` calls
in a row without an answer is not asked the rest: each of them keeps limits and an operator's commands waiting.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import lru_cache

from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.chargers.times import Times
from smartgrid.edge.limits.quirks import Quirks
from smartgrid.edge.limits.setup import INTERVALS_S, Dialogue, SetUp, fingerprint, meter_interval_s, setup
from smartgrid.edge.ports import Answer, CallFailure, ConnectorSpec, Link, OcppVersion, Payload, RateUnit

log = logging.getLogger(__name__)
SILENT_S, SPREAD_S = 15.0, 30.0
ABREAST = 100
MOST_UNANSWERED = 3
FINGERPRINT, UNIT = "set-up", "unit"


class SettingUp:
    """`learnt` is told of a charger about which something is to be remembered."""

    def __init__(self, times: Times, learnt: Callable[[Charger], None], interval_s: int | None = None) -> None:
        """`interval_s`: between meter values; None: by how many connectors there are."""
        self._times, self._learnt = times, learnt
        self._silent: list[tuple[float, int, Charger, Link]] = []
        self._ties = itertools.count()
        self._waiting: OrderedDict[Link, Charger] = OrderedDict()
        self._under_way: set[Link] = set()
        self._overtaken: set[Link] = set()
        """Those that have booted while they were being set up."""
        self._troubled: set[Link] = set()
        """Those that have refused to answer some of it."""
        self._unanswered: Counter[Link] = Counter()
        """How many calls in a row were not answered at all."""
        self._fixed_s, self._interval_s = interval_s, interval_s or meter_interval_s(0)

    def reckon(self, connectors: int) -> None:
        """How many connectors this edge has: the more, the less often each meter is read."""
        self._interval_s = self._fixed_s or meter_interval_s(connectors)

    def connected(self, charger: Charger) -> None:
        """Look after it: whether it says anything, and whether it has been set up."""
        assert charger.link is not None
        due_s = self._times.now() + SILENT_S + self._times.rng.uniform(0.0, SPREAD_S)
        heapq.heappush(self._silent, (due_s, next(self._ties), charger, charger.link))
        self.set_up(charger)

    def booted(self, charger: Charger) -> None:
        """It takes what it is told, from now on at the latest."""
        if charger.link in self._under_way:
            self._overtaken.add(charger.link)
        else:
            self.set_up(charger)

    def set_up(self, charger: Charger) -> None:
        """If it was not set up just so before."""
        link = charger.link
        if link is None or link in self._under_way:
            return
        if self._was_set_up(charger, link):
            self._tell_unit(charger, charger.facts.get(UNIT, ""))
        else:
            self._waiting[link] = charger
            self._go_on()

    def tick(self) -> None:
        """Ask those who have said nothing."""
        now_s = self._times.now()
        while self._silent and self._silent[0][0] <= now_s:
            *_, charger, link = heapq.heappop(self._silent)
            if charger.link is link and not charger.is_heard:
                for call in _questions(charger, link.version):
                    link.call(*call, lambda answer: None, slot=f"{call}")

    def lost(self, link: Link) -> None:
        """Its connection is over."""
        self._waiting.pop(link, None)
        self._overtaken.discard(link)
        self._troubled.discard(link)
        self._unanswered.pop(link, None)
        if link in self._under_way:
            self._under_way.discard(link)
            self._go_on()

    def _go_on(self) -> None:
        while self._waiting and len(self._under_way) < ABREAST:
            link, charger = self._waiting.popitem(last=False)
            self._under_way.add(link)
            dialogue = setup(
                link.version, charger.quirks, self._interval_s, charger.spec.connectors, self._times.wall()
            )
            self._say(charger, link, dialogue, self._fingerprint(charger, link, self._interval_s), None)

    def _say(self, charger: Charger, link: Link, dialogue: Dialogue, mark: str, answer: Payload | None) -> None:
        """The next call of the dialogue; `send(None)` begins it, and stands for an answer that did not come."""
        try:
            action, payload = dialogue.send(answer)
        except StopIteration as end:
            self._done(charger, link, mark, end.value)
            return

        def answered(found: Answer) -> None:
            if link not in self._under_way:
                return
            if found.payload is None:
                self._troubled.add(link)
            self._unanswered[link] = self._unanswered[link] + 1 if found.failure is CallFailure.TIMEOUT else 0
            if self._unanswered[link] >= MOST_UNANSWERED:
                log.info("a charger leaves its set-up unanswered", extra=charger.id._asdict())
                self._done(charger, link, mark, SetUp(is_whole=False))
            else:
                self._say(charger, link, dialogue, mark, found.payload)

        link.call(action, payload, answered)

    def _done(self, charger: Charger, link: Link, mark: str, found: SetUp) -> None:
        self._under_way.discard(link)
        is_to_repeat = link in self._overtaken and link in self._troubled
        self._overtaken.discard(link)
        self._troubled.discard(link)
        self._unanswered.pop(link, None)
        if is_to_repeat:
            self._waiting[link] = charger
            self._go_on()
            return
        unit = "" if found.unit is None else found.unit.value
        charger.facts = {**charger.facts, FINGERPRINT: mark if found.has_taken else "", UNIT: unit}
        if found.refused:
            log.info("a charger refuses some of its settings", extra={**charger.id._asdict(), "refused": found.refused})
        if found.needs_reboot:
            log.info("a charger takes some of its settings only with its next reboot", extra=charger.id._asdict())
        self._tell_unit(charger, unit)
        self._learnt(charger)
        self._go_on()

    def _tell_unit(self, charger: Charger, unit: str) -> None:
        if unit in _UNITS:
            for connector in charger.connectors.values():
                if connector.limit is not None:
                    connector.limit.told_unit(_UNITS[unit])

    def _was_set_up(self, charger: Charger, link: Link) -> bool:
        had = charger.facts.get(FINGERPRINT)
        intervals_s = (self._fixed_s,) if self._fixed_s else (self._interval_s, *INTERVALS_S)
        return had is not None and any(had == self._fingerprint(charger, link, each) for each in intervals_s)

    def _fingerprint(self, charger: Charger, link: Link, interval_s: int) -> str:
        return _fingerprint(link.version, charger.quirks, interval_s, charger.spec.connectors)


def _questions(charger: Charger, version: OcppVersion) -> list[tuple[str, Payload]]:
    wanted = ["StatusNotification"] if charger.booted.model else ["BootNotification", "StatusNotification"]
    if version is OcppVersion.V16:
        return [("TriggerMessage", {"requestedMessage": each}) for each in wanted]
    found: list[tuple[str, Payload]] = [
        ("TriggerMessage", {"requestedMessage": each}) for each in wanted if each != "StatusNotification"
    ]
    return found + [
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": number, "connectorId": 1}})
        for number in sorted(charger.connectors)
    ]


@lru_cache(256)
def _fingerprint(version: OcppVersion, quirks: Quirks, interval_s: int, connectors: tuple[ConnectorSpec, ...]) -> str:
    """Alike for most chargers, and dear."""
    return fingerprint(version, quirks, interval_s, connectors)


_UNITS = {unit.value: unit for unit in RateUnit}
