"""One connector: which limit its charger is to be told next, and what it may draw until then.

**What may be drawn** (`held_kw`) is the greatest of all that may stand at the charger: the limit that it has confirmed,
until its profile has run out; every order to which no answer is known, until that one's has; the safe current of its
TxDefaultProfile, always, as it rules whenever no other does; and what the meter shows, if that is more. A limit that
has fallen counts for another moment, until the meter shows that the car has followed. Where an earlier process may have
written what this one does not know, and where a charger does not obey, it is the rating.

**What is told.** A profile ends with the lease of the offer that it is for, at the latest, and within `LIFE_S`; half
way it is renewed. A fall goes out at once. A rise waits until it is worth an ampere and a minute has passed since the
charger's last one. The first limit above 0 of a car goes out at once, and a car that was paused gets power again after
`pause_s` (30 s unless its model needs more), as contactors and cars dislike flapping. So a charger, edge, substation or
network that dies leaves every car at its safe current, within one life of a profile.

**Two forms.** Where the TxProfile carries limits, it has a duration and lies over a TxDefaultProfile that stays. Where
the TxDefaultProfile (or ChargePointMaxProfile) has to carry them, it is one profile of two periods: the limit, then the
safe current. A TxProfile has this form too at a charger that takes no TxDefaultProfile at all.

**The number** of an offer is adopted when it is seen: from then on no order is made for an earlier one, and what older
orders may have left is in `held_kw`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from smartgrid.edge.limits import amps
from smartgrid.edge.limits.metered import REACTION_S, Metered
from smartgrid.edge.limits.pace import Pace
from smartgrid.edge.limits.phases import PhasesSeen
from smartgrid.edge.limits.quirks import Quirks
from smartgrid.edge.limits.slot import Slot, Written
from smartgrid.edge.limits.trust import Remedy, Trust
from smartgrid.edge.ports import (
    ConnectorSpec,
    LimitOrder,
    Obedience,
    OcppVersion,
    Offer,
    ProfileKind,
    RateUnit,
    Reading,
)

LIFE_S = 840.0
LEAST_LIFE_S = 5.0
MARGIN_S = 15.0
"""A profile ends so long before its lease, or by a tenth of it if that is less: clocks differ, and cars take time."""
ANSWER_S = 60.0
"""How long an answer is waited for; a relative profile may begin that much late, so it is made that much shorter, or
by a quarter of its lease if that is less: else a short lease would leave it no life. Where the answer takes longer than
that, it is held for that much longer."""
LATE_RENEWAL_S = 90.0
"""Before the end of a profile, where the charger has been written to too often today."""
RISE_A = 1.0
RETRY_S, RETRY_MOST_S = 5.0, 60.0
SOON_S = 1.0
"""A charger that cannot take a limit just then is asked again after this."""
BAD_CLOCK_S, GOOD_CLOCK_S = 60.0, 30.0
_SAME = 1e-6
PROBE_S = 30.0
"""Without another step of a probe for so long, it is over."""
_BASE = {kind: kind if kind is not ProfileKind.TX else ProfileKind.TX_DEFAULT for kind in ProfileKind}
_IDS = {ProfileKind.TX: 1, ProfileKind.TX_DEFAULT: 2, ProfileKind.CHARGE_POINT_MAX: 3}


class ConnectorLimit:
    """See above. All times are of `time.monotonic`. `pace` is shared by the connectors of a charger."""

    __slots__ = (
        "_base", "_begun_s", "_boot_sequence", "_clears_first", "_failures", "_first_sequence", "_has_car",
        "_has_had_power", "_is_cleared", "_is_connected", "_is_cut_off", "_is_first", "_is_relative", "_is_void",
        "_late_s", "_lease_end_s", "_limit_again", "_looked_s", "_margin_s", "_metered", "_offer", "_pace", "_paused_s",
        "_phases", "_quirks", "_retry_s", "_rise_sequence", "_safe_a", "_safe_again", "_sequence", "_trust", "_tx",
        "_voltage", "_ways", "_worthwhile_s", "adopted_number", "connector", "has_news", "rating_kw", "spec",
        "transaction_id", "version",
    )  # fmt: skip

    def __init__(
        self, connector: int, spec: ConnectorSpec, quirks: Quirks, version: OcppVersion, pace: Pace | None = None
    ) -> None:
        self.connector = connector
        self.spec = spec
        self.version = version
        self.adopted_number = 0
        self.transaction_id: str | None = None
        self.has_news = True
        """Whether what it was told (a reading, a unit, the clock) may bring an order before `next_due_s`."""
        self._quirks = quirks
        self._pace = pace or Pace()
        self._trust = Trust(quirks)
        self._ways = self._trust.ways
        self._voltage = amps.Voltage()
        self._reckon_rating()
        self._phases = PhasesSeen(spec.phases)
        self._metered = Metered()
        self._tx = Slot()
        self._base = Slot()
        self._sequence = 0
        self._rise_sequence = 0
        self._first_sequence = self._boot_sequence = 0
        self._clears_first = self._is_cleared = False
        self._is_connected, self._is_cut_off = True, False
        self._is_relative = quirks.is_relative
        self._has_car = False
        self._begun_s = 0.0
        self._is_first = False
        self._offer: Offer | None = None
        self._lease_end_s = -math.inf
        self._is_void = False
        self._margin_s = MARGIN_S
        self._late_s = ANSWER_S
        self._worthwhile_s = 0.0
        self._safe_a: float | None = None
        self._limit_again = self._safe_again = False
        self._failures = 0
        self._retry_s = -math.inf
        self._has_had_power = False
        self._paused_s: float | None = None
        self._looked_s = -math.inf

    # ------------------------------------------------------------------ what happens

    def begin(self, transaction_id: str | None, now_s: float, *, is_new: bool = False) -> None:
        """A car is there. Again with the transaction's id once there is one, and the charger has been told it.

        `is_new`: it has come just now, so no TxProfile of it can stand at the charger. Not to be said of a transaction
        that was found open after a restart.
        """
        if self._has_car and self.transaction_id in {None, transaction_id}:
            self.transaction_id = transaction_id
            return
        if self._has_car:
            self.end(now_s)
        self._has_car = self._is_first = True
        self._begun_s = now_s
        self._has_had_power, self._paused_s = False, None
        self.transaction_id = transaction_id
        self._trust.another_car(now_s)
        if is_new:
            self._tx.empty()
            self._metered.reset()

    def end(self, now_s: float) -> None:
        """The transaction is over, and its TxProfile with it."""
        self._has_car = self._is_void = False
        self.transaction_id = None
        self._offer, self.adopted_number = None, 0
        self._tx.empty()
        self._phases.reset()
        self._metered.reset()
        self._limit_again = False
        self._trust.another_car(now_s)

    def offered(self, offer: Offer | None, now_s: float) -> None:
        """What the substation offers the session. None: it does not know it; what was offered falls to 0 at once."""
        self._offer, self._is_void = offer, False
        if offer is not None:
            self.adopted_number = offer.number
            self._lease_end_s = offer.lease_end_s
            lease_s = max(offer.lease_end_s - now_s, 0.0)
            self._margin_s = min(MARGIN_S, lease_s / 10)
            self._late_s = min(ANSWER_S, lease_s / 4)
            self._worthwhile_s = min(LIFE_S, lease_s) / 4

    def fallback(self, current_a: float, now_s: float) -> None:
        """The safe current: what the TxDefaultProfile is to be."""
        self._safe_a = current_a if current_a >= self._quirks.minimum_a else 0.0

    def told_unit(self, unit: RateUnit) -> None:
        """The charger has said which unit it takes (ChargingScheduleAllowedChargingRateUnit, RateUnit)."""
        self._ways.told_unit(unit)
        self.has_news = True

    def clock(self, skew_s: float) -> None:
        """By how much the charger's clock is ahead of ours. Far off, its profiles are made not to use it."""
        bad_s = GOOD_CLOCK_S if self._is_relative else BAD_CLOCK_S
        is_relative = self._quirks.is_relative or abs(skew_s) > bad_s
        if is_relative != self._is_relative:
            self._is_relative, self._limit_again, self.has_news = is_relative, True, True

    def measured(self, reading: Reading, now_s: float) -> None:
        """A reading of the meter. One from a queue says nothing of the present.

        Most bring no order: `next_order` need be asked only if one `has_news`.
        """
        if reading.is_late:
            return
        before = self._seen()
        self._take(reading, now_s)
        self.has_news = self.has_news or self._seen() != before

    def _seen(self) -> tuple[object, ...]:
        """All by which a reading may bring an order."""
        trust = self._trust
        found_out = trust.is_controlled, trust.trial_a, self._ways.carrier
        return self._voltage.assumed_v, self._phases.used, self._limit_again, self._is_first, found_out

    def _take(self, reading: Reading, now_s: float) -> None:
        if self._voltage.measured(reading.voltages_v):
            self._reckon_rating()
        standing = self._tx.standing or self._base.standing
        is_in_a = standing is not None and standing.unit is RateUnit.AMPERES
        if self._has_car:
            self._phases.measured(reading, now_s, standing.at(now_s) if standing is not None and is_in_a else None)
        power_kw = self._power_kw(reading)
        if power_kw is None or not self._has_car:
            return
        last_kw, is_controlled = self._last_kw, self.is_controlled
        is_bound = is_controlled or self._trust.trial_a is not None
        bound_kw = self._written_kw(now_s, last_kw) if is_bound else self.rating_kw
        self._metered.measured(power_kw, bound_kw, now_s)
        drawn_a = self._amperes(power_kw)
        if is_in_a and not reading.is_overall:
            drawn_a = max([drawn_a, *[current for current in reading.currents_a if current is not None]])
        self._do(
            self._trust.measured(
                drawn_a,
                reading.offered_a,
                self._amperes(bound_kw),
                None if self._tx.standing is None else self._amperes(last_kw if is_controlled else self.rating_kw),
                self.spec.rating_a,
                now_s,
                is_pending=self._limit_again or self._safe_again,
            )
        )

    def must_clear(self, order: LimitOrder) -> bool:
        """Whether the TxProfile before this one has to be cleared first: some of OCPP 2 want that even of one id.

        In 1.6 only after a second one was refused, for whatever reason: if another profile is to carry limits then, the
        first must be gone, as a TxProfile rules over all others.
        """
        return self._clears_first and order.kind is ProfileKind.TX and not self._is_cleared

    def cleared(self) -> None:
        """It is, as far as the charger says. What stood counts for what may be drawn until another is confirmed."""
        self._is_cleared = True

    def sent(self, order: LimitOrder, now_s: float) -> None:
        """It is on its way, or in the queue to the charger."""
        ends_s = math.inf
        late_s = self._late_s if order.is_relative else 0.0
        if order.duration_s is not None:
            ends_s = now_s + late_s + order.duration_s + self._margin_s + REACTION_S
        duration_s = math.inf if order.duration_s is None else order.duration_s
        written = Written(order.limit, order.unit, ends_s, order.then_limit, duration_s, now_s, late_s)
        self._slot(order.kind).sent(order.sequence, written)
        self._pace.wrote(now_s)
        if order.sequence == self._rise_sequence:
            self._pace.rose(now_s)
        if self._is_first and order.duration_s is not None and order.limit > 0:
            self._is_first, self._first_sequence = False, order.sequence

    def answered(self, order: LimitOrder, accepted: bool | None, now_s: float) -> None:
        """Accepted or not; None: no answer (or never sent), so that either may hold."""
        slot = self._slot(order.kind)
        written = slot.find(order.sequence)
        if written is None:
            return
        if accepted is None:
            slot.lost(order.sequence, now_s)
            self._failed(now_s)
        elif accepted:
            self._accepted(order, slot, now_s)
        else:
            slot.refused(order.sequence)
            self._refused(order, now_s)

    def timed_out(self, order: LimitOrder, now_s: float) -> None:
        """No answer to what was sent, although the charger is there."""
        self.answered(order, None, now_s)
        self._trust.unanswered()

    def cut_off(self, order: LimitOrder, now_s: float) -> None:
        """Its connection was over before it answered."""
        self.answered(order, None, now_s)
        self._is_cut_off = True

    def not_yet(self, order: LimitOrder, now_s: float) -> None:
        """It has not taken it, for a reason that has nothing to do with what it takes."""
        self._slot(order.kind).refused(order.sequence)
        self._is_first |= order.sequence == self._first_sequence
        self._failed(now_s, SOON_S)

    def disconnected(self, now_s: float) -> None:
        """What the charger has goes on until it runs out. One that goes whenever it is told something never answers."""
        if self._is_cut_off:
            self._is_cut_off = False
            self._trust.unanswered()
        self._is_connected = self._is_cleared = False  # a clear without an answer says nothing
        for slot in (self._tx, self._base):
            slot.lost(None, now_s)

    def reconnected(self, now_s: float, *, rebooted: bool = False, may_have_been_elsewhere: bool = False) -> None:
        """It is there again; after a reboot its profiles are written again, whatever it should have kept.

        What it has refused before says nothing then: until its BootNotification is answered a charger may refuse all.
        May another edge have told it something since, no limit is written by what was offered before.
        """
        self._is_connected = True
        self._is_void |= may_have_been_elsewhere and self._has_car
        self._failures, self._retry_s = 0, now_s
        if rebooted:
            self._boot_sequence = self._sequence
            self._trust.rebooted()
        self._limit_again |= rebooted
        self._safe_again |= rebooted
        if rebooted and not self._base.is_known:
            self._tx.is_known = False  # only a TxDefaultProfile is sure to outlive a reboot (OCPP 1.6, errata 3.37)

    def asked_for(self, now_s: float) -> bool:
        """The charger asks for the limit of its car. Returns whether it is told that once more: not too often a day."""
        is_told = self._has_car and not self._pace.is_spent(now_s)
        self._limit_again |= is_told
        return is_told

    def probed(self, now_s: float) -> None:
        """Somebody has written profiles past this one: all is written again once they have been through with it."""
        self._base.is_known = self._tx.is_known = False
        self._safe_again = self._limit_again = True
        self._retry_s = now_s + PROBE_S

    # ------------------------------------------------------------------ what may be drawn

    def _reckon_rating(self) -> None:
        highest_v = max(self._voltage.assumed_v, amps.NOMINAL_V)
        self.rating_kw = self.spec.rating_a * self.spec.phases * highest_v / 1_000
        """What is built in, at the highest voltage that is reckoned with."""

    @property
    def fallback_kw(self) -> float:
        """What may be drawn once every profile with an end has ended. The rating, where no TxDefaultProfile is sure."""
        return self._last_kw if self.is_controlled else self.rating_kw

    @property
    def safe_a(self) -> float | None:
        """The safe current that the charger has confirmed, for each phase; None where it is not known to have one."""
        slot = self._base if self._base.is_known else self._tx
        standing = slot.standing
        if not slot.is_known or standing is None or standing.last is None:
            return None
        return amps.to_amperes(standing.last, standing.unit, amps.NOMINAL_V, self.spec.phases)

    @property
    def _last_kw(self) -> float:
        if not self._has_base:
            return self.rating_kw
        possible = (self._base if self._base.is_known else self._tx).possible()
        if not possible:
            return self.rating_kw
        return min(self.rating_kw, max([self._kw(written, written.last) for written in possible]))

    def held_kw(self, now_s: float) -> float:
        """The most that may be drawn now."""
        return self._metered.held_kw(self._bound_kw(now_s), now_s)

    @property
    def obedience(self) -> Obedience:
        return self._trust.obedience

    @property
    def is_controlled(self) -> bool:
        """Whether limits count; if not, the rating is what may be drawn."""
        return self._trust.is_controlled

    @property
    def limit_a(self) -> float | None:
        """The confirmed limit, for each phase; None where none is."""
        standing = self._tx.standing or self._base.standing
        at = None if standing is None else standing.at(self._looked_s)
        if standing is None or at is None:
            return None
        return amps.to_amperes(at, standing.unit, self._voltage.assumed_v, self._phases.used)

    @property
    def phases(self) -> int:
        return self._phases.used

    @property
    def voltage_v(self) -> float:
        return self._voltage.assumed_v

    def profiles(self, now_s: float) -> Iterator[tuple[ProfileKind, Written, bool]]:
        """What may stand at the charger now, as far as this edge has written it: by which profile, and whether the
        charger has confirmed it."""
        base = ProfileKind.TX_DEFAULT if self._ways.carrier is None else _BASE[self._ways.carrier]
        for kind, slot in ((ProfileKind.TX, self._tx), (base, self._base)):
            for written in slot.possible():
                if written.at(now_s) is not None:
                    yield kind, written, written is slot.standing

    @property
    def _has_base(self) -> bool:
        """Whether it is sure what rules when a TxProfile is over."""
        if not self._quirks.keeps_profiles:
            return False
        if self._base.is_known:
            return True
        return self._tx.standing is not None and all(w.then_limit is not None for w in self._tx.possible())

    def _bound_kw(self, now_s: float) -> float:
        """What may be drawn by all that may stand at the charger."""
        return self._written_kw(now_s, self._last_kw) if self.is_controlled else self.rating_kw

    def _written_kw(self, now_s: float, last_kw: float) -> float:
        """The same, as if it obeyed."""
        if not self._tx.is_known:
            return self.rating_kw
        possible = (*self._tx.possible(), *self._base.possible())
        return min(max([last_kw, *[self._kw(each, each.at(now_s)) for each in possible]]), self.rating_kw)

    def _kw(self, written: Written, limit: float | None) -> float:
        return 0.0 if limit is None else amps.to_kw(limit, written.unit, self._voltage.assumed_v, self._phases.used)

    def _amperes(self, power_kw: float) -> float:
        """What a power is on each phase."""
        return 1_000 * power_kw / (self._voltage.assumed_v * self._phases.used)

    # ------------------------------------------------------------------ what is told next

    def next_order(self, now_s: float) -> LimitOrder | None:
        """What to send now. To be asked again after each of these calls, and at `next_due_s`."""
        self._looked_s, self.has_news = now_s, False
        if not self._is_connected:
            return None
        self._trust.pass_time(self._amperes(self._metered.power_kw) if self._has_car else 0.0, now_s)
        safe_order = self._safe_order(now_s)
        if safe_order is not None and not self._raises_safe(safe_order):
            return safe_order
        return self._limit_order(now_s) or safe_order  # the limit first: a car draws the higher of the two until then

    def next_due_s(self) -> float:
        """When time alone may bring another order, or lower what is held; infinite if never."""
        times_s = [self._retry_s, self._pace.next_rise_s(), self._trust.anew_s, *self._metered.times_s()]
        if self._paused_s is not None:
            times_s.append(self._paused_s + self._quirks.pause_s)
        for written in (*self._tx.possible(), *self._base.possible()):
            times_s += [written.ends_s, self._renewal_s(written, False), self._renewal_s(written, True)]
        return min((time_s for time_s in times_s if time_s > self._looked_s), default=math.inf)

    def _safe_order(self, now_s: float) -> LimitOrder | None:
        """The profile that stays: also where it carries limits, as long as there is none to carry."""
        carrier = self._ways.carrier
        kind = ProfileKind.TX_DEFAULT if carrier is None else _BASE[carrier]
        unit = self._ways.unit_of(kind)
        if self._safe_a is None or unit is None:
            return None
        if kind is carrier and (self._is_void or self._life_of_limit_s(now_s) is not None):
            return None
        limit = self._safe_limit(self._safe_a, unit)
        latest = self._base.in_flight
        if latest is None and self._base.is_certain and not self._safe_again:
            latest = self._base.standing
        if latest is not None and (latest.unit, latest.at(now_s), latest.last) == (unit, limit, limit):
            return None
        is_fall = latest is not None and latest.unit is unit and limit < max(latest.limit, latest.last or 0.0) - _SAME
        if not is_fall and (self._base.in_flight is not None or now_s < self._retry_s):
            return None
        return self._order(kind, unit, limit)

    def _limit_order(self, now_s: float) -> LimitOrder | None:
        kind = self._ways.carrier
        unit = None if kind is None else self._ways.unit_of(kind)
        life_s = self._life_of_limit_s(now_s)
        if kind is None or unit is None or life_s is None or self._is_void:
            return None
        slot = self._slot(kind)
        slot.forget_ended(now_s)
        is_alone = kind is ProfileKind.TX and self._ways.unit_of(ProfileKind.TX_DEFAULT) is None
        has_then = is_alone or kind is not ProfileKind.TX
        then_limit = self._safe_limit(self._safe_a or 0.0, unit) if has_then else None
        limit = self._next_limit(slot, unit, then_limit, now_s, life_s)
        return None if limit is None else self._order(kind, unit, limit, life_s, then_limit)

    def _raises_safe(self, order: LimitOrder) -> bool:
        standing = self._base.standing
        return standing is not None and standing.unit is order.unit and order.limit > (standing.last or 0.0)

    def _life_of_limit_s(self, now_s: float) -> int | None:
        """How long a profile with a limit may live that is written now; None where none is to be."""
        carrier = self._ways.carrier
        if not self._has_car or carrier is None or not self._trust.may_write:
            return None
        if carrier is ProfileKind.TX:
            nothing = self._offer is None and not self._draws_by_limit(now_s)
            if nothing or self.transaction_id is None:
                return None
        elif self._offer is None or self._is_relative:
            return None  # relative periods would be counted from nobody knows when: the safe current rules
        late_s = self._late_s if self._is_relative else 0.0
        life_s = math.floor(min(LIFE_S, self._lease_end_s - now_s - self._margin_s - late_s))
        return life_s if life_s >= LEAST_LIFE_S else None

    def _draws_by_limit(self, now_s: float) -> bool:
        """Whether this car may have been given one."""
        return any(w.written_s >= self._begun_s and (w.at(now_s) or 0.0) > 0 for w in self._tx.possible())

    def _next_limit(
        self, slot: Slot, unit: RateUnit, then_limit: float | None, now_s: float, life_s: int
    ) -> float | None:
        """The limit to write, before `then_limit` if there is one; None if what stands is right for now.

        `at` is the limit that rules as far as is confirmed, `most` the greatest that may rule.
        """
        want = self._wanted(unit)
        if slot.in_flight is not None:  # an answer is waited for: only less, or another unit, goes out before it comes
            return want if slot.in_flight.unit is not unit or want < slot.in_flight.limit - _SAME else None
        standing = slot.standing
        if standing is not None and standing.unit is not unit:
            standing = None
        at = self._standing_limit(standing, unit, now_s)
        most = max((w.at(now_s) or 0.0 for w in slot.possible() if w.unit is unit), default=at)
        is_due = now_s >= self._retry_s
        if want < max(at, most) - _SAME:  # a fall: at once, but not what was just refused, or had no answer
            return want if is_due or all(abs(w.limit - want) > _SAME for w in slot.possible()) else None
        is_other_then = then_limit is not None and standing is not None and standing.last != then_limit
        if not is_due or (life_s < self._worthwhile_s and not is_other_then):
            return None  # a profile that ends in a moment is not worth its write
        if not is_other_then and want > most + _SAME and self._may_rise(want - most, most, unit, now_s):
            self._rise_sequence = self._sequence + 1
            return want
        # No rise, or not yet: written is at the most what rules, and only if that is not sure, or about to end.
        is_first = standing is None and self._is_first and want != at
        if is_other_then or is_first or self._limit_again or not slot.is_certain:
            return min(want, max(at, most))
        return at if self._is_to_renew(standing, now_s, life_s) else None

    def _standing_limit(self, standing: Written | None, unit: RateUnit, now_s: float) -> float:
        """What rules now, in this unit."""
        at = None if standing is None else standing.at(now_s)
        if at is not None:
            return at
        base = self._base.standing
        at = base.at(now_s) if base is not None and base.unit is unit else None
        return at or 0.0

    def _may_rise(self, by: float, above: float, unit: RateUnit, now_s: float) -> bool:
        if self._is_first:
            return True
        if above == 0 and self._paused_s is not None:
            return now_s >= self._paused_s + self._quirks.pause_s  # it is off: it has rested, and waits for no other
        step = amps.of_current(RISE_A, unit, self._voltage.assumed_v, self._phases.used)
        return by >= step - _SAME and now_s >= self._pace.next_rise_s() and not self._pace.is_spent(now_s)

    def _is_to_renew(self, standing: Written | None, now_s: float, life_s: int) -> bool:
        if standing is None or math.isinf(standing.ends_s) or now_s >= standing.ends_s:
            return False
        base = self._base.standing
        if self._base.is_certain and base is not None and standing.unit is base.unit and standing.limit == base.last:
            return False  # when it ends the same limit goes on
        gains_s = now_s + life_s - self._end_s(standing)
        is_due = now_s >= self._renewal_s(standing, self._pace.is_spent(now_s))
        return is_due and gains_s >= self._worthwhile_s

    def _renewal_s(self, written: Written, is_late: bool) -> float:
        half_s = written.duration_s / 2
        return self._end_s(written) - (min(LATE_RENEWAL_S, half_s) if is_late else half_s)

    def _end_s(self, written: Written) -> float:
        """When the charger is to end it, as it was ordered."""
        return written.written_s + written.duration_s

    def _wanted(self, unit: RateUnit) -> float:
        voltage_v, phases, least_a = self._voltage.assumed_v, self._phases.used, self._quirks.minimum_a
        if self._trust.trial_a is not None:
            limit = amps.of_current(self._trust.trial_a, unit, voltage_v, phases)
        elif self._offer is None:
            limit = 0.0
        else:
            rating_a, is_divided = self.spec.rating_a, not self._ways.takes_all_tenths
            limit = amps.limit(self._offer.power_kw, unit, voltage_v, phases, rating_a, least_a, is_divided=is_divided)
        return self._not_refused(limit, unit, phases)

    def _safe_limit(self, current_a: float, unit: RateUnit) -> float:
        """The safe current as it is written: by nominal voltage and all phases, whatever car comes."""
        return self._not_refused(
            amps.of_current(current_a, unit, amps.NOMINAL_V, self.spec.phases), unit, self.spec.phases
        )

    def _not_refused(self, limit: float, unit: RateUnit, phases: int) -> float:
        if limit > 0 or self._ways.takes_zero:
            return limit
        return amps.of_current(self._quirks.minimum_a, unit, amps.NOMINAL_V, phases)

    def _order(
        self,
        kind: ProfileKind,
        unit: RateUnit,
        limit: float,
        life_s: int | None = None,
        then_limit: float | None = None,
    ) -> LimitOrder:
        self._sequence += 1
        by_phase = unit is RateUnit.WATTS and life_s is not None
        return LimitOrder(
            connector=self.connector,
            kind=kind,
            limit=limit,
            unit=unit,
            phases=self._phases.used if by_phase else self.spec.phases,
            duration_s=life_s,
            sequence=self._sequence,
            transaction_id=self.transaction_id if kind is ProfileKind.TX else None,
            profile_id=10 * self.connector + _IDS[kind],
            stack_level=self._quirks.stack_level,
            then_limit=then_limit,
            is_relative=self._is_relative and life_s is not None,
        )

    # ------------------------------------------------------------------ what comes of it

    def _slot(self, kind: ProfileKind) -> Slot:
        return self._tx if kind is ProfileKind.TX else self._base

    def _accepted(self, order: LimitOrder, slot: Slot, now_s: float) -> None:
        before_kw, before = self._before_kw(now_s), slot.standing
        slot.accepted(order.sequence, now_s)
        self._is_cleared = False
        self._clears_first &= order.kind is not ProfileKind.TX or self.version is not OcppVersion.V16
        self._trust.accepted(order, is_other=before is None or before.limit != order.limit, now_s=now_s)
        self._failures = 0
        if order.duration_s is None:
            self._safe_again = False
        else:
            self._limit_again = False
        if order.limit > 0:
            self._has_had_power |= order.duration_s is not None
            self._paused_s = None
        elif self._has_had_power and self._paused_s is None:
            self._paused_s = now_s
        if self._bound_kw(now_s) < before_kw - _SAME:
            self._metered.fell(before_kw, now_s)

    def _before_kw(self, now_s: float) -> float:
        """What may have been drawn until now; where it is not known what was written, what the meter shows."""
        recent_kw = None if self._tx.is_known else self._metered.recent_kw(now_s)
        return self._bound_kw(now_s) if recent_kw is None else recent_kw

    def _failed(self, now_s: float, first_s: float = RETRY_S) -> None:
        self._retry_s = now_s + min(first_s * 2**self._failures, RETRY_MOST_S)
        self._failures = min(self._failures + 1, 8)

    def _refused(self, order: LimitOrder, now_s: float) -> None:
        if order.kind is ProfileKind.TX and order.transaction_id != self.transaction_id:
            return  # its transaction is over: that was why
        self._is_first |= order.sequence == self._first_sequence
        if order.sequence <= self._boot_sequence:
            return
        is_second = order.kind is ProfileKind.TX and self._tx.standing is not None
        is_for_its_tenth = self._ways.may_be_for_its_tenth(order.unit, order.limit)
        if is_second and not is_for_its_tenth and not self._clears_first:
            self._clears_first = True
        else:
            self._trust.refused(order, now_s)

    def _do(self, remedy: Remedy) -> None:
        self._limit_again |= remedy is Remedy.WRITE_AGAIN
        self._is_first |= remedy is Remedy.WRITE_OTHERWISE

    def _power_kw(self, reading: Reading) -> float | None:
        """What is drawn, believed within twice the rating."""
        power_kw = reading.power_kw
        if power_kw is None:
            currents_a = [current for current in reading.currents_a if current is not None]
            if not currents_a:
                return None
            power_kw = sum(currents_a) * self._voltage.assumed_v / 1_000
        return max(power_kw, 0.0) if power_kw <= 2 * self.rating_kw else None

    # ------------------------------------------------------------------ asking the charger

    def unit_to_ask(self) -> RateUnit | None:
        """In which unit to ask for the composite schedule: once, when it would tell whether a TxProfile is applied."""
        standing = self._tx.standing
        if standing is None or not self._base.is_certain:
            return None
        limit_a, safe_a = self._amperes(self._kw(standing, standing.limit)), self._amperes(self.fallback_kw)
        return standing.unit if self._trust.is_to_ask(limit_a, safe_a) else None

    def schedule_told(self, limit: float | None, unit: RateUnit, now_s: float) -> None:
        """Its answer: the limit of now; None where it did not say."""
        standing = self._tx.standing
        told_a = amps.to_amperes(limit or 0.0, unit, self._voltage.assumed_v, self._phases.used)
        self._do(
            self._trust.schedule_told(
                None if limit is None or standing is None else told_a,
                0.0 if standing is None else self._amperes(self._kw(standing, standing.limit)),
                self._amperes(self.fallback_kw),
                now_s,
            )
        )
