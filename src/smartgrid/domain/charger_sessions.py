"""The charger sessions of one substation: who is offered how much, so that what they may draw fits the capacity.

Each has a `HeldPower`: the most that it may still draw is *booked*. Whenever something has changed, `share` looks at
all of them anew, in three steps:

1. **Targets**, what each is to have in the end (`domain.targets`): max-min fair among all who are admitted, with a
   charger or without, of the capacity less what is drawn anyway. A car that cannot take more has a `Ceiling`, and one
   that rests comes after all others: its minimum is not kept from those who wait to be admitted.
2. **Falls** are offered at once: an offer above its target is the target.
3. **Rises** are paid from what is left of the capacity beside all that is booked and beside the targets of sessions
   without a charger: first those who have nothing get their minimum, the oldest first, then the lowest rise first.
   So a rise never makes the sum of what is booked greater than the capacity, whatever chargers do; and as each target
   fits, all get there once the falls of the others are confirmed, or their leases are over.

What sessions without a charger share is the capacity less what is booked (`Substation.set_booked`): these obey at once.

A session that has not begun, or that is to stop, is offered nothing, and so is one without a lease. It draws its
fallback all the same, so that is set aside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter

from smartgrid.domain import quanta
from smartgrid.domain.ceiling import Ceiling
from smartgrid.domain.held_power import HeldPower, Report, Sender
from smartgrid.domain.request import PowerRange
from smartgrid.domain.session import SECONDS_PER_HOUR, Session, SessionState
from smartgrid.domain.sharing import TOLERANCE_KW, share_kw
from smartgrid.domain.substation import Substation
from smartgrid.domain.targets import Need, targets_kw

LEAST_RISE_KW = 0.2
"""A smaller one waits for more to come, so that numbers of offers, and writes to chargers, are few."""
METER_LIFE_S = 300.0
"""For so long what a meter has said counts as what is drawn: chargers are told to send it every minute or oftener."""
NOTHING = PowerRange(0.0, 0.0)
STOPPING = "Stopping"
"""The state of a session that has ended for all but its charger, between edge and substation."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a charger's meter says of a session. `energy_kwh` is since its start; None is what it does not say."""

    power_kw: float | None = None
    energy_kwh: float | None = None
    wall_s: float | None = None
    is_car_idle: bool = False
    """The charger gives power, and the car takes none."""
    is_paused: bool = False
    """The charger gives none, whatever it may."""


class ChargerSession:
    """One session with a charger. `session` is the substation's, from when it is admitted until it ends for others."""

    __slots__ = (
        "ceiling",
        "energy_kwh",
        "is_car_idle",
        "is_stopping",
        "measured_wall_s",
        "metered_kw",
        "metered_s",
        "power",
        "session",
        "session_id",
        "supply",
        "wanted_kwh",
    )

    def __init__(
        self,
        session_id: str,
        power: PowerRange,
        supply: HeldPower,
        *,
        wanted_kwh: float = math.inf,
        energy_kwh: float = 0.0,
        ceiling: Ceiling | None = None,
        is_stopping: bool = False,
    ) -> None:
        self.session_id, self.power, self.supply, self.wanted_kwh = session_id, power, supply, wanted_kwh
        self.energy_kwh, self.ceiling, self.is_stopping = energy_kwh, ceiling or Ceiling(), is_stopping
        self.session: Session | None = None
        self.metered_kw: float | None = None
        """What its meter said last, and since when that is known here, in wall time."""
        self.metered_s = -math.inf
        self.measured_wall_s: float | None = None
        self.is_car_idle = False

    @property
    def power_kw(self) -> float:
        return self.supply.offer_kw

    @property
    def state(self) -> SessionState:
        if self.power_kw <= 0:
            return SessionState.SUSPENDED_EV if self.rests else SessionState.SUSPENDED_EVSE
        return SessionState.SUSPENDED_EV if self.is_car_idle else SessionState.CHARGING

    @property
    def told_state(self) -> str:
        """As its edge is told."""
        if self.is_stopping:
            return STOPPING
        return SessionState.WAITING if self.session is None else self.state

    @property
    def is_satisfied(self) -> bool:
        """Whether it has had what it wanted."""
        return self.energy_kwh >= self.wanted_kwh

    @property
    def full_in_s(self) -> float | None:
        """In how long it will have what it wanted, if it goes on to draw what it draws; None where nobody knows."""
        lacks_kwh, power_kw = self.wanted_kwh - self.energy_kwh, self.metered_kw or self.power_kw
        if self.session is None or self.is_car_idle or lacks_kwh == math.inf or power_kw <= 0:
            return None
        return max(0.0, lacks_kwh / power_kw * SECONDS_PER_HOUR)

    @property
    def range(self) -> PowerRange:
        """What it can use, and what it draws anyway is no less than its minimum."""
        least_kw = self.supply.least_kw
        if not self.supply.is_controlled:
            return PowerRange(least_kw, least_kw)
        return PowerRange(max(self.power.min_kw, least_kw), max(self.power.max_kw, least_kw))

    @property
    def can_rise(self) -> bool:
        """Whether it may be offered power: else it draws what it draws anyway."""
        supply = self.supply
        return self.session is not None and not self.is_stopping and supply.has_lease and supply.is_controlled

    @property
    def draws_anyhow(self) -> bool:
        """Whether what it is offered makes no difference, so that it is what it draws."""
        return not self.supply.is_controlled and self.session is not None and not self.is_stopping

    @property
    def is_firm(self) -> bool:
        """Whether nobody can lower what it draws anyway: it does not obey, or no edge has asked for long."""
        return not self.supply.is_controlled or not self.supply.has_lease

    @property
    def rests(self) -> bool:
        """Whether it takes nothing although it might, so that its place is another's."""
        return self.ceiling.rests and self.can_rise

    @property
    def admitted(self) -> PowerRange:
        """What it takes from the room for others."""
        return NOTHING if self.rests else self.range

    @property
    def turn(self) -> tuple[float, int]:
        """Who comes first: the oldest; those that rest after all others, the last to have begun to at the end."""
        number = 0 if self.session is None else self.session.number
        return (self.ceiling.rested_s if self.rests else -math.inf), number

    def reading(self) -> int:
        return quanta.of_kwh(self.energy_kwh)

    def need(self) -> Need:
        power = self.range
        power = PowerRange(power.min_kw, max(power.min_kw, min(power.max_kw, self.ceiling.max_kw)))
        return Need(power, self.least_kw, self.rests)

    @property
    def least_kw(self) -> float:
        return self.supply.least_kw

    def observe(self, reading: Reading, now_s: float) -> float:
        """Take over what the meter says, at `now_s` of wall time; returns by how much the energy has grown."""
        if reading.wall_s is not None and reading.wall_s < (self.measured_wall_s or -math.inf):
            return 0.0
        is_new = reading.wall_s is None or reading.wall_s != self.measured_wall_s
        self.measured_wall_s = reading.wall_s if reading.wall_s is not None else self.measured_wall_s
        grown_kwh = max(0.0, (reading.energy_kwh or 0.0) - self.energy_kwh)
        self.energy_kwh += grown_kwh
        self.is_car_idle = reading.is_car_idle
        if reading.power_kw is not None:
            if is_new or self.metered_kw is None:
                self.metered_s = now_s
            self.metered_kw = reading.power_kw
        if reading.power_kw is not None or reading.is_car_idle:
            limit_kw = 0.0 if reading.is_paused else self.supply.confirmed_kw
            self.ceiling.observe(now_s, reading.power_kw or 0.0, limit_kw, self.power)
        return grown_kwh

    def metered_kw_at(self, now_s: float) -> float | None:
        """What it draws by its meter; None where that has said nothing for so long that nobody knows."""
        return self.metered_kw if now_s - self.metered_s <= METER_LIFE_S else None

    def pass_time(self, now_s: float) -> bool:
        """Whether it has just begun to rest, or to rest anew."""
        return self.can_rise and self.power_kw > 0 and self.ceiling.pass_time(now_s)


class ChargerSessions:
    """All of a substation; times are of wall time. Call `share` after every change, here or in the substation.

    `changed` gathers the ids of those that are not as they were; whoever writes them down clears it.
    """

    def __init__(self, substation: Substation) -> None:
        self._substation = substation
        self._by_id: dict[str, ChargerSession] = {}
        self.changed: set[str] = set()
        self.revision = 0
        """Grows with every change of what an edge is told."""
        self.delivered_kwh = 0.0
        """All that meters have said, since this object was made."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[ChargerSession]:
        return iter(self._by_id.values())

    def find(self, session_id: str) -> ChargerSession | None:
        return self._by_id.get(session_id)

    @property
    def booked_kw(self) -> float:
        """The most that all of them may draw."""
        return sum(each.supply.booked_kw for each in self)

    @property
    def offered_kw(self) -> float:
        return sum(each.supply.offer_kw for each in self)

    def metered_kw_at(self, now_s: float) -> float:
        """What their meters have said lately."""
        return sum(each.metered_kw_at(now_s) or 0.0 for each in self)

    @property
    def uncontrolled_kw(self) -> float:
        """What is booked of those that do not do what they are told."""
        return sum(each.supply.booked_kw for each in self if not each.supply.is_controlled)

    @property
    def beyond_offers_kw(self) -> float:
        """What is booked beyond what is offered."""
        return sum(each.supply.booked_kw - each.supply.offer_kw for each in self)

    @property
    def suspended(self) -> int:
        """How many are admitted and offered nothing, although they would take it."""
        lacking = (each for each in self if each.session is not None and not each.is_stopping and not each.rests)
        return sum(each.power_kw <= 0 for each in lacking)

    def add(self, charger: ChargerSession) -> None:
        """A car has plugged in, or was there before; it waits, until `begin`."""
        self._by_id[charger.session_id] = charger
        self._count(charger)
        self._touch(charger)

    def begin(self, charger: ChargerSession, session: Session) -> None:
        """It is admitted."""
        charger.session = session
        session.connect(charger)
        self._touch(charger)

    def stop(self, charger: ChargerSession) -> None:
        """It has ended for all but its charger, which draws what it may until `remove`."""
        charger.session, charger.is_stopping = None, True
        self._touch(charger)

    def remove(self, session_id: str) -> ChargerSession | None:
        """It draws no more."""
        charger = self._by_id.pop(session_id, None)
        if charger is not None:
            self._substation.set_aside(session_id, 0)
            self.changed.discard(session_id)
            self.revision += 1
        return charger

    def observe(self, charger: ChargerSession, reading: Reading, now_s: float) -> None:
        """What its meter says."""
        self.delivered_kwh += charger.observe(reading, now_s)
        if charger.is_satisfied and not charger.is_stopping and charger.session is not None:
            charger.is_stopping = True  # it goes on to be a session until its edge says that it is over
            self.revision += 1
        self.changed.add(charger.session_id)
        self._count(charger)

    def finish(self, charger: ChargerSession, energy_kwh: float) -> None:
        """The last word of its meter."""
        self.delivered_kwh += max(0.0, energy_kwh - charger.energy_kwh)
        charger.energy_kwh = energy_kwh

    def report(self, charger: ChargerSession, report: Report, sender: Sender, lease_end_s: float) -> None:
        """What an edge says that it may draw (`HeldPower.report`)."""
        number = charger.supply.number
        charger.supply.report(report, sender, lease_end_s)
        self.changed.add(charger.session_id)
        self.revision += charger.supply.number != number

    def claim(self, charger: ChargerSession, edge: str, number: int) -> None:
        """The edge would be its holder (`HeldPower.claim`)."""
        if charger.supply.claim(edge, number):
            self._touch(charger)

    def renew(self, lease_end_s: float, edge: str | None = None) -> None:
        """All are told now, as soon as they have been shared anew. An edge may go by the offers of the sessions that it
        holds, and by no others. None is one that does not say who it is."""
        for charger in self:
            if edge is not None and charger.supply.holder != edge:
                continue
            if not charger.supply.has_lease:
                self.changed.add(charger.session_id)
            charger.supply.renew(lease_end_s)

    def pass_time(self, now_s: float) -> bool:
        """End the leases that are over, and let those rest that have taken nothing for long; whether there were any."""
        over = [charger for charger in self if charger.supply.expire(now_s)]
        for charger in over:
            self._touch(charger)
        resting = [charger for charger in self if charger.pass_time(now_s)]
        for charger in resting:
            self.changed.add(charger.session_id)
            self._count(charger)
        return bool(over or resting)

    def next_expiry_s(self) -> float:
        """When the next lease is over; infinite if there is none."""
        return min((each.supply.lease_end_s for each in self if each.supply.has_lease), default=math.inf)

    def share(self, *, may_rise: bool) -> None:
        """Offer each what it may have now; `may_rise` is whether anybody may be offered more than before."""
        for charger in self:
            self._count(charger)
        mine = [charger for charger in self if charger.can_rise]
        targets = self._targets_kw(mine)
        for charger in self:
            if charger.can_rise:
                self._offer(charger, min(charger.power_kw, targets[charger.session_id]))
            else:
                self._offer(charger, charger.least_kw if charger.draws_anyhow else 0.0)
        if may_rise:
            self._rise(mine, targets)

    def hand_over(self, charger: ChargerSession, edge: str) -> None:
        """The edge is its holder from now on, whoever else has claimed it."""
        charger.supply.hand_over(edge)
        self._touch(charger)

    def withdraw(self, charger: ChargerSession, offer_kw: float) -> None:
        """Offer no more than so much, as if the last rise had never been: nobody has been told of it."""
        self._offer(charger, min(charger.power_kw, offer_kw))

    # ------------------------------------------------------------------ within

    def _count(self, charger: ChargerSession) -> None:
        """Let the substation know what it takes from the room for others."""
        substation, session = self._substation, charger.session
        if session is None:
            substation.set_aside(charger.session_id, charger.least_kw)
            return
        substation.set_aside(charger.session_id, 0)
        if session.request.power != charger.admitted:
            substation.change_power(session, charger.admitted)

    def _targets_kw(self, mine: Iterable[ChargerSession]) -> dict[str, float]:
        """By session id, of sessions without a charger too."""
        needs = [
            ((-math.inf, session.number), session.session_id, Need(session.request.power))
            for session in self._substation.active
        ]
        needs += [(each.turn, each.session_id, each.need()) for each in mine]
        needs.sort(key=lambda need: need[0])
        firm_kw = sum(each.least_kw for each in self if each.is_firm)
        besides_kw = sum(each.least_kw for each in self if not each.can_rise and not each.is_firm)
        shares = targets_kw(self._substation.capacity_kw - firm_kw, [need for _, _, need in needs], besides_kw)
        return {session_id: share for (_, session_id, _), share in zip(needs, shares, strict=True)}

    def _rise(self, mine: list[ChargerSession], targets: dict[str, float]) -> None:
        """Give away what is neither booked nor the target of a session without a charger, as far as targets want it.

        A fall that is not confirmed yet is still booked: what it will free is not given to anybody before.
        """
        others_kw = sum(targets[session.session_id] for session in self._substation.active)
        room_kw = self._substation.capacity_kw - self.booked_kw - others_kw
        if room_kw < -TOLERANCE_KW:
            return  # also what is booked already is better given up
        rising = []
        for charger in sorted(mine, key=attrgetter("turn")):
            target_kw, booked_kw = targets[charger.session_id], charger.supply.booked_kw
            if target_kw < max(charger.power_kw, charger.range.min_kw):
                continue  # it is to have less than now, or nothing
            if charger.power_kw < charger.range.min_kw:  # it has nothing yet, and less than its minimum is of no use
                need_kw = max(0.0, charger.range.min_kw - booked_kw)
                if need_kw > max(0.0, room_kw) + TOLERANCE_KW:
                    break  # whoever is newer does not take what this one waits for
                room_kw -= need_kw
                booked_kw += need_kw
            rising.append((charger, booked_kw, target_kw))
        self._raise(rising, max(0.0, room_kw))

    def _raise(self, rising: list[tuple[ChargerSession, float, float]], room_kw: float) -> None:
        """Up to its target each whose target is booked already; the others share the room, the lowest first."""
        ranges = [PowerRange(booked_kw, max(booked_kw, target_kw)) for _, booked_kw, target_kw in rising]
        shares = share_kw(room_kw + sum(power.min_kw for power in ranges), ranges)
        for (charger, _, target_kw), share in zip(rising, shares, strict=True):
            offer_kw = _whole_watts(min(share, target_kw), charger.range.min_kw)
            if charger.power_kw <= 0 or offer_kw >= charger.power_kw + LEAST_RISE_KW:
                self._offer(charger, offer_kw)

    def _offer(self, charger: ChargerSession, power_kw: float) -> None:
        least_kw = charger.range.min_kw if charger.can_rise else power_kw
        if charger.supply.offer(_whole_watts(power_kw, least_kw)):
            self._touch(charger)

    def _touch(self, charger: ChargerSession) -> None:
        self.changed.add(charger.session_id)
        self.revision += 1


def _whole_watts(power_kw: float, least_kw: float) -> float:
    """Rounded down to whole watts, but not below the least that is of use; less than that is nothing."""
    if power_kw < least_kw - TOLERANCE_KW:
        return 0.0
    return max(least_kw, math.floor((power_kw + TOLERANCE_KW) * 1000) / 1000)
