"""One connector (an EVSE, in 2.x): what its charger says of it, its limit, and what its substation was told.

It decides little: it is where the facts of one connector stand, so that `desk`, `sessions`, `steering`, `safe_plans`
and `reporting` see the same ones. Who writes what:

* `desk`, as the charger tells it: `status`, `car`, `reading`; `newcomer`, whose car has come just now, and
  `unanswered`, to whose start the charger has no answer yet;
* `sessions`, as the substation tells it: `offer`, `position`, `was_ours`, `given_back`;
* `safe_plans`: `planned_a`, the safe current that the connector is to have, and `safe_a`, the one that was ordered;
* `steering`: `limit_for`, the transaction that `limit` has begun for, and when the connector is looked at again;
* `reporting`: `report`, the last one that was sent.

The transaction of the car that is there is not kept here: `Charger.transaction_on` finds it. `limit_for` is another
one, or none, for as long as no limit may be written for that car. So `is_known` and `limit_for` together say whether
the edge knows what its charger may draw; where it does not, it reports `held_kw` as unknown, and what the substation
has booked stays booked.

Three rules are here, as they need nothing else. An older status never replaces a newer one, and of several plugs a car
at one is at the EVSE. A reading counts with at most twice the rating, whatever the meter says. A meter that tells no
power has it from two readings of its register, once the register's steps are small beside what was counted between
them.
"""

from __future__ import annotations

import math
from dataclasses import replace

from smartgrid.domain.charger_sessions import METER_LIFE_S
from smartgrid.edge.limits.amps import MINIMUM_A, nominal_kw
from smartgrid.edge.limits.connector_limit import ConnectorLimit
from smartgrid.edge.messages.values import CAR_OF_STATUS, ConnectorStatus
from smartgrid.edge.ports import CarState, ConnectorSpec, Obedience, Offer, OpenSession, Reading, SessionReport
from smartgrid.edge.transactions.transaction import Transaction
from smartgrid.protocol.offers import MAX_CHARGER_KW

LET_GO_S = 10.0
NEVER = -1, -1
MOST_OF_RATING = 2.0
"""A breaker lets 1.45 of its rating pass for an hour (IEC 60898), at 253 V in place of 230: 1.6, and the meter may be
off. Beyond twice, the meter is wrong, or what was registered is: a charger must not book a whole substation."""
LEAST_BETWEEN_S, MOST_BETWEEN_S = 10.0, 900.0
"""Of two readings of a register, to tell the power from them."""
MOST_PLUGS = 8
_NO_CAR_THERE = (
    ConnectorStatus.RESERVED,
    ConnectorStatus.AVAILABLE,
    ConnectorStatus.FAULTED,
    ConnectorStatus.UNAVAILABLE,
    ConnectorStatus.UNKNOWN,
)
_RANK = {status: rank for rank, status in enumerate(_NO_CAR_THERE, 1)}
"""Of several plugs: a car at one of them is at the EVSE, else the first of these holds for all of it."""
SURE_KW, SURE_SHARE = 0.5, 0.1
"""A register tells a power once its last step makes no more than so much of it: some count in steps of 1 kWh."""


class Connector:
    """`limit` is None until its charger has connected, `transaction` the one whose car is there now."""

    __slots__ = (
        "car",
        "given_back",
        "is_clearing",
        "is_known",
        "is_stopping",
        "last_energy",
        "let_go_s",
        "limit",
        "limit_for",
        "lowered_s",
        "newcomer",
        "number",
        "offer",
        "planned_a",
        "plugs",
        "position",
        "reading",
        "reading_s",
        "report",
        "report_s",
        "safe_a",
        "settle_s",
        "spec",
        "status",
        "status_wall_s",
        "stop_s",
        "stop_tries",
        "taken",
        "unanswered",
        "vacant_s",
        "wake_s",
        "was_ours",
    )

    def __init__(self, number: int, spec: ConnectorSpec) -> None:
        self.number, self.spec = number, spec
        self.status = ConnectorStatus.UNKNOWN
        self.status_wall_s = -math.inf
        self.plugs: dict[int, tuple[ConnectorStatus, float]] = {}
        """Of an EVSE with several plugs (2.x), of which one car at a time has one: what was told of each, and when."""
        self.car: CarState | None = None
        self.limit: ConnectorLimit | None = None
        self.planned_a = self.safe_a = 0.0
        """The safe current that is planned for it, and the one that its charger was told."""
        self.lowered_s = -math.inf
        """When the safe current of the car that is there was last lowered."""
        self.let_go_s = -math.inf
        """Until then the end of its last transaction waits for the safe current to be gone."""
        self.limit_for: Transaction | None = None
        """The transaction that the limit has begun for."""
        self.unanswered: Transaction | None = None
        """One whose start has no answer yet: no profile may name it."""
        self.newcomer: Transaction | None = None
        """One whose car has come just now: no earlier profile can be its."""
        self.offer: Offer | None = None
        self.taken: OpenSession | None = None
        """Its session as it was told when its offer was taken: told alike again, it is no news."""
        self.position: int | None = None
        self.reading: Reading | None = None
        self.reading_s = -math.inf
        self.last_energy: tuple[float, float] | None = None
        self.report: SessionReport | None = None
        self.report_s = -math.inf
        self.vacant_s = math.inf
        """When a transaction that is open without a car will be taken as over."""
        self.settle_s = -math.inf
        """Until then a start from a queue may yet be followed by its stop."""
        self.stop_s = math.inf
        """When to ask the charger (again) to stop the transaction."""
        self.stop_tries = 0
        self.wake_s = math.inf
        self.is_stopping = False
        self.is_clearing = False
        """Whether its charger was asked to make place for a profile, and has not answered."""
        self.is_known = False
        """Whether it is known what limit its charger has: not before it has confirmed one on this connection, as it may
        have been at another edge."""
        self.was_ours = False
        self.given_back = NEVER
        """By which epoch and number its session was last given back: no offer of before is gone by."""

    @property
    def rating_kw(self) -> float:
        return nominal_kw(self.spec.rating_a, self.spec.phases)

    @property
    def most_kw(self) -> float:
        """What it can carry, whatever its meter says."""
        return MOST_OF_RATING * self.rating_kw

    @property
    def has_power(self) -> bool:
        """Whether its session has an offer above 0."""
        return self.offer is not None and self.offer.power_kw > 0

    @property
    def has_let_go(self) -> bool:
        """Whether its charger has confirmed that without a session nothing is drawn, or never will."""
        return self.limit is None or not self.limit.is_controlled or self.limit.fallback_kw <= 0

    @property
    def still_kw(self) -> float:
        """What may be drawn by its safe current."""
        if self.limit is None or (self.limit.is_controlled and self.limit.fallback_kw >= self.limit.rating_kw):
            return nominal_kw(self.safe_a, self.spec.phases)  # not confirmed on this connection: what it had before
        return self.limit.fallback_kw if self.limit.is_controlled else 0.0

    @property
    def planned_kw(self) -> float:
        """What its safe current lets flow, once its charger has it."""
        return nominal_kw(self.planned_a, self.spec.phases)

    @property
    def least_kw(self) -> float:
        """What a car needs to charge at all."""
        return min(self.rating_kw, nominal_kw(MINIMUM_A, self.spec.phases))

    def is_free(self, transaction: Transaction | None) -> bool:
        """Whether a car can plug in, as far as the charger says."""
        return transaction is None and self.status is ConnectorStatus.AVAILABLE

    def told_status(self, status: ConnectorStatus, wall_s: float, plug: int = 0) -> bool:
        """Returns whether it is news, as the first after a boot is; what is older than the last of that plug is not."""
        is_first = not self.plugs
        if wall_s < self.plugs.get(plug, (status, -math.inf))[1]:
            return False
        if plug in self.plugs or len(self.plugs) < MOST_PLUGS:
            self.plugs[plug] = status, wall_s
        status = min((each for each, _ in self.plugs.values()), key=lambda each: _RANK.get(each, 0))
        is_news = is_first or status is not self.status
        self.status, self.status_wall_s = status, max(wall_s, self.status_wall_s)
        self.car = CAR_OF_STATUS.get(status, self.car if status is ConnectorStatus.OCCUPIED else None)
        return is_news

    def measured(self, reading: Reading, now_s: float) -> Reading:
        """Take a live reading; returns it with the power that the register shows, if it has none of its own.

        What is more than the connector can carry counts as that, not as what was told.
        """
        if reading.power_kw is None and reading.energy_kwh is not None:
            reading = self._with_power(reading)
        if reading.energy_kwh is not None:
            before = self.last_energy
            passed_s = math.inf if before is None else reading.wall_s - before[0]
            is_used = reading.power_kw is not None and passed_s >= LEAST_BETWEEN_S
            if before is None or is_used or passed_s > MOST_BETWEEN_S or reading.energy_kwh < before[1]:
                self.last_energy = reading.wall_s, reading.energy_kwh
        most_kw = self.most_kw
        if reading.power_kw is not None and reading.power_kw > most_kw:
            self.reading, self.reading_s = replace(reading, power_kw=most_kw), now_s
        elif reading.power_kw is None and self.reading is not None and now_s - self.reading_s <= METER_LIFE_S:
            self.reading = replace(reading, power_kw=self.reading.power_kw)  # for as long as that was told
        else:
            self.reading, self.reading_s = reading, now_s
        return reading

    def power_kw(self, now_s: float) -> float | None:
        """What is drawn now, if the meter has said so lately."""
        if self.reading is None or now_s - self.reading_s > METER_LIFE_S:
            return None
        return self.reading.power_kw

    def reconnected(self, now_s: float, *, may_have_been_elsewhere: bool) -> None:
        """Its charger is here again; another edge may have told it something since, and it counts as ours anew."""
        self.offer, self.taken, self.was_ours = None, None, False
        self.is_known = self.is_known and not may_have_been_elsewhere
        if self.limit is not None:
            self.limit.reconnected(now_s, may_have_been_elsewhere=may_have_been_elsewhere)

    def no_transaction(self, now_s: float) -> None:
        """What was of the last one is over: there is no safe current without a session."""
        self.planned_a = self.safe_a = 0.0
        if self.limit is not None:
            self.limit.fallback(0.0, now_s)
        self.lowered_s, self.let_go_s = -math.inf, now_s + LET_GO_S
        self.offer = self.taken = self.report = self.position = self.last_energy = self.reading = None
        self.vacant_s = self.stop_s = math.inf
        self.settle_s = -math.inf
        self.stop_tries = 0
        self.is_stopping = self.was_ours = False
        self.given_back = NEVER

    @property
    def obedience(self) -> Obedience:
        return Obedience.UNKNOWN if self.limit is None else self.limit.obedience

    def _with_power(self, reading: Reading) -> Reading:
        if self.last_energy is None or reading.energy_kwh is None:
            return reading
        before_s, before_kwh = self.last_energy
        passed_s = reading.wall_s - before_s
        if not LEAST_BETWEEN_S <= passed_s <= MOST_BETWEEN_S or reading.energy_kwh < before_kwh:
            return reading
        power_kw = (reading.energy_kwh - before_kwh) / passed_s * 3600
        if power_kw > MAX_CHARGER_KW:
            self.last_energy = reading.wall_s, reading.energy_kwh
            return reading  # the register has jumped
        step_kw = _step_kwh(before_kwh, reading.energy_kwh) / passed_s * 3600
        if step_kw > SURE_KW + SURE_SHARE * power_kw:
            return reading  # its steps are too coarse to say so soon
        return replace(reading, power_kw=power_kw)


def _step_kwh(*registers_kwh: float) -> float:
    """In which steps a register counts, by what it shows: up to 1 kWh, at least 1 Wh."""
    shown_wh = [round(1000 * each) for each in registers_kwh]
    return next((step for step in (1000, 100, 10) if all(each % step == 0 for each in shown_wh)), 1) / 1000
